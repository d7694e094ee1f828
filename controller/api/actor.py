"""Who asks. The seam where keys and roles enter; today every caller on loopback is an operator.

Owns the name that goes into the event log with every act. Must not serve anything.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Header

from controller.api.problems import ApiError, FieldError

_NAME = re.compile(r"[\w.@-]{1,64}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Actor:
    """The caller as the event log names it."""

    name: str


async def current_actor(
    x_operator: Annotated[str, Header(description="Your name, for the event log")] = "local",
) -> Actor:
    """The caller, by the X-Operator header."""
    if not _NAME.fullmatch(x_operator):
        raise ApiError(
            422,
            "validation",
            "X-Operator is not a name",
            next_step="use 1 to 64 letters, digits, dot, dash, underscore or @",
            errors=[FieldError("X-Operator", "is not a name")],
        )
    return Actor(x_operator)


CurrentActor = Annotated[Actor, Depends(current_actor)]
