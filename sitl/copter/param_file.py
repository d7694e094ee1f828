"""The virtual file ``@PARAM/param.pck`` of the light copter.

Owns the packing as AP_Filesystem/AP_Filesystem_Param.cpp does it: what the file holds is made at
each reading from the values of that moment, laid out for the size of the first reading.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from sitl.copter.params import INT8, INT16, INT32, REAL32, Params

NAME = "@PARAM/param.pck"
EINVAL, ENOENT = 22, 2
_MAGIC, _MAGIC_WITH_DEFAULTS = 0x671B, 0x671C
_HEADER_BYTES = 6
_TYPES = {INT8: (1, "<b"), INT16: (2, "<h"), INT32: (3, "<i"), REAL32: (4, "<f")}
_TOO_MANY = 65535


class FileError(Exception):
    """What the file system refuses, with its ``errno``.

    ``FileError``
    """

    def __init__(self, errno: int) -> None:
        super().__init__(errno)
        self.errno = errno


@dataclass(slots=True)
class ParamFile:
    """One opening of the file. Raises FileError: another name, or an argument out of range."""

    params: Params
    path: str
    start: int = 0
    count: int = 0
    with_defaults: bool = False
    read_size: int = 0
    _made: bytes = b""
    _made_of: int = -1

    def __post_init__(self) -> None:
        name, _, arguments = self.path.partition("?")
        if name != NAME:
            raise FileError(ENOENT)
        for argument in filter(None, arguments.replace("?", "&").split("&")):
            key, _, text = argument.partition("=")
            value = int(text) if text.isdigit() else 0
            if key in ("start", "count"):
                if value >= _TOO_MANY:
                    raise FileError(EINVAL)
                setattr(self, key, value)
            elif key == "withdefaults":
                if value > 1:
                    raise FileError(EINVAL)
                self.with_defaults = value == 1

    def estimate(self) -> int:
        """The size that is told on opening: a guess."""
        return 12 * len(self.params.visible())

    def read(self, offset: int, size: int) -> bytes:
        """Bytes from ``offset``, none at the end. Raises FileError for another size than before."""
        self.read_size = self.read_size or size
        if not self.read_size:
            return b""
        if size != self.read_size:
            raise FileError(EINVAL)
        names = self.params.visible()
        if offset < _HEADER_BYTES and len(names) <= self.start:
            raise FileError(EINVAL)
        if self._made_of != self.params.changes:
            self._made, self._made_of = self._packed(names), self.params.changes
        return self._made[offset : offset + size]

    def _packed(self, names: list[str]) -> bytes:
        chosen = names[self.start :]
        if self.count:
            chosen = chosen[: self.count]
        magic = _MAGIC_WITH_DEFAULTS if self.with_defaults else _MAGIC
        out = bytearray(struct.pack("<HHH", magic, len(chosen), len(names)))
        before = ""
        for name in chosen:
            self._pack(out, name, before)
            before = name
        return bytes(out)

    def _pack(self, out: bytearray, name: str, before: str) -> None:
        common = 0
        while common < min(len(name), len(before)) and name[common] == before[common]:
            common += 1
        common = min(common, len(name) - 1)
        rest = name[common:].encode()
        kind, form = _TYPES[self.params.kind(name)]
        width = struct.calcsize(form)
        held, default = self.params[name], self.params.default(name)
        flagged = self.with_defaults and held != default
        body = rest + _number(form, held) + (_number(form, default) if flagged else b"")
        # the place where the value ends must not lie within it and the block after
        over = (len(out) + 2 + len(body)) % self.read_size
        if width > 1 and 0 < over < width:
            out += bytes(width - over)
        out += bytes((kind | flagged << 4, common | (len(rest) - 1) << 4)) + body


def _number(form: str, value: float) -> bytes:
    return struct.pack(form, value if form == "<f" else int(value))
