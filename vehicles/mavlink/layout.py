"""How the payload of a MAVLink message decodes, for any message of the dialect.

Owns the way from pymavlink's dialect tables (ids, lengths, checksum seeds, struct formats) to a
decoder; read at import, so that it cannot drift from them. Must not know frames, links or which
messages the controller reads (`messages` does).

Fields stand in wire order. Character arrays are str up to the first NUL (not ASCII: replaced),
number arrays are tuples.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
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

    `format` is the struct format in wire order; `length` the bytes of a whole payload. `shape`
    takes the unpacked values and gives the message; it is None where `kind` takes them as they
    are.
    """

    name: str
    length: int
    crc_extra: int
    format: str
    unpack: Callable[[bytes], Values]
    kind: type[Any]
    shape: Callable[[Values], Any] | None

    def make(self, payload: bytes) -> Any:
        """The message of a payload of any length: what is missing is zero, what is over is new."""
        values = self.unpack(payload[: self.length].ljust(self.length, b"\0"))
        return self.kind(*values) if self.shape is None else self.shape(values)


def layout_of(name: str, kind: type[Record] | None = None) -> tuple[int, Layout]:
    """Id and layout of a message by the dialect's name for it.

    `kind` has the dialect's fields in wire order; without it one is made. Raises ImportError
    where the fields are not the dialect's.
    """
    spec = getattr(dialect, f"MAVLink_{name.lower()}_message")
    fields = tuple(spec.ordered_fieldnames)
    if kind is None:
        kind = msgspec.defstruct(name, fields, bases=(Record,), frozen=True, gc=False)
    if kind.__struct_fields__ != fields:
        raise ImportError(
            f"pymavlink's {name} has fields {fields}, not {kind.__struct_fields__}: "
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
        kind,
        _shape(kind, spec.array_lengths, types),
    )
    return int(spec.id), layout


def layouts_of(names: Iterable[str]) -> dict[int, Layout]:
    """Layouts by id, with named tuples of their own. Raises ImportError as `layout_of`."""
    return dict(layout_of(name) for name in names)


def _text(raw: bytes) -> str:
    return raw.split(b"\0", 1)[0].decode("ascii", errors="replace")


def _shape(
    kind: type[Any], lengths: list[int], types: list[str]
) -> Callable[[Values], Any] | None:
    """From unpacked values to the message, by how its arrays and texts stand."""
    texts: list[int] = []
    arrays: list[tuple[int, int]] = []
    at = 0
    for number, (length, name) in enumerate(zip(lengths, types, strict=True)):
        if length and name == "char":
            # one value on the wire and one afterwards, when arrays before it have become one each
            texts.append(number)
            at += 1
        elif length:
            arrays.append((at, at + length))
            at += length
        else:
            at += 1
    if not arrays and not texts:
        return None
    if not texts and len(arrays) == 1:
        ((a, b),) = arrays
        return lambda v: kind(*v[:a], v[a:b], *v[b:])
    if not texts and len(arrays) == 2:
        (a, b), (c, d) = arrays
        return lambda v: kind(*v[:a], v[a:b], *v[b:c], v[c:d], *v[d:])

    def shape(values: Values) -> Any:
        fields: list[Any] = []
        done = 0
        for start, stop in arrays:
            fields += values[done:start]
            fields.append(values[start:stop])
            done = stop
        fields += values[done:]
        for place in texts:
            fields[place] = _text(fields[place])
        return kind(*fields)

    return shape
