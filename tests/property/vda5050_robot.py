"""A little robot of the document's rules, for the engine's tests; it shares no code with it.

It keeps what VDA 5050 asks of a robot that gets orders and updates (version 2.1, sections 6.6 and
6.10; the flow chart of version 3, figure 8), takes one step of driving or acting when it is told
to, and raises AssertionError where a master breaks a rule that it can see.
"""

from __future__ import annotations

import json
from typing import Any

Json = dict[str, Any]
OVER = ("FINISHED", "FAILED")


class LittleRobot:
    """One robot. `done` holds (action type, load id) in the order in which they ended well.

    `deeds`: those of the order that it has, since it took it.
    """

    def __init__(self, *, repeats_stitched: bool = False) -> None:
        self.repeats_stitched = repeats_stitched
        self.done: list[tuple[str, str]] = []
        self.count = 0
        self.order_ids: list[str] = []
        self.forget()

    def forget(self) -> None:
        """A restart: all but the load and what was done."""
        self.order_id, self.update_id = "", 0
        self.last_id, self.last_seq = "", 0
        self.nodes: list[Json] = []
        self.edges: list[Json] = []
        self.actions: list[Json] = []
        self.instants: dict[str, Json] = {}
        self.errors: list[Json] = []
        self.deeds: list[tuple[str, str]] = []
        self.content: dict[int, str] = {}
        self.base: dict[int, str] = {}
        self.cancelled, self.cancelling, self.paused = False, "", False
        self.mode = "AUTOMATIC"
        self.count = 0

    @property
    def idle(self) -> bool:
        return not self.nodes and all(a["status"] in OVER for a in self.actions)

    # --- what it hears ---------------------------------------------------------------------

    def hear(self, topic: str, payload: bytes) -> None:
        message = json.loads(payload)
        if topic == "order":
            self._order(message)
            return
        for action in message["actions"]:
            self._instant(action)

    def _order(self, m: Json) -> None:
        self._check_graph(m)
        body = json.dumps([m["nodes"], m["edges"]], sort_keys=True)
        number = m["orderUpdateId"]
        if m["orderId"] != self.order_id:
            if self.mode != "AUTOMATIC" or not self.idle or self.cancelling:
                self._error("orderError", m)
            elif number != 0:
                self._error("orderUpdateError", m)
            else:
                self._take(m, body)
        elif number == self.update_id and self.content.get(number) == body:
            return
        elif number <= self.update_id or self.cancelled or self.cancelling:
            self._error("orderUpdateError", m)
        else:
            self._extend(m, body)

    def _check_graph(self, m: Json) -> None:
        nodes, edges = m["nodes"], m["edges"]
        assert len(edges) == len(nodes) - 1
        start = nodes[0]["sequenceId"]
        assert [n["sequenceId"] for n in nodes] == list(range(start, start + 2 * len(nodes), 2))
        assert [e["sequenceId"] for e in edges] == [n["sequenceId"] - 1 for n in nodes[1:]]
        released = [n["released"] for n in nodes]
        assert released[0]
        assert released == sorted(released, reverse=True)
        assert [e["released"] for e in edges] == released[1:]

    def _take(self, m: Json, body: str) -> None:
        self.order_id, self.update_id = m["orderId"], 0
        self.order_ids.append(self.order_id)
        self.content, self.base, self.cancelled = {0: body}, {}, False
        self.deeds, self.last_id, self.last_seq = [], "", 0
        self.nodes, self.edges, self.actions, self.errors = [], [], [], []
        self._append(m["nodes"], m["edges"])

    def _extend(self, m: Json, body: str) -> None:
        first = m["nodes"][0]
        released = [n["sequenceId"] for n in self.nodes if n["released"]]
        end = max(released, default=self.last_seq)
        if first["sequenceId"] != end or first["nodeId"] != self.base[end]:
            self._error("orderUpdateError", m)
            return
        # the base that was sent is never altered: the decision point comes back as it was
        sent = json.loads(self.base[f"full {end}"])
        if self.repeats_stitched:
            assert first["actions"] == [], "this robot would do them again"
        else:
            assert first["actions"] == sent["actions"]
        assert first["nodePosition"] == sent["nodePosition"]
        self.update_id = m["orderUpdateId"]
        self.content[self.update_id] = body
        horizon = {n["sequenceId"] for n in self.nodes if not n["released"]}
        self.nodes = [n for n in self.nodes if n["released"]]
        self.edges = [e for e in self.edges if e["released"]]
        self.actions = [a for a in self.actions if a["seq"] not in horizon]
        self._append(m["nodes"][1:], m["edges"])

    def _append(self, nodes: list[Json], edges: list[Json]) -> None:
        self.nodes += nodes
        self.edges += edges
        for node in nodes:
            if node["released"]:
                seq = node["sequenceId"]
                assert seq not in self.base or self.base[seq] == node["nodeId"]
                self.base[seq] = node["nodeId"]
                self.base[f"full {seq}"] = json.dumps(node)
            self.actions += [
                {"action": a, "seq": node["sequenceId"], "status": "WAITING"}
                for a in node["actions"]
            ]

    def _instant(self, action: Json) -> None:
        if action["actionId"] in self.instants:
            return
        entry = {"type": action["actionType"], "status": "FINISHED"}
        self.instants[action["actionId"]] = entry
        if action["actionType"] == "startPause":
            self.paused = True
        elif action["actionType"] == "stopPause":
            self.paused = False
        elif action["actionType"] == "cancelOrder":
            if self.idle or self.cancelling:
                entry["status"] = "FAILED"
                return
            entry["status"] = "RUNNING"
            self.cancelling = action["actionId"]
            for waiting in self.actions:
                if waiting["status"] == "WAITING":
                    waiting["status"] = "FAILED"

    def _error(self, word: str, m: Json) -> None:
        self.errors.append(
            {
                "errorType": word,
                "errorLevel": "WARNING",
                "errorReferences": [
                    {"referenceKey": "orderId", "referenceValue": m["orderId"]},
                    {"referenceKey": "orderUpdateId", "referenceValue": str(m["orderUpdateId"])},
                ],
            }
        )

    # --- what it does ----------------------------------------------------------------------

    def move(self) -> None:
        """One step: end an action, begin one, or drive to the next node of the base."""
        running = next((a for a in self.actions if a["status"] == "RUNNING"), None)
        if running is not None:
            self._hand_over(running)
            return
        if self.cancelling:
            self.instants[self.cancelling]["status"] = "FINISHED"
            self.nodes, self.edges, self.cancelling, self.cancelled = [], [], "", True
            return
        if self.paused or self.mode != "AUTOMATIC":
            return
        ahead = {n["sequenceId"] for n in self.nodes}
        due = next(
            (a for a in self.actions if a["status"] == "WAITING" and a["seq"] not in ahead), None
        )
        if due is not None:
            due["status"] = "RUNNING"
        elif self.nodes and self.nodes[0]["released"]:
            node = self.nodes.pop(0)
            self.edges = [e for e in self.edges if e["sequenceId"] > node["sequenceId"]]
            self.last_id, self.last_seq = node["nodeId"], node["sequenceId"]

    def _hand_over(self, running: Json) -> None:
        """End a pick or drop: well, if the parcel is where the action looks for it.

        An order that was forgotten and is taken again finds its parcels moved.
        """
        keys = {p["key"]: p["value"] for p in running["action"].get("actionParameters", [])}
        deed = (running["action"]["actionType"], str(keys.get("loadId")))
        moved = deed in self.done and deed not in self.deeds
        missing = deed[0] == "drop" and ("pick", deed[1]) not in self.done
        if moved or missing:
            running["status"] = "FAILED"
            return
        running["status"] = "FINISHED"
        self.done.append(deed)
        self.deeds.append(deed)

    def turn_key(self, mode: str) -> None:
        """Leaving AUTOMATIC clears the order without a word."""
        self.mode = mode
        if mode != "AUTOMATIC":
            self.nodes, self.edges = [], []
            for action in self.actions:
                if action["status"] not in OVER:
                    action["status"] = "FAILED"
            if self.cancelling:
                self.instants[self.cancelling]["status"] = "FINISHED"
            self.cancelling, self.cancelled = "", True

    # --- what it says ----------------------------------------------------------------------

    def state(self, at_s: float, version: str = "2.1.0") -> bytes:
        self.count += 1
        base_left = any(n["released"] for n in self.nodes)
        orders = [
            {
                "actionId": a["action"]["actionId"],
                "actionType": a["action"]["actionType"],
                "actionStatus": a["status"],
            }
            for a in self.actions
        ]
        instants = [
            {"actionId": k, "actionType": v["type"], "actionStatus": v["status"]}
            for k, v in self.instants.items()
        ]
        body = {
            "headerId": self.count,
            "timestamp": f"2026-01-01T{at_s / 3600:012.6f}",
            "version": version,
            "manufacturer": "ACME",
            "serialNumber": "R",
            "orderId": self.order_id,
            "orderUpdateId": self.update_id,
            "lastNodeId": self.last_id,
            "lastNodeSequenceId": self.last_seq,
            "driving": base_left and not self.paused,
            "paused": self.paused,
            "newBaseRequest": bool(self.nodes) and not base_left,
            "operatingMode": self.mode,
            "nodeStates": [
                {k: n[k] for k in ("nodeId", "sequenceId", "released")} for n in self.nodes
            ],
            "edgeStates": [
                {k: e[k] for k in ("edgeId", "sequenceId", "released")} for e in self.edges
            ],
            "errors": self.errors,
        }
        spot = {"x": 0.0, "y": 0.0, "theta": 0.0, "mapId": "site"}
        if version.startswith("3."):
            body |= {
                "actionStates": orders,
                "instantActionStates": instants,
                "powerSupply": {"stateOfCharge": 80.0, "charging": False},
                "safetyState": {"activeEmergencyStop": "NONE", "fieldViolation": False},
                "mobileRobotPosition": spot | {"localized": True},
            }
        else:
            body |= {
                "actionStates": orders + instants,
                "batteryState": {"batteryCharge": 80.0, "charging": False},
                "safetyState": {"eStop": "NONE", "fieldViolation": False},
                "agvPosition": spot | {"positionInitialized": True},
            }
        return json.dumps(body).encode()
