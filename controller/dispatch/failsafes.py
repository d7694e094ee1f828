"""What a drone does by itself, as the mission check takes it.

Owns the translation from what was read of a drone to the policy of its contingencies. Must not
assume: of a drone that was not read, avoidance is off and there are no rally points.
"""

from __future__ import annotations

from missions.contingency import DEFAULT_POLICY, Answer, ContingencyPolicy, RallyPoint
from vehicles.port import FailsafeAction, Telemetry

_ANSWERS = {
    FailsafeAction.RETURN_PATH: Answer.RETURN_PATH,
    FailsafeAction.RETURN: Answer.STRAIGHT_RETURN,
    FailsafeAction.LAND: Answer.LAND_HERE,
    FailsafeAction.CONTINUE: Answer.CONTINUE,
}


def policy_of(
    telemetry: Telemetry, zones_version: str, mission_hash: str | None = None
) -> ContingencyPolicy:
    """The policy of a drone under a zone set.

    Its avoidance counts only where the fence that it plans round was proved to be of that set,
    and with `mission_hash` only where it was made for that mission: "" for one still to be
    planned, which no fence is for.
    """
    told = telemetry.failsafes
    if told is None:
        return DEFAULT_POLICY
    return ContingencyPolicy(
        lost_link=_ANSWERS[told.lost_link],
        battery_low=_ANSWERS[told.battery_low],
        battery_critical=_ANSWERS[told.battery_critical],
        estimator=_ANSWERS[told.estimator],
        dead_reckoning=_ANSWERS[told.dead_reckoning],
        rally=tuple(RallyPoint(each.position, each.alt_home_m) for each in told.rally),
        rally_limit_m=told.rally_limit_m,
        rally_includes_home=told.rally_includes_home,
        avoidance_verified=told.avoidance
        and bool(zones_version)
        and told.fence_hash == zones_version
        and (mission_hash is None or (bool(mission_hash) and told.fence_mission == mission_hash)),
        rtl_alt_home_m=told.return_alt_home_m,
    )
