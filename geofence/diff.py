"""What one zone set has that another has not.

Owns the comparison of two zone sets, zone by zone. Must not decide what it means for a path.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

from geofence.zones import Zone, ZoneKind
from geofence.zoneset import ZoneSet


@dataclass(frozen=True, slots=True)
class Changed:
    """A zone of one id in both sets that is not the same in both."""

    before: Zone
    after: Zone

    @property
    def fields(self) -> tuple[str, ...]:
        """The names of the fields that differ."""
        return tuple(
            each.name
            for each in fields(Zone)
            if getattr(self.before, each.name) != getattr(self.after, each.name)
        )


@dataclass(frozen=True, slots=True, eq=False)
class ZoneSetDiff:
    """Zones by id: only in `new`, only in `old`, and in both but not the same. In set order."""

    old: ZoneSet
    new: ZoneSet
    added: tuple[Zone, ...]
    removed: tuple[Zone, ...]
    changed: tuple[Changed, ...]

    def __bool__(self) -> bool:
        return bool(self.added or self.removed or self.changed)

    @property
    def arrived(self) -> tuple[Zone, ...]:
        """Zones as they are now that were not so before: added, and changed."""
        return (*self.added, *(each.after for each in self.changed))

    @property
    def keep_ins(self) -> bool:
        """Whether a keep-in came, went or changed: then the union to be kept may be another."""
        touched = (*self.added, *self.removed, *(each.before for each in self.changed))
        return any(
            zone.kind is ZoneKind.KEEP_IN
            for zone in (*touched, *(each.after for each in self.changed))
        )


def diff(old: ZoneSet, new: ZoneSet) -> ZoneSetDiff:
    """Compare two zone sets. Zones are the same where every field is, corner for corner."""
    if old.version == new.version:
        return ZoneSetDiff(old, new, (), (), ())
    changed = []
    for after in new:
        before = old.get(after.zone_id)
        if before is not None and before is not after and before != after:
            changed.append(Changed(before, after))
    return ZoneSetDiff(
        old=old,
        new=new,
        added=tuple(zone for zone in new if old.get(zone.zone_id) is None),
        removed=tuple(zone for zone in old if new.get(zone.zone_id) is None),
        changed=tuple(changed),
    )
