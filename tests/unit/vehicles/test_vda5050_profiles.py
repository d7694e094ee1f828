"""Profiles of makers, the shape of orders, and what a factsheet rules out."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from geofence.zones import VehicleClass
from tests.unit.vehicles.vda5050_rounds import MAP, PIN_HASH, round_of
from vehicles.errors import ConfigurationError, ProtocolError
from vehicles.port import Capability
from vehicles.vda5050.dialect import Dialect
from vehicles.vda5050.factsheet import Factsheet
from vehicles.vda5050.feasible import fitted, order_faults
from vehicles.vda5050.orders import OrderSettings, PreparedOrder, build_order
from vehicles.vda5050.profile import DEFAULT, SHIPPED, Profile, find_profile, read_profile
from vehicles.vda5050.settings import Vda5050Settings, engine_settings

NOW = datetime(2026, 1, 1, tzinfo=UTC)
CAPABILITY = Capability(VehicleClass.ROBOT, 20.0, 3, 1.6, 1200.0, (0.6, 0.5, 0.5))
HEAD = {
    "headerId": 0, "timestamp": "2026-01-01T00:00:00Z", "version": "2.1.0",
    "manufacturer": "ACME", "serialNumber": "R-1",
}  # fmt: skip


def sheet(**parts: object) -> Factsheet:
    return msgspec.json.decode(json.dumps(HEAD | parts).encode(), type=Factsheet)


def made(told: Factsheet | None = None, profile: Profile = DEFAULT) -> PreparedOrder:
    return build_order(round_of(), MAP, OrderSettings(), told, profile)


def measure(body: object) -> int:
    return len(msgspec.json.encode(body)) + 150


def faults(told: Factsheet, profile: Profile = DEFAULT) -> str:
    order = fitted(made(told, profile), told, measure)
    return "; ".join(order_faults(order, told, profile, CAPABILITY, measure))


@pytest.mark.parametrize("name", sorted(p.stem for p in SHIPPED.glob("*.toml")))
def test_every_shipped_profile_makes_orders(name: str) -> None:
    profile = find_profile(name)
    assert profile.name == name
    order = made(profile=profile)
    ids = [a.action_id for n in order.body.nodes for a in n.actions]
    assert len(ids) == len(set(ids))
    assert [a.action_id for a in order.actions] == ids
    # what the mission calls its actions is what proves them
    assert {a.action_id for a in order.actions if a.proves} == {"k1", "k2", "d1", "d2"}


def test_a_handover_opens_waits_and_closes() -> None:
    order = made(profile=find_profile("pavement-locker"))
    (door,) = [n for n in order.body.nodes if n.node_id == "two"]
    assert [a.action_type for a in door.actions] == [
        "awaitCustomer", "openLid", "awaitRemoval", "closeLid",
    ]  # fmt: skip
    values = {p.key: p.value for p in door.actions[0].action_parameters}
    assert values == {"pinSha256": PIN_HASH, "timeout": 300}
    proof = next(a for a in order.actions if a.action_id == "d2")
    assert (proof.proves, proof.timeout_s) == (True, 600.0)
    contactless = next(n for n in order.body.nodes if n.node_id == "one")
    assert [a.action_type for a in contactless.actions] == ["unload"]


def test_a_robot_of_version_3_waits_for_a_trigger() -> None:
    profile = find_profile("pavement-trigger")
    order = made(profile=profile)
    wait = order.body.nodes[-2].actions[0]
    assert wait.action_type == "waitForTrigger"
    assert wait.action_parameters[0].value == ["LOCAL", "FLEET_CONTROL"]
    assert [a.timeout_s for a in order.actions if not a.proves] == [300.0]


def test_settings_come_from_the_profile() -> None:
    siemens = find_profile("vda-5050-lib")
    engine = engine_settings(siemens, Vda5050Settings().engine)
    assert not engine.resend_stitch_actions
    assert not engine.trusts_connection
    dialect = Dialect(
        "ACME", "R", lambda: NOW, version=siemens.version, also_instants_as="instantActions"
    )
    sent = json.loads(dialect.instant_actions(made(profile=siemens).body.nodes[0].actions))
    assert sent["actions"] == sent["instantActions"]
    assert sent["version"] == "2.0.0"
    edges = engine_settings(
        msgspec.structs.replace(siemens, completion="EDGE"), Vda5050Settings().engine
    )
    assert edges.edges_only


STEP = '[[pick]]\ntype = "pick"\nproves = true\n[[drop]]\ntype = "drop"\nproves = true\n'


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("name = 1\n" + STEP, "name"),
        ('name = "x"\nqos = 1\n' + STEP, "qos"),
        ('name = "x"\nversion = "1.1"\n' + STEP, "version"),
        ('name = "x"\n' + STEP.replace("proves = true", "", 1), "pick: exactly one"),
        ('name = "x"\n' + STEP + "proves = 3\n", "Cannot overwrite|TOML|proves"),
        ('name = "x"\n' + STEP + '[drop.parameters]\na = "{nonsense}"\n', "parameters.a"),
        ('name = "x"\n' + STEP + "[drop.parameters]\na = {b = 1}\n", "an object"),
        ('name = "x"\n[optional]\n"order.zoneSetId" = "SUPPORTED"\n' + STEP, "zoneSetId"),
        ('name = "x"\n' + STEP.replace('"drop"', '"waitForTrigger"'), "waitForTrigger"),
        ('name = "x"\n' + STEP.replace("true", 'true\nblocking = "SINGLE"', 1), "SINGLE"),
        ("name = ", "TOML"),
    ],
)
def test_a_bad_profile_is_named(tmp_path: Path, text: str, names: str) -> None:
    path = tmp_path / "own.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigurationError, match=names):
        read_profile(path)


def test_profiles_are_found_by_name_or_file(tmp_path: Path) -> None:
    (tmp_path / "own.toml").write_text('name = "own"\n' + STEP, encoding="utf-8")
    assert find_profile("own.toml", tmp_path).name == "own"
    with pytest.raises(ConfigurationError, match="vda-5050-lib"):
        find_profile("siemens")
    with pytest.raises(ConfigurationError, match="cannot be read"):
        find_profile("absent.toml", tmp_path)


def limits(arrays: dict[str, int] | None = None, **strings: object) -> Factsheet:
    return sheet(protocolLimits={"maxArrayLens": arrays or {}, "maxStringLens": strings})


@pytest.mark.parametrize(
    ("told", "names"),
    [
        (limits({"order.nodes": 1}), "order.nodes is 1"),
        (limits({"node.actions": 1}), "node.actions is 1"),
        (limits({"actions.actionsParameters": 1}), "actions.actionsParameters is 1"),
        (limits(idLen=5), "idLen is 5"),
        (limits(idNumericalOnly=True), "idNumericalOnly"),
        (limits(loadIdLen=1), "loadIdLen is 1"),
        (limits(enumLen=3), "enumLen is 3"),
        (limits(msgLen=400), "msgLen is 400"),
        (sheet(typeSpecification={"maxLoadMass": 10}), "typeSpecification.maxLoadMass is 10"),
        (
            sheet(loadSpecification={"loadSets": [{"loadType": "EPAL"}]}),
            "loadSpecification.loadSets has EPAL",
        ),
        (
            sheet(
                loadSpecification={
                    "loadSets": [
                        {
                            "loadType": "PARCEL",
                            "loadDimensions": {"length": 0.5, "width": 0.5, "height": 0.2},
                        }
                    ]
                }
            ),
            "loadDimensions",
        ),
        (sheet(physicalParameters={"speedMin": 3.5}), "speedMin is 3.5"),
        (
            sheet(
                protocolFeatures={
                    "optionalParameters": [
                        {"parameter": "order.edges.orientation", "support": "REQUIRED"}
                    ]
                }
            ),
            "order.edges.orientation is REQUIRED",
        ),
        (
            sheet(
                protocolFeatures={
                    "optionalParameters": [
                        {"parameter": "order.edges.trajectory", "support": "SUPPORTED"}
                    ]
                },
                physicalParameters={"speedMax": 5.0},
            ),
            "does not list order.edges.maxSpeed",
        ),
        (
            sheet(
                protocolFeatures={
                    "agvActions": [
                        {
                            "actionType": t,
                            "actionScopes": ["NODE"],
                            "blockingTypes": ["SOFT"],
                            "actionParameters": [
                                {"key": "height", "valueDataType": "FLOAT", "isOptional": False}
                            ],
                        }
                        for t in ("pick", "drop")
                    ]
                }
            ),
            "blockingTypes are SOFT.*needs the parameter 'height'.*cannot check a PIN",
        ),
    ],
)
def test_what_a_factsheet_rules_out_is_named(told: Factsheet, names: str) -> None:
    assert re.search(names, faults(told)), faults(told)


def test_what_a_factsheet_does_not_tell_rules_nothing_out() -> None:
    assert faults(sheet()) == ""
    assert faults(limits({"order.nodes": 0}, msgLen=0)) == ""


def test_orders_are_split_to_the_robots_limits() -> None:
    whole = fitted(made(), sheet(), measure)
    assert whole.window == 0
    assert fitted(made(), limits({"order.nodes": 3}), measure).window == 3
    assert fitted(made(), limits({"order.edges": 1}), measure).window == 2
    longest = measure(made().body)
    assert 2 <= fitted(made(), limits(msgLen=longest - 100), measure).window < 5
    assert faults(limits({"order.nodes": 3}, msgLen=longest - 100)) == ""


def test_optional_fields_are_left_out_where_they_are_not_supported() -> None:
    told = sheet(
        protocolFeatures={
            "optionalParameters": [{"parameter": "order.edges.length", "support": "REQUIRED"}]
        },
        physicalParameters={"speedMax": 2.0},
    )
    edges = made(told).body.edges
    assert all(e.max_speed is None and e.length is not None for e in edges)
    assert faults(told) == ""
    curves = DEFAULT.with_curves("REQUIRED")
    assert all(e.trajectory is not None for e in made(None, curves).body.edges)
    short = limits({"trajectory.controlPoints": 2})
    bent = made(short, DEFAULT.with_curves("SUPPORTED")).body
    assert len(bent.nodes) == 5


def test_a_robot_held_to_a_version_is_not_heard_in_another() -> None:
    dialect = Dialect("ACME", "R-1", lambda: NOW, version="3.0.0")
    payload = json.dumps(HEAD | {"connectionState": "ONLINE"}).encode()
    with pytest.raises(ProtocolError, match="enrol the robot"):
        dialect.connection(payload, "r")
    free = Dialect("ACME", "R-1", lambda: NOW)
    three = HEAD | {"connectionState": "CONNECTION_BROKEN", "version": "3.0.0"}
    heard = free.connection(json.dumps(three).encode(), "r")
    assert heard.connection_state == "CONNECTIONBROKEN"
    assert (free.version, free.topic_version) == ("3.0.0", "v3")
    free.connection(payload, "r")
    assert (free.version, free.topic_version) == ("2.1.0", "v2")
