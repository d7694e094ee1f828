"""Reading JSON that was written by others, strictly.

Owns the referee's error and its typed access to JSON values. Must not know what they mean.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any


class RefereeError(ValueError):
    """Something that must be judged, or judged by, cannot be read."""

    def __init__(self, where: str, key: str, reason: str) -> None:
        super().__init__(f"{where}: {key}: {reason}")
        self.where = where
        self.key = key
        self.reason = reason


def load_json(path: Path) -> Any:
    """The JSON value of a file."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise RefereeError(path.name, "file", f"cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise RefereeError(path.name, "file", f"is not JSON: {error}") from error


def mapping(where: str, key: str, value: object) -> Mapping[str, Any]:
    """An object."""
    if not isinstance(value, dict):
        raise RefereeError(where, key, f"must be an object, not {value!r}")
    return value


def listing(where: str, key: str, value: object) -> list[Any]:
    """A list."""
    if not isinstance(value, list):
        raise RefereeError(where, key, f"must be a list, not {value!r}")
    return value


def number(where: str, key: str, value: object) -> float:
    """A finite number."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise RefereeError(where, key, f"must be a finite number, not {value!r}")
    return float(value)


def text(where: str, key: str, value: object) -> str:
    """A text that is not empty."""
    if not isinstance(value, str) or not value:
        raise RefereeError(where, key, f"must be a text that is not empty, not {value!r}")
    return value


def moment(where: str, key: str, value: object) -> float:
    """An ISO 8601 time with a zone, in seconds since 1970 UTC."""
    try:
        parsed = datetime.fromisoformat(text(where, key, value))
    except ValueError as error:
        raise RefereeError(where, key, f"is not an ISO 8601 time: {value!r}") from error
    if parsed.tzinfo is None:
        raise RefereeError(where, key, f"has no time zone: {value!r}")
    return parsed.timestamp()
