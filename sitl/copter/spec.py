"""What a simulated copter is: where it stands and what is fitted.

Owns the description only; shared by the light copter and by real ArduPilot processes, so
that a scenario can run on either.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from sitl.copter.signing import KEY_BYTES

DROP_DEVICES = ("gripper", "winch", "payload_place")

FITTED: Mapping[str, Mapping[str, float]] = {
    "gripper": {
        "GRIP_ENABLE": 1,
        "GRIP_TYPE": 1,
        "GRIP_AUTOCLOSE": 5,
        "SERVO9_FUNCTION": 28,
    },
    "winch": {"WINCH_TYPE": 1, "SERVO9_FUNCTION": 88},
    "payload_place": {
        "GRIP_ENABLE": 1,
        "GRIP_TYPE": 1,
        "GRIP_AUTOCLOSE": 5,
        "SERVO9_FUNCTION": 28,
    },
}
"""ArduPilot parameters that a fitter would set for each drop device. The gripper closes by
itself after a release, so that the next parcel is held without anyone asking for it."""


@dataclass(frozen=True, slots=True)
class CopterSpec:
    """One copter on its pad: WGS84 degrees, metres AMSL, degrees clockwise from north.

    ``param_overrides`` are ArduPilot parameters by name, applied over the defaults and over
    what the drop device needs. ``battery_mah`` is the pack's true capacity, which is also
    what ``BATT_CAPACITY`` says unless overridden. The pad technician swaps the pack when the
    copter has stood disarmed on its pad for ``swap_after_s`` with less than
    ``swap_below_pct`` left. ``parcels`` hang on it when it leaves its pad. With a
    ``signing_key`` it signs and ignores what is not signed.

    Raises:
        ValueError: an unknown drop device, a sysid outside 1..255, or a key not of 32 bytes.
    """

    vehicle_id: str
    sysid: int
    home_lat_deg: float
    home_lon_deg: float
    home_alt_amsl_m: float
    heading_deg: float = 0.0
    drop_device: str = "gripper"
    battery_mah: float = 16000.0
    battery_cells: int = 6
    battery_start_pct: float = 100.0
    hover_current_a: float = 30.0
    swap_below_pct: float = 70.0
    swap_after_s: float = 20.0
    parcels: int = 1
    param_overrides: Mapping[str, float] = field(default_factory=dict)
    signing_key: bytes = field(default=b"", repr=False)

    def __post_init__(self) -> None:
        if self.drop_device not in DROP_DEVICES:
            raise ValueError(
                f"CopterSpec.drop_device {self.drop_device!r}: use one of {', '.join(DROP_DEVICES)}"
            )
        if not 1 <= self.sysid <= 255:
            raise ValueError(f"CopterSpec.sysid {self.sysid}: MAVLink has 1..255")
        if len(self.signing_key) not in (0, KEY_BYTES):
            raise ValueError(f"CopterSpec.signing_key: {len(self.signing_key)} bytes, not 32")

    def params(self) -> dict[str, float]:
        """Every parameter that differs from the autopilot's defaults."""
        return {
            "SYSID_THISMAV": float(self.sysid),
            "BATT_CAPACITY": self.battery_mah,
            **FITTED[self.drop_device],
            **self.param_overrides,
        }
