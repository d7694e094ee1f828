"""A light copter that speaks ArduPilot Copter 4.6's MAVLink 2, hundreds in one process.

Owns the imitation of ArduPilot's *protocol and mission behaviour* (mission transfer with
overwrite in place, modes, arming checks, parameters, failsafes) over plain kinematics.
It is judged by the real program and never the other way round; where the two differ, this
one is wrong. It must not know who controls it, and must not be used to judge flight
dynamics: it has no attitude, wind or estimator.
"""

from sitl.copter.fleet import CopterFleet
from sitl.copter.spec import CopterSpec
from sitl.copter.vehicle import Copter

__all__ = ["Copter", "CopterFleet", "CopterSpec"]
