"""The parameter baseline: what is audited, what is mended, what blocks."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from geofence.frames import LatLon
from geofence.zones import VehicleClass
from missions.model import DropDevice
from sitl.copter.params import Params
from vehicles.mavlink.baseline import Rule, audit, repairs, requirements
from vehicles.mavlink.settings import MavlinkVehicle
from vehicles.port import Capability

GRIPPER = Capability(
    VehicleClass.MULTIROTOR, 2.0, 1, 10.0, 300.0, (0.4, 0.4, 0.4), DropDevice.GRIPPER
)
VEHICLE = MavlinkVehicle(
    "d", "udpin:127.0.0.1:0", 1, GRIPPER, LatLon(60.0, 25.0), 0.0, gcs_timeout_s=8.0
)
RULES = requirements(VEHICLE)


def factory_values() -> dict[str, float | None]:
    """ArduCopter's defaults with a gripper fitted."""
    params = Params({"GRIP_ENABLE": 1, "GRIP_TYPE": 1})
    return {rule.name: params[rule.name] for rule in RULES}


def test_factory_settings_are_found_wanting_and_can_be_mended() -> None:
    found = audit(RULES, factory_values())
    named = {finding.requirement.name for finding in found}
    assert {"FS_GCS_ENABLE", "BATT_FS_LOW_ACT", "AUTO_OPTIONS", "FENCE_TYPE", "RTL_ALT"} <= named
    mended = factory_values() | repairs(found)
    assert audit(RULES, mended) == ()
    assert mended["FENCE_TYPE"] == 5
    assert mended["FS_GCS_TIMEOUT"] == 8.0
    assert mended["RTL_ALT"] == 6000


def test_options_lose_only_the_bits_that_are_forbidden() -> None:
    values = factory_values() | {"FS_OPTIONS": 0b111111}
    assert repairs(audit(RULES, values))["FS_OPTIONS"] == 0b011100


def test_what_a_fitter_must_do_is_not_applied_and_blocks_with_its_reason() -> None:
    values = factory_values() | {"GRIP_ENABLE": 0.0, "GRIP_TYPE": None}
    found = audit(RULES, values)
    assert not {"GRIP_ENABLE", "GRIP_TYPE"} & set(repairs(found))
    texts = {f.requirement.name: f.text for f in found}
    assert texts["GRIP_ENABLE"] == (
        "parameter GRIP_ENABLE is 0, must be 1 (without a gripper a release item does nothing); "
        "set it and reboot the vehicle"
    )
    assert "GRIP_TYPE is missing" in texts["GRIP_TYPE"]


def test_a_parameter_that_gave_no_answer_blocks() -> None:
    values = factory_values() | repairs(audit(RULES, factory_values())) | {"MIS_OPTIONS": None}
    (finding,) = audit(RULES, values)
    assert "MIS_OPTIONS gave no answer" in finding.text
    assert not finding.applicable


def test_every_device_asks_for_its_own_parameters() -> None:
    def names(device: DropDevice | None) -> set[str]:
        capability = replace(GRIPPER, drop_device=device)
        return {r.name for r in requirements(replace(VEHICLE, capability=capability))}

    assert "WINCH_TYPE" in names(DropDevice.WINCH)
    assert "GRIP_ENABLE" in names(DropDevice.PAYLOAD_PLACE)
    assert not {"WINCH_TYPE", "GRIP_ENABLE"} & names(None)


@settings(deadline=None)
@given(st.sampled_from(RULES), st.floats(-1000, 10_000, width=32))
def test_a_repaired_value_holds(rule: object, value: float) -> None:
    assert rule.holds(rule.repaired(value))


def test_a_vehicle_with_its_own_fence_has_it_on_and_made_of_polygons() -> None:
    rules = requirements(replace(VEHICLE, onboard_fence=True))
    assert len({rule.name for rule in rules}) == len(rules)
    params = Params({"GRIP_ENABLE": 1, "GRIP_TYPE": 1, "FENCE_TYPE": 11, "FENCE_OPTIONS": 3})
    values: dict[str, float | None] = {rule.name: params[rule.name] for rule in rules}
    found = audit(rules, values)
    mended = values | repairs(found)
    assert audit(rules, mended) == ()
    assert (mended["FENCE_ENABLE"], mended["FENCE_TYPE"], mended["FENCE_OPTIONS"]) == (1, 5, 1)
    assert mended["FENCE_ACTION"] == 1
    # another level than its own must still be below the ceiling
    assert mended["FENCE_ALT_MAX"] == VEHICLE.cruise_alt_home_m + 50.0
    words = {finding.requirement.name: finding.text for finding in found}
    assert "must be without bits 0xa and with 0x4" in words["FENCE_TYPE"]


def test_every_rule_says_why_and_names_a_parameter_once() -> None:
    assert all(rule.why and len(rule.name) <= 16 for rule in RULES)
    assert len({rule.name for rule in RULES}) == len(RULES)
    assert {rule.rule for rule in RULES} == set(Rule)
