"""Parameter files as ground stations keep them: text out, text in, and what differs.

Owns three forms and nothing of where they come from:

- `.params`, QGroundControl: vehicle, component, name, value and MAV_PARAM_TYPE between tabs; it
  loads a file only into the vehicle whose number stands in it;
- `.param`, Mission Planner: NAME,VALUE;
- `.parm`, MAVProxy: the name in sixteen columns, then the value.

The last two and ArduPilot's own defaults files are one form to read: name and value apart by a
comma, a tab or blanks, `#` before a comment.

Sources: QGroundControl ParameterManager.cc (readParametersFromStream), Mission Planner
ExtLibs/Utilities/ParamFile.cs, pymavlink mavparm.py (MAVProxy's `param load` and `save`).
"""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

Number = float | int

TYPES = {"uint8": 1, "int8": 2, "uint16": 3, "int16": 4, "uint32": 5, "int32": 6, "real32": 9}
"""MAV_PARAM_TYPE by kind."""
_TABS = 5
_RESOLUTION = 1e-6
"""Of the six decimals that MAVProxy writes."""


@dataclass(frozen=True, slots=True)
class Held:
    """One parameter of a vehicle; None: it holds no number."""

    name: str
    kind: str
    value: Number | None


@dataclass(frozen=True, slots=True)
class BadLine:
    """A line that is no parameter."""

    line: int
    reason: str


@dataclass(frozen=True, slots=True)
class Difference:
    """A parameter that two sides hold differently; None: that side has no such parameter."""

    name: str
    here: Number | None
    there: Number | None


def text_of(value: Number | None) -> str:
    """The shortest text that reads back to the same integer or 32-bit float."""
    if value is None:
        return "nan"
    if isinstance(value, int):
        return str(value)
    texts = (f"{value:.{digits}g}" for digits in range(6, 10))
    return next((text for text in texts if _float32(float(text)) == value), repr(value))


def write(
    form: str, held: Iterable[Held], *, title: str, system: int = 1, component: int = 1
) -> str:
    """The text of a file whose name ends in `form`: `.params`, `.parm`, or else `.param`."""
    if form == ".params":
        head = ["# Vehicle-Id Component-Id Name Value Type"]
        lines = [
            f"{system}\t{component}\t{p.name}\t{text_of(p.value)}\t{TYPES[p.kind]}" for p in held
        ]
    else:
        head = []
        lines = [
            f"{p.name:<16} {text_of(p.value)}"
            if form == ".parm"
            else f"{p.name},{text_of(p.value)}"
            for p in held
        ]
    return "\n".join([f"# {title}", *head, *lines, ""])


def read(text: str, *, component: int = 1) -> tuple[dict[str, Number], tuple[BadLine, ...]]:
    """Values by name, and the lines that are none. Other components' lines are passed over."""
    values: dict[str, Number] = {}
    bad: list[BadLine] = []
    for number, whole in enumerate(text.removeprefix("\ufeff").splitlines(), start=1):
        line = whole.split("#", 1)[0].strip()
        if not line:
            continue
        tabs = line.split("\t")
        if len(tabs) == _TABS:
            if tabs[1] != str(component):
                continue
            fields = tabs[2:4]
        else:
            # `@READONLY` and its like stand after the value in a defaults file
            fields = [f for f in re.split(r"[\s,]+", line) if f and not f.startswith("@")]
        fault = _take(fields, values)
        if fault:
            bad.append(BadLine(number, fault))
    return values, tuple(bad)


def _take(fields: list[str], values: dict[str, Number]) -> str:
    if len(fields) != 2:
        return "is no name and value"
    name, text = fields
    if name in values:
        return f"{name} stands twice"
    try:
        value: Number = (
            int(text, 0)
            if re.fullmatch(r"[-+]?(0[xX][\da-fA-F]+|[1-9]\d*|0)", text)
            else float(text)
        )
    except ValueError:
        return f"{name}: {text!r} is no number"
    if not math.isfinite(value):
        return f"{name}: {text!r} is no finite number"
    values[name] = value
    return ""


def differences(
    here: Mapping[str, Number | None], there: Mapping[str, Number | None]
) -> tuple[Difference, ...]:
    """What the two sides hold differently, by name."""
    return tuple(
        Difference(name, here.get(name), there.get(name))
        for name in sorted(here.keys() | there.keys())
        if (name in here) != (name in there) or not same(here[name], there[name])
    )


def same(here: Number | None, there: Number | None) -> bool:
    """Whether two values are one parameter value.

    Two whole numbers: equal, or one the 32-bit float of the other, since a station that read it
    by PARAM_VALUE has it rounded so. Else: equal within what six decimals tell of a 32-bit float.
    """
    if here is None or there is None:
        return here is there
    if here == there:
        return True
    if not (math.isfinite(here) and math.isfinite(there)):
        return False
    if here == int(here) and there == int(there):
        rounded = (_float32(here), _float32(there))
        return rounded[0] == rounded[1] and rounded[0] in (here, there)
    return abs(here - there) <= _RESOLUTION * max(1.0, abs(here), abs(there))


def _float32(value: Number) -> float:
    try:
        return float(struct.unpack("<f", struct.pack("<f", value))[0])
    except OverflowError:
        return math.copysign(math.inf, value)
