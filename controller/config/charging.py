"""When robots charge.

Owns the section. Must not know a robot.
"""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from controller.config.kinds import Positive, Section

Percent = Annotated[float, Field(ge=0.0, le=100.0)]


class ChargingConfig(Section):
    """Robots between their rounds. Drones' batteries are swapped by hand."""

    low_pct: Percent = 20.0
    """With less, a robot at rest at its base goes to charge; 0: none ever does by itself."""
    enough_pct: Percent = 80.0
    """From here on dispatch may have it again."""
    at_base_m: Positive = 60.0
    """How near to its base it must stand: its charger is there."""

    @model_validator(mode="after")
    def _apart(self) -> Self:
        if self.enough_pct <= self.low_pct:
            raise ValueError(
                f"charging: enough_pct ({self.enough_pct:g}) must be above low_pct "
                f"({self.low_pct:g})"
            )
        return self
