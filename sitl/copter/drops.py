"""What lets a parcel go: a servo gripper and a winch, with ArduPilot's own texts.

Owns the devices' states (AP_Gripper_Servo.cpp, AP_Winch.cpp). ``released`` is called once
for each parcel that truly leaves the aircraft; a device that is not fitted does nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum

from sitl.copter.params import Params

ACTUATION_S = 0.5
HOOK_SLACK_M = 3.0

Say = Callable[[int, str], None]


class Grip(Enum):
    """AP_Gripper states."""

    NEUTRAL = "neutral"
    GRABBING = "grabbing"
    GRABBED = "grabbed"
    RELEASING = "releasing"
    RELEASED = "released"


class Gripper:
    """A servo gripper; its parcel drops when the release has been actuated."""

    def __init__(self, params: Params, say: Say, released: Callable[[str], None]) -> None:
        self.state = Grip.NEUTRAL
        self.holding = 1
        """Parcels that it lets go one by one, a release each."""
        self._params = params
        self._say = say
        self._released = released
        self._since_s = 0.0
        self._now_s = 0.0

    @property
    def fitted(self) -> bool:
        """GRIP_ENABLE."""
        return self._params["GRIP_ENABLE"] != 0

    @property
    def valid(self) -> bool:
        """Whether it has a backend and a servo (AP_Gripper ``valid``)."""
        return self.fitted and self._params["GRIP_TYPE"] == 1 and self._servo

    @property
    def _servo(self) -> bool:
        return self._params["SERVO9_FUNCTION"] == 28

    def release(self) -> None:
        """Open."""
        self._move(Grip.RELEASING, Grip.RELEASED, "Gripper load releasing", "Gripper load released")

    def grab(self) -> None:
        """Close."""
        self._move(Grip.GRABBING, Grip.GRABBED, "Gripper load grabbing", "Gripper load grabbed")

    def tick(self, now_s: float) -> None:
        """Finish what was begun; close by itself after GRIP_AUTOCLOSE seconds."""
        self._now_s = now_s
        waited = now_s - self._since_s
        if self.state == Grip.RELEASING and self._servo and waited >= ACTUATION_S:
            self.state = Grip.RELEASED
            self._say(6, "Gripper load released")
            if self.holding:
                self.holding -= 1
                self._released("gripper")
        elif self.state == Grip.GRABBING and self._servo and waited >= ACTUATION_S:
            self.state = Grip.GRABBED
            self._say(6, "Gripper load grabbed")
        close_s = self._params["GRIP_AUTOCLOSE"]
        if self.state == Grip.RELEASED and 0.0 < close_s < waited:
            self.grab()

    def _move(self, begin: Grip, end: Grip, text: str, done: str) -> None:
        if not self.fitted or self._params["GRIP_TYPE"] != 1 or self.state == begin:
            return
        if self.state == end:
            self._say(6, done)
            return
        self.state, self._since_s = begin, self._now_s
        self._say(6, text)


class Winch:
    """A winch whose hook lets the parcel go when it stands on the ground."""

    def __init__(self, params: Params, say: Say, released: Callable[[str], None]) -> None:
        self.length_m = 0.0
        self.holding = True
        self._target_m = 0.0
        self._rate_mps: float | None = None
        self._relaxed = True
        self._params = params
        self._say = say
        self._released = released
        self._now_s = 0.0

    @property
    def fitted(self) -> bool:
        """WINCH_TYPE."""
        return self._params["WINCH_TYPE"] != 0

    def act(self, action: int, length_m: float, rate_mps: float) -> bool:
        """MAV_CMD_DO_WINCH; False for an action that ArduPilot does not know."""
        if action == 0:
            self._relaxed = True
        elif action == 1:
            self._relaxed, self._rate_mps = False, None
            self._target_m = self.length_m + length_m
            if self._params.integer("WINCH_OPTIONS") & 2 and self.fitted:
                way = "raising" if length_m < 0 else "lowering"
                self._say(6, f"Winch: {way} {abs(length_m):4.1f}m to {self._target_m:4.1f}m")
        elif action == 2:
            self._relaxed, self._rate_mps = False, rate_mps
        else:
            return False
        return True

    def tick(self, now_s: float, height_m: float) -> None:
        """Run the line; ``height_m`` is the aircraft's height above the ground."""
        dt_s, self._now_s = now_s - self._now_s, now_s
        if self._relaxed or not self.fitted:
            return
        top = self._params["WINCH_RATE_MAX"]
        if self._rate_mps is None:
            error = self._target_m - self.length_m
            step = min(max(error, -top * dt_s), top * dt_s)
        else:
            step = min(max(self._rate_mps, -top), top) * dt_s
        self.length_m = max(0.0, self.length_m + step)
        touching = self.length_m >= height_m - 0.5
        lowered = self._rate_mps is None and abs(self._target_m - self.length_m) < 0.05
        near = lowered and self.length_m >= height_m - HOOK_SLACK_M
        if step > 0.0 and self.holding and (touching or near):
            self.holding = False
            self._released("winch")
