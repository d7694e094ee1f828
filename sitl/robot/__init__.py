"""VDA 5050 robots of version 2 and 3 for the lab, many in one process.

Owns robots that keep their own rules: they check orders, drive, pick, drop, charge and talk MQTT
with a codec and map maths of their own, so that a mistake of the master is seen and not shared.
"""

from sitl.robot.door import Comes, Customer
from sitl.robot.fleet import RobotFleet
from sitl.robot.geo import RobotMap
from sitl.robot.spec import RobotSpec

__all__ = ["Comes", "Customer", "RobotFleet", "RobotMap", "RobotSpec"]
