"""The referee: judges from simulator truth whether anything forbidden happened.

Owns its own geometry, its own reading of zones and schedules, and the rules. Must not import or
copy what it judges: a mistake made there must not be made here too.

    RefereeError    truth, zones or expectations that cannot be read: names file, line and key
"""

from __future__ import annotations

from sitl.referee.judge import Report, judge
from sitl.referee.reading import RefereeError

__all__ = ["RefereeError", "Report", "judge"]
