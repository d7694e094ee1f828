"""The life of one order: accepted or rejected, extended, cancelled, lost, done.

Owns what states mean for the order that is followed, by the rules told in `engine`. Pure.
"""

from __future__ import annotations

from msgspec.structs import replace

from missions.model import StopAction
from vehicles.port import EventKind
from vehicles.vda5050.engine_model import EXPIRED, OPEN, VANISHED, OrderTrack, Stage
from vehicles.vda5050.engine_run import CANCEL, STATE_REQUEST, Run
from vehicles.vda5050.models import TERMINAL, State
from vehicles.vda5050.orders import PreparedOrder, TrackedAction, without
from vehicles.vda5050.progress import Reading, failures, parcels, read
from vehicles.vda5050.rejection import error_keys, rejection
from vehicles.vda5050.release import begun, body_of, extended, on_route, shown_base
from vehicles.vda5050.swap import has_other_horizon, swap_fault, swapped


class OrderRun(Run):
    """What a step does with the order."""

    def free(self) -> bool:
        """Whether no order is under way."""
        return self.s.track is None or self.s.track.stage not in OPEN

    def begin(self) -> None:
        """Send what is prepared, or again what was not answered."""
        track = self.s.track
        if track is None or track.stage not in {Stage.PREPARED, Stage.SILENT}:
            return
        if track.stage is Stage.PREPARED:
            track = begun(track, self.s.settings)
        self.follow(self._fresh(replace(track, stage=Stage.SENT, attempts=0)))

    def _fresh(self, track: OrderTrack) -> OrderTrack:
        """With a message to be sent from now on: errors of before are no answer to it."""
        return replace(
            track,
            begun_at=self.now,
            next_at=self.now,
            refusals=0,
            errors_before=error_keys(self.s.state),
        )

    def grant(self, order_id: str, upto: int | None) -> None:
        """Leases reach as far as this now."""
        track = self.s.track
        if track is None or track.prepared.order_id != order_id:
            return
        self.follow(replace(track, granted=upto))
        if self.s.state is not None:
            self._extend(self.s.state)

    def settle(self, order_id: str, parcel_id: str, *, opens: bool) -> None:
        """Open a parcel's gate, or leave out what is behind it. What was said first stands."""
        track = self.s.track
        if track is None or track.prepared.order_id != order_id:
            return
        if parcel_id in track.opened | track.left_out:
            return
        if opens:
            track = replace(track, opened=track.opened | {parcel_id})
        else:
            track = replace(
                track,
                prepared=without(track.prepared, parcel_id),
                left_out=track.left_out | {parcel_id},
            )
        self.follow(track)
        if self.s.state is not None and track.stage is Stage.ACTIVE:
            self._extend(self.s.state)
            self._trigger(self.s.state)

    def _trigger(self, state: State) -> None:
        """End the wait at a gate that is settled: one trigger for each wait."""
        track = self.s.track
        if track is None or track.cancel_id:
            return
        settled = track.opened | track.left_out
        for action in track.prepared.actions:
            waits = action.waits and action.parcel_id in settled
            if not waits or action.action_id in track.triggered:
                continue
            shown = state.action(action.action_id)
            if shown is not None and shown.action_status == "RUNNING":
                self.follow(replace(track, triggered=track.triggered | {action.action_id}))
                self.ask(track.prepared.trigger, self.own_id(track.prepared.trigger))
                return

    def swap(self, order: PreparedOrder, granted: int | None) -> None:
        """Another way behind the base; nothing where that cannot be."""
        track = self.s.track
        if track is not None and not swap_fault(track, order, self.s.state):
            self.follow(self._fresh(swapped(track, order, granted, self.s.settings)))

    def see_order(self, state: State) -> None:
        """Read a new state against the order."""
        track = self.s.track
        if track is None or track.stage is Stage.PREPARED:
            return
        end, body = track.sent_end, track.body
        if body is not None and state.order_update_id < body.order_update_id:
            # until it shows the update it may stand at the end of what it was told before
            start = body.nodes[0].sequence_id
            end = start if state.last_node_sequence_id == start else end
        reading = read(track.prepared, state, end, track.ended)
        if track.stage in {Stage.SENT, Stage.SILENT}:
            self._see_acceptance(track, reading, state)
        elif track.stage is Stage.ACTIVE:
            self._see_progress(track, reading, state)
        elif reading is not Reading.OTHER or track.revived:
            self._see_after(track, reading, state)

    def _see_after(self, track: OrderTrack, reading: Reading, state: State) -> None:
        """A state that shows an order that was over, or its end after it ran again."""
        if reading is not Reading.OTHER:
            track = self._see_parcels(track, state)
        cancel = self.s.instant(track.cancel_id) if track.cancel_id else None
        if reading is Reading.RUNNING and (cancel is None or cancel.over):
            self._see_zombie(track)
        elif track.revived and state.idle:
            self.follow(replace(track, revived=False, cancel_id=""))
            self.tell(EventKind.ABORTED, detail="the order was over, ran again and was cancelled")

    def _see_acceptance(self, track: OrderTrack, reading: Reading, state: State) -> None:
        if reading is not Reading.OTHER:
            started = replace(track, stage=Stage.ACTIVE, started=True, doubts=0, refusals=0)
            self.follow(started)
            if not track.started:
                self.tell(EventKind.STARTED, detail=f"state reflects {track.prepared.order_id}")
            self._see_progress(started, reading, state)
            return
        cancel = self.s.instant(track.cancel_id) if track.cancel_id else None
        if cancel is not None and cancel.over and cancel.status != EXPIRED and state.idle:
            self._end(track, Stage.CANCELLED, "cancelled before the robot took it")
            return
        refusal = self._refused(track, state)
        if refusal:
            self._end(track, Stage.REJECTED, f"robot rejected the order: {refusal}")

    def _refused(self, track: OrderTrack, state: State) -> str:
        """The robot's no to what was sent last, once it has stood for long enough."""
        if track.body is None:
            return ""
        found = rejection(
            state, track.prepared.order_id, track.body.order_update_id, track.errors_before
        )
        if found is None:
            if track.refusals:
                self.follow(replace(track, refusals=0))
            return ""
        error, more = found
        if track.refusals >= self.s.settings.rejection_tolerance + more:
            return str(error)
        self.follow(replace(track, refusals=track.refusals + 1))
        return ""

    def _see_progress(self, track: OrderTrack, reading: Reading, state: State) -> None:
        track = self._see_parcels(track, state)
        cancel = self.s.instant(track.cancel_id) if track.cancel_id else None
        cancelled = cancel is not None and cancel.over and cancel.status != EXPIRED
        why = track.halted or "order cancelled"
        if reading is Reading.DONE:
            clean = not (track.failed or failures(track.prepared, state))
            if clean or cancel is None:
                detail = "order done" if clean else "order ended with failed actions"
                self._end(track, Stage.COMPLETED, detail)
            elif cancelled:
                self._end(track, Stage.CANCELLED, why)
        elif cancelled and state.idle:
            # also where a robot that waits for an update would stand
            self._end(track, Stage.CANCELLED, why)
        elif reading is Reading.RUNNING:
            if track.doubts:
                track = replace(track, doubts=0)
                self.follow(track)
            self._see_base(track, state)
        else:
            self._doubt(track, reading, state)

    def _see_base(self, track: OrderTrack, state: State) -> None:
        """What the robot shows of base and updates, and what follows from it."""
        track = self._synced(track, state)
        if not track.reflected and not self.stopped(track):
            refusal = self._refused(track, state)
            if refusal:
                self._halt(f"robot rejected the order's update: {refusal}")
        self._see_waits(state)
        self._end_stopped(state)
        self._extend(state)
        self._trigger(state)

    def _synced(self, track: OrderTrack, state: State) -> OrderTrack:
        """With the updates that the robot shows counted as taken."""
        shown = state.order_update_id
        known = track.body.order_update_id if track.body is not None else -1
        if shown < known or (shown == known and track.reflected):
            return track
        strange = shown > known and not track.adopted and track.body is not None
        end = shown_base(state)
        track = replace(
            track,
            reflected=True,
            base_end=end,
            sent_end=max((n.sequence_id for n in state.node_states), default=end),
            body=track.body
            if shown == known
            else body_of(track.prepared, shown, 0, track.prepared.last_sequence_id),
        )
        self.follow(track)
        if strange:
            self.tell(EventKind.ALARM, detail=f"another master updated the order to {shown}")
        more = any(not n.released for n in state.node_states)
        foreign = not on_route(track.prepared, state) and (more or not track.adopted)
        if foreign and not track.halted:
            self._halt("the robot's order is not the one that was sent to it")
        return self.s.track or track

    def _halt(self, why: str) -> None:
        """Let the base grow no further: the robot stops at its end, and then it is cancelled."""
        if self.s.track is None:
            return
        track = replace(self.s.track, halted=why)
        self.follow(track)
        stop = next(
            (
                n.node_id
                for n in track.prepared.body.nodes
                if self.s.state is not None and n.sequence_id == shown_base(self.s.state)
            ),
            "the end of its base",
        )
        self.tell(EventKind.ALARM, detail=f"{why}; it stops at {stop}, then its order is cancelled")

    def _end_stopped(self, state: State) -> None:
        """Cancel an order that gets no more base, where the robot waits at the end of it.

        Also again where no cancelOrder ever arrived.
        """
        track = self.s.track
        if track is None or not self.stopped(track) or state.driving or state.cancelling:
            return
        cancel = self.s.instant(track.cancel_id) if track.cancel_id else None
        if cancel is not None and cancel.status not in {EXPIRED, VANISHED}:
            return
        ahead = any(n.released for n in state.node_states)
        busy = any(
            a.action_status in {"INITIALIZING", "RUNNING", "PAUSED"} for a in state.action_states
        )
        if not ahead and not busy:
            self.ask(CANCEL, self.own_id(CANCEL))

    def _extend(self, state: State) -> None:
        """Release more of the order where that is due and nothing speaks against it."""
        track = self.s.track
        if (
            track is None
            or track.stage is not Stage.ACTIVE
            or not track.reflected
            or track.base_end >= track.prepared.last_sequence_id
            or self.stopped(track)
            or state.order_id != track.prepared.order_id
            or state.operating_mode not in {"AUTOMATIC", "SEMIAUTOMATIC"}
            or state.fatal
            or state.critical
            or state.cancelling
        ):
            return
        longer = extended(track, state, self.s.settings)
        if longer is not track:
            self.follow(self._fresh(longer))

    def see_waits(self) -> None:
        """Time passed: end what waits for too long."""
        if self.s.state is not None:
            self._see_waits(self.s.state)

    def _see_waits(self, state: State) -> None:
        """Cancel an order that waits for somebody for longer than its action may.

        Version 3 leaves the timeout of waitForTrigger to the master (section 6.2, table 4).
        """
        track = self.s.track
        if track is None or track.stage is not Stage.ACTIVE or track.cancel_id:
            return
        if not (track.waits or track.prepared.timed):
            return
        before = dict(track.waits)
        waits: dict[str, float] = {}
        for action in track.prepared.actions:
            shown = state.action(action.action_id) if action.timeout_s else None
            if shown is not None and shown.action_status == "RUNNING":
                since = waits[action.action_id] = before.get(action.action_id, self.now)
                if self.now - since >= action.timeout_s:
                    self.tell(
                        EventKind.ALARM,
                        action.parcel_id,
                        f"{action.action_id} waited for {action.timeout_s:.0f} s: order cancelled",
                    )
                    self.ask(CANCEL, self.own_id(CANCEL))
                    return
        if waits != before:
            self.follow(replace(track, waits=tuple(waits.items())))

    def _see_parcels(self, track: OrderTrack, state: State) -> OrderTrack:
        """Tell each pick and drop that ended, once."""
        over = {a.action_id for a in state.action_states if a.action_status in TERMINAL}
        if not over:
            return track
        ended = over.intersection(a.action_id for a in track.prepared.actions)
        picked, released = parcels(track.prepared, state)
        failed = failures(track.prepared, state)
        failed_ids = frozenset(a.action_id for a in failed)
        if (
            ended <= track.ended
            and picked <= track.picked
            and released <= track.released
            and failed_ids <= track.failed
        ):
            return track
        for action in track.prepared.actions:
            parcel, pick = action.parcel_id, action.kind is StopAction.PICK
            if action.proves and parcel in (
                picked - track.picked if pick else released - track.released
            ):
                kind = EventKind.PICKED if pick else EventKind.RELEASED
                self.tell(kind, parcel, evidence=_evidence(action, state))
        if not track.cancel_id and track.stage is Stage.ACTIVE:
            for action in failed:
                if action.action_id not in track.failed:
                    self._tell_failure(action, state)
        track = replace(
            track,
            picked=track.picked | picked,
            released=track.released | released,
            failed=track.failed | failed_ids,
            ended=track.ended | ended,
        )
        self.follow(track)
        return track

    def _tell_failure(self, action: TrackedAction, state: State) -> None:
        shown = state.action(action.action_id)
        why = (shown.result_description if shown else "") or "the robot gave no reason"
        kept = action.proves and action.kind is StopAction.DROP
        kind = EventKind.RELEASE_FAILED if kept else EventKind.ALARM
        what = action.kind.value if action.proves else action.action_id
        self.tell(kind, action.parcel_id, f"{what} failed: {why}")

    def _doubt(self, track: OrderTrack, reading: Reading, state: State) -> None:
        doubts = track.doubts + 1
        self.follow(replace(track, doubts=doubts))
        if doubts < 2:
            self.request(STATE_REQUEST)
            return
        if reading is Reading.OTHER:
            shown = f"order {state.order_id!r}" if state.order_id else "no order"
            why = f"the robot shows {shown}"
        elif reading is Reading.UNPROVEN:
            why = "the robot is at the end but no longer shows how its actions ended"
        else:
            why = f"the robot cleared its order at node {state.last_node_id!r}"
        if state.operating_mode != "AUTOMATIC":
            why += f" (operating mode {state.operating_mode})"
        self._end(track, Stage.LOST, why)

    def _see_zombie(self, track: OrderTrack) -> None:
        """An order that was over runs again: a late copy reached a robot that forgot it."""
        if track.doubts == 0:
            self.follow(replace(track, doubts=1))
            self.request(STATE_REQUEST)
            return
        self.tell(
            EventKind.ALARM,
            detail=f"order {track.prepared.order_id} was over and runs again: cancelled",
        )
        self.follow(replace(track, doubts=0, revived=True))
        self.ask(CANCEL, self.own_id(CANCEL))

    def _end(self, track: OrderTrack, stage: Stage, reason: str) -> None:
        track = replace(track, stage=stage, reason=reason, doubts=0, cancel_id="")
        self.follow(track)
        kinds = {
            Stage.COMPLETED: EventKind.COMPLETED,
            Stage.CANCELLED: EventKind.ABORTED,
            Stage.LOST: EventKind.MISSION_LOST,
        }
        kind = kinds.get(stage)
        if kind is not None and (track.started or stage is not Stage.CANCELLED):
            self.tell(kind, detail=reason)

    def adopt(self, order: PreparedOrder, granted: int | None) -> None:
        """Take over an order as the newest state shows it; what it shows is not told again."""
        state, before = self.s.state, self.s.track
        if state is None:
            return
        mine = before is not None and before.prepared.order_id == order.order_id
        known = before if mine else None
        reading = read(order, state, known.sent_end, known.ended) if known else read(order, state)
        if reading is Reading.OTHER:
            if before is not None and mine and before.stage is not Stage.PREPARED:
                self.follow(None)
            return
        picked, released = parcels(order, state)
        stages = {Reading.DONE: Stage.COMPLETED, Reading.RUNNING: Stage.ACTIVE}
        same = before if before and before.prepared.order_id == order.order_id else None
        self.follow(
            replace(
                same or OrderTrack(order, granted=granted, adopted=True),
                stage=stages.get(reading, Stage.LOST),
                started=True,
                picked=picked | (same.picked if same else frozenset()),
                released=released | (same.released if same else frozenset()),
                failed=frozenset(a.action_id for a in failures(order, state)),
                doubts=0,
            )
        )
        self.s = replace(self.s, stranger="")
        if self.s.track is not None and self.s.track.stage is Stage.ACTIVE:
            if has_other_horizon(order, state):
                self._swap_adopted(self.s.track, state)
            self._see_base(self.s.track, state)

    def _swap_adopted(self, track: OrderTrack, state: State) -> None:
        """The way that is kept and not what an earlier start had sent last: sent again."""
        shown, order = state.order_update_id, track.prepared
        sent = body_of(order, shown, 0, order.last_sequence_id)
        track = replace(track, base_end=shown_base(state), body=sent)
        self.follow(self._fresh(swapped(track, order, track.granted, self.s.settings)))


def _evidence(action: TrackedAction, state: State) -> tuple[str, ...]:
    shown = state.action(action.action_id)
    evidence: tuple[str, ...] = (f"action {action.action_id} FINISHED",)
    if shown is not None and shown.result_description:
        evidence += (shown.result_description,)
    return evidence
