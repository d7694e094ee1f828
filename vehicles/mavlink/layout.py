"""How the payload of a MAVLink message decodes, for any message of the dialect.

Owns the way from pymavlink's dialect tables (ids, lengths, checksum seeds, struct formats) to a
decoder; read at import, so that it cannot drift from them. Must not know frames, links or which
messages the controller reads (`messages` does).

Fields stand in wire order. Character arrays are str up to the first NUL (not ASCII: replaced),
number arrays are tuples.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from operator import itemgetter
from struct import Struct
from typing import Any, Self

import msgspec
from pymavlink.dialects.v20 import ardupilotmega as dialect

Values = tuple[Any, ...]


class Record(msgspec.Struct, frozen=True, gc=False):
    """A message: an immutable record, cheaper to make and to read than a named tuple.

    It holds numbers, texts and tuples of numbers only, so there is nothing for the garbage
    collector to follow.
    """

    def _replace(self, **fields: Any) -> Self:
        """A copy with other values for some fields."""
        return msgspec.structs.replace(self, **fields)

    def _asdict(self) -> dict[str, Any]:
        """Fields by name, in wire order."""
        return msgspec.structs.asdict(self)


@dataclass(frozen=True, slots=True)
class Layout:
    """How one message decodes.

    `format` is the struct format in wire order; `length` the bytes of a whole payload. `gather`
    makes one value of each array and text; it is None where there are none.
    """

    name: str
    length: int
    crc_extra: int
    format: str
    unpack: Callable[[bytes], Values]
    kind: type[Any]
    gather: Callable[[Values], Values] | None

    def make(self, payload: bytes) -> Any:
        """The message of a payload of any length: what is missing is zero, what is over is new."""
        values = self.unpack(payload[: self.length].ljust(self.length, b"\0"))
        return self.kind(*(values if self.gather is None else self.gather(values)))


def layout_of(name: str, kind: type[Record] | None = None) -> tuple[int, Layout]:
    """Id and layout of a message by the dialect's name for it.

    `kind` has the dialect's fields in wire order; without it one is made. Raises ImportError
    where the fields are not the dialect's.
    """
    spec = getattr(dialect, f"MAVLink_{name.lower()}_message")
    fields = tuple(spec.ordered_fieldnames)
    made: type[msgspec.Struct] = kind or msgspec.defstruct(
        name, fields, bases=(Record,), frozen=True, gc=False
    )
    if made.__struct_fields__ != fields:
        raise ImportError(
            f"pymavlink's {name} has fields {fields}, not {made.__struct_fields__}: "
            "use the pymavlink version that pyproject.toml names"
        )
    # array_lengths is in wire order, fieldtypes in declaration order
    types = [spec.fieldtypes[spec.fieldnames.index(f)] for f in fields]
    layout = Layout(
        name,
        spec.unpacker.size,
        int(spec.crc_extra),
        spec.unpacker.format,
        spec.unpacker.unpack,
        made,
        _gather(spec.array_lengths, types),
    )
    return int(spec.id), layout


def ends_in_bytes(layout: Layout) -> Layout:
    """The same message with the numbers of its last field, an array of bytes, as one `bytes`."""
    form = Struct(re.sub(r"(\d+)B$", r"\1s", layout.format))
    width = int(re.findall(r"(\d+)s$", form.format)[0])

    def gather(values: Values) -> Values:
        return (*values[:-1], values[-1].ljust(width, b"\0"))

    return replace(layout, format=form.format, unpack=form.unpack, gather=gather)


def layouts_of(names: Iterable[str]) -> dict[int, Layout]:
    """Layouts by id, with named tuples of their own. Raises ImportError as `layout_of`."""
    return dict(layout_of(name) for name in names)


def _text(raw: bytes) -> str:
    return raw.split(b"\0", 1)[0].decode("ascii", errors="replace")


def _gather(lengths: list[int], types: list[str]) -> Callable[[Values], Values] | None:
    """From unpacked values to the message's fields, by how its arrays and texts stand."""
    if not any(lengths):
        return None
    texts: list[int] = []
    places: list[int | slice] = []
    at = 0
    for number, (length, name) in enumerate(zip(lengths, types, strict=True)):
        width = 1 if not length or name == "char" else length
        places.append(slice(at, at + width) if length and name != "char" else at)
        at += width
        if length and name == "char":
            texts.append(number)
    pick = itemgetter(*places) if len(places) > 1 else _only(places[0])
    if not texts:
        return pick

    def gather(values: Values) -> Values:
        fields = list(pick(values))
        for place in texts:
            fields[place] = _text(fields[place])
        return tuple(fields)

    return gather


def _only(place: int | slice) -> Callable[[Values], Values]:
    return lambda values: (values[place],)


def truncated(layout: Layout, length: int) -> tuple[str, Values] | None:
    """Struct format and further values for a payload of which only `length` bytes were sent.

    MAVLink 2 leaves out zeros at the end, so the values that are missing are known. None where a
    number is cut so that the bytes left of it are no number that struct knows.
    """
    fields: list[str] = []
    at = 0
    codes = re.findall(r"(\d*)([a-zA-Z])", layout.format)
    singles = [f"{n}s" if code == "s" else code for n, code in codes
               for _ in range(1 if code == "s" else int(n or 1))]  # fmt: skip
    for place, code in enumerate(singles):
        size = Struct("<" + code).size
        if at + size <= length:
            fields.append(code)
            at += size
            continue
        left = length - at
        tail: list[Any] = [
            b"" if c[-1] == "s" else 0.0 if c in "fd" else 0 for c in singles[place:]
        ]
        if left:
            part = f"{left}s" if code[-1] == "s" else {1: "B", 2: "H", 4: "I"}.get(left)
            if part is None or code in "fd":
                return None
            fields.append(part)
            del tail[0]
        return "".join(fields), tuple(tail)
    return "".join(fields), ()
