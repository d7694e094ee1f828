"""The zone set of one robot of version 3: on board, in force, and no other.

Owns when a set is sent, enabled and cleared away, by what the robot's state shows (version 3,
section 6.4.2). Sans-IO: `look` takes what is known and a time and gives what to send. Must not
compile zones or answer requests.

* A set is sent until the state shows it, and enabled until the state says so: QoS 0 loses both.
* The id is made of the content, so that a set that is on board is never sent again, and a robot
  that says DUPLICATE_ZONE_SET says no more than that it has it.
* A refusal is told once, and tried again slowly: a person may have mended the robot.
* A set in force that is none of ours is told, and replaced.
* Ours that are no longer in force are deleted, one at a time, so that no memory fills up.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from vehicles.vda5050.engine_model import EngineState
from vehicles.vda5050.models import ErrorEntry, State
from vehicles.vda5050.zonesets import ZoneSet
from vehicles.vda5050.zoning import ZONE_SET_PREFIX, Compiled, fitted, set_fault
from vehicles.zonekeeping import PassageRequest

ENABLE, DELETE = "enableZoneSet", "deleteZoneSet"
RESEND_FIRST_S = 2.0
RESEND_MAX_S = 60.0
FACTSHEET_S = 10.0
"""How long a set waits for the factsheet that says which zones the robot knows."""
TELL_AFTER_S = 45.0
"""A robot that shows no effect for so long is told of."""
KEPT_MAPS = 4
"""Sets whose passages are remembered: a request may still name the one before."""


@dataclass(frozen=True, slots=True)
class SendSet:
    """Publish on topic zoneSet."""

    zone_set: ZoneSet


@dataclass(frozen=True, slots=True)
class AskAbout:
    """Send an instant action about a zone set, under this action id."""

    action_type: str
    zone_set_id: str
    action_id: str


Wanted = SendSet | AskAbout


@dataclass(slots=True)
class SetKeeper:
    """What is known of one robot's zone set. `fault` says why it may not be started."""

    map_id: str
    fault: str = ""
    expected: bool = False
    """Zones are to come: without them it is not startable."""
    alarms: list[str] = field(default_factory=list)
    """To be told now; `look` adds, who tells them takes them out."""
    _made: Compiled | None = None
    _fit: Compiled | None = None
    _passages: dict[str, dict[str, str]] = field(default_factory=dict)
    _sheet: object = None
    _first_s: float = 0.0
    _since_s: float = 0.0
    _next_s: float = 0.0
    _tries: int = 0
    _asked: AskAbout | None = None
    _deleted: set[str] = field(default_factory=set)
    _told: str = ""
    _count: int = 0
    _tag: str = ""

    @property
    def made(self) -> Compiled | None:
        """What `want` was told last."""
        return self._made

    @property
    def wanted(self) -> ZoneSet | None:
        """The set that is to be in force."""
        return self._fit.zone_set if self._fit is not None else None

    def want(self, made: Compiled, tag: str, now_s: float) -> None:
        """This set from now on. `tag`: part of action ids, no other start of ours has it."""
        self.expected, self._tag = True, tag
        if self._made is None:
            self._first_s = now_s
        self._made, self._fit, self._sheet = made, None, None
        self._begin(now_s)

    def _begin(self, now_s: float) -> None:
        self._since_s = self._next_s = now_s
        self._tries, self._asked = 0, None
        self._deleted.clear()

    def look(self, engine: EngineState, now_s: float) -> list[Wanted]:
        """What to send now, given what the robot shows; sets `fault` and `alarms`."""
        if self._made is None:
            self.fault = "its zone set is not made yet" if self.expected else ""
            return []
        if engine.factsheet is None and now_s - self._first_s < FACTSHEET_S:
            self.fault = "its zone set waits for its factsheet"
            return []
        self._fit_to(engine, now_s)
        wanted, state = self.wanted, engine.state
        if wanted is None or state is None:
            self.fault = "its zone set is not known to be in force"
            return []
        against = set_fault(wanted, engine.factsheet)
        if against:
            self.fault = f"it cannot hold its zone set: {against}"
            self._tell(self.fault)
            return []
        shown = {z.zone_set_id: z.zone_set_status for z in state.zone_sets if self._here(z.map_id)}
        if shown.get(wanted.zone_set_id) == "ENABLED":
            self.fault = self._told = ""
            self._since_s, self._tries, self._next_s = now_s, 0, now_s
            return self._clear(engine, shown) if engine.broker else []
        self.fault = self._why(wanted, shown, state)
        self._see(wanted, shown, state, now_s)
        if not engine.broker or not self._due(engine, now_s):
            return []
        if wanted.zone_set_id not in shown:
            return [SendSet(wanted)]
        return [self._ask(ENABLE, wanted.zone_set_id)]

    def _fit_to(self, engine: EngineState, now_s: float) -> None:
        """The set for its factsheet, which may come late."""
        if self._made is None or (self._fit is not None and self._sheet is engine.factsheet):
            return
        before, self._sheet = self.wanted, engine.factsheet
        self._fit = fitted(self._made, engine.factsheet)
        if before is None or before.zone_set_id != self._fit.zone_set.zone_set_id:
            self._begin(now_s)
        ident = self._fit.zone_set.zone_set_id
        self._passages.pop(ident, None)
        self._passages[ident] = dict(self._fit.passages)
        while len(self._passages) > KEPT_MAPS:
            del self._passages[next(iter(self._passages))]

    def _here(self, map_id: str) -> bool:
        return map_id == self.map_id

    def _due(self, engine: EngineState, now_s: float) -> bool:
        """Whether it is time for another try; what was asked last may still be under way."""
        if self._asked is not None:
            track = engine.instant(self._asked.action_id)
            if track is not None and not track.over:
                return False
            self._asked = None
        if now_s < self._next_s:
            return False
        self._next_s = now_s + min(RESEND_MAX_S, RESEND_FIRST_S * 2.0 ** min(self._tries, 10))
        self._tries += 1
        return True

    def _ask(self, action_type: str, zone_set_id: str) -> AskAbout:
        self._count += 1
        asked = AskAbout(action_type, zone_set_id, f"{action_type}-{self._tag}-{self._count}")
        self._asked = asked
        return asked

    def _clear(self, engine: EngineState, shown: Mapping[str, str]) -> list[Wanted]:
        """Delete a set of ours that is no longer in force; each is asked for once."""
        if self._asked is not None:
            track = engine.instant(self._asked.action_id)
            if track is not None and not track.over:
                return []
            self._asked = None
        for ident, status in sorted(shown.items()):
            old = ident.startswith(ZONE_SET_PREFIX) and status == "DISABLED"
            if old and ident not in self._deleted:
                self._deleted.add(ident)
                return [self._ask(DELETE, ident)]
        return []

    @staticmethod
    def _why(wanted: ZoneSet, shown: Mapping[str, str], state: State) -> str:
        enabled = next((i for i, status in shown.items() if status == "ENABLED"), "")
        instead = f", {enabled} is" if enabled else ""
        refused = _refusal(state, wanted.zone_set_id)
        why = f": robot says {refused}" if refused is not None else ""
        if wanted.zone_set_id in shown:
            return f"zone set {wanted.zone_set_id} is on board and not enabled{instead}{why}"
        return f"zone set {wanted.zone_set_id} is not on board{instead}{why}"

    def _see(self, wanted: ZoneSet, shown: Mapping[str, str], state: State, now_s: float) -> None:
        """Tell a refusal, a set of somebody else's, and that nothing happens; once each."""
        enabled = next((i for i, status in shown.items() if status == "ENABLED"), "")
        refused = _refusal(state, wanted.zone_set_id)
        if refused is not None and wanted.zone_set_id not in shown:
            self._tell(f"the robot refuses zone set {wanted.zone_set_id}: {refused}")
        elif enabled and not enabled.startswith(ZONE_SET_PREFIX):
            self._tell(f"zone set {enabled} is in force on the robot, which is none of ours")
        elif now_s - self._since_s >= TELL_AFTER_S:
            self._tell(f"the robot does not keep to its zones: {self.fault}")

    def _tell(self, text: str) -> None:
        if text != self._told:
            self._told = text
            self.alarms.append(f"{text}: it gets no round until its own set is in force")

    # --- requests --------------------------------------------------------------------------

    def requests(self, state: State | None) -> tuple[PassageRequest, ...]:
        """Wishes to enter a RELEASE zone, each with the passage that it is for."""
        found: list[PassageRequest] = []
        for request in state.requests if state is not None else ():
            if request.request_type != "ACCESS":
                continue
            passages = self._passages.get(request.within, {})
            found.append(
                PassageRequest(
                    request.request_id,
                    passages.get(request.what, ""),
                    request.what,
                    granted=request.request_status == "GRANTED",
                    lapsed=request.request_status in {"EXPIRED", "REVOKED"},
                )
            )
        return tuple(found)


def _refusal(state: State, zone_set_id: str) -> ErrorEntry | None:
    """An error that names the set; that it is on board already is none."""
    return next(
        (
            e
            for e in state.errors
            if e.error_type != "DUPLICATE_ZONE_SET" and e.refers_to("zoneSetId", zone_set_id)
        ),
        None,
    )
