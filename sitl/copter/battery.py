"""The pack: charge drawn, voltage under load, and what the autopilot believes of it.

Owns the electrical model only. The autopilot counts what it measured since the last reset
(``consumed_mah``); the pack's true charge is kept apart, so that a wrong reset shows.
"""

from __future__ import annotations

from dataclasses import dataclass

IDLE_CURRENT_A = 0.4
_CELL_RESISTANCE_OHM = 0.0025
_KNEE = 0.1


@dataclass(slots=True)
class Battery:
    """A lithium pack of ``cells`` in series with ``capacity_mah``; currents in amperes."""

    capacity_mah: float
    cells: int
    true_used_mah: float = 0.0
    consumed_mah: float = 0.0
    consumed_wh: float = 0.0
    current_a: float = IDLE_CURRENT_A

    def draw(self, current_a: float, dt_s: float) -> None:
        """Take ``current_a`` for ``dt_s``."""
        used = current_a * dt_s / 3.6
        self.current_a = current_a
        self.true_used_mah = min(self.true_used_mah + used, self.capacity_mah)
        self.consumed_mah += used
        self.consumed_wh += current_a * self.voltage_v * dt_s / 3600.0

    @property
    def charge(self) -> float:
        """True state of charge, 0..1."""
        return max(0.0, 1.0 - self.true_used_mah / self.capacity_mah)

    @property
    def voltage_v(self) -> float:
        """Terminal voltage under the present load."""
        charge = self.charge
        cell = 3.6 + 0.6 * charge if charge > _KNEE else 3.0 + 0.66 * charge / _KNEE
        return self.cells * max(0.0, cell - self.current_a * _CELL_RESISTANCE_OHM)

    def remaining_pct(self, believed_capacity_mah: float) -> int:
        """What SYS_STATUS says: from counted charge and ``BATT_CAPACITY``; -1 if unknown."""
        if believed_capacity_mah <= 0:
            return -1
        left = (believed_capacity_mah - self.consumed_mah) / believed_capacity_mah
        return int(min(max(100.0 * left, 0.0), 100.0))

    def reset(self, percentage: float, believed_capacity_mah: float) -> None:
        """MAV_CMD_BATTERY_RESET: set the counter, which changes no charge."""
        self.consumed_mah = (1.0 - percentage / 100.0) * believed_capacity_mah
        self.consumed_wh = 0.0

    def swap(self) -> None:
        """A full pack goes in, and the counter is set back with it."""
        self.true_used_mah = self.consumed_mah = self.consumed_wh = 0.0
