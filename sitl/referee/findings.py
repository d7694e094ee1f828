"""What the referee found: one type, told so that a person can go and look.

Owns the finding and its JSON form.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that must not have happened. Times are seconds since 1970."""

    rule: str
    text: str
    vehicle_id: str = ""
    parcel_id: str = ""
    zone_id: str = ""
    t_s: float | None = None
    until_s: float | None = None
    lon_deg: float | None = None
    lat_deg: float | None = None

    def as_json(self) -> dict[str, object]:
        """The keys that say something."""
        found: dict[str, object] = {"rule": self.rule, "text": self.text}
        for key in ("vehicle_id", "parcel_id", "zone_id"):
            if getattr(self, key):
                found[key] = getattr(self, key)
        if self.t_s is not None:
            found["t"] = iso(self.t_s)
        if self.until_s is not None:
            found["until"] = iso(self.until_s)
        if self.lon_deg is not None and self.lat_deg is not None:
            found |= {"lon_deg": round(self.lon_deg, 7), "lat_deg": round(self.lat_deg, 7)}
        return found


def iso(t_s: float) -> str:
    """Seconds since 1970 as ISO 8601 in UTC, to the millisecond."""
    return datetime.fromtimestamp(t_s, UTC).isoformat(timespec="milliseconds")
