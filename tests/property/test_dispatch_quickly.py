"""The quick way through many flights decides as the plain way does, and for the same reasons."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from controller.dispatch.engine import Engine
from controller.dispatch.model import World
from geofence.frames import Altitude, Datum
from geofence.schedule import Schedule
from geofence.zones import Zone, ZoneKind
from geofence.zoneset import ZoneSet
from tests.support.plain_dispatch import PlainPlans, assert_alike
from tests.unit.controller.dispatch_worlds import (
    CENTER,
    NOW,
    at,
    joined_world,
    no_fly,
    numbered,
    random_world,
)
from vehicles.port import FailsafeAction, Failsafes

SEEDS = st.integers(0, 2**32 - 1)


def strewn(world: World, seed: int) -> World:
    """With zones of every kind, near pads and destinations too, and drones that avoid."""
    rng = random.Random(seed)
    zones = [*world.zones.zones, *(_any_zone(rng, n) for n in range(rng.randint(4, 20)))]
    if rng.random() < 0.3:
        zones.append(no_fly("K-1", CENTER, rng.uniform(700, 1500), kind=ZoneKind.KEEP_IN))
    vehicles = [
        replace(v, telemetry=replace(v.telemetry, failsafes=AVOIDING))
        if v.capability.flies and rng.random() < 0.3
        else v
        for v in world.vehicles
    ]
    return replace(world, zones=ZoneSet(zones), vehicles=tuple(vehicles))


AVOIDING = Failsafes(
    FailsafeAction.RETURN, FailsafeAction.RETURN, FailsafeAction.LAND, FailsafeAction.LAND,
    FailsafeAction.RETURN, 30.0, avoidance=True, fenced=True,
)  # fmt: skip


def _any_zone(rng: random.Random, number: int) -> Zone:
    changes: dict[str, object] = {}
    match rng.randint(0, 5):
        case 0:
            changes = {"kind": ZoneKind.RESTRICTED, "permit": "p"}
        case 1:
            changes = {"kind": ZoneKind.ADVISORY}
        case 2:
            begin = NOW + timedelta(minutes=rng.uniform(-10, 20))
            end = begin + timedelta(minutes=10)
            changes = {"schedule": Schedule(valid_from=begin, valid_to=end)}
        case 3:
            changes = {"floor": Altitude(rng.uniform(0, 80), Datum.AGL)}
        case 4:
            changes = {"kind": ZoneKind.ADVISORY, "max_speed_mps": rng.uniform(4, 11)}
    place = at(rng.uniform(-1000, 1000), rng.uniform(-1000, 1000))
    return no_fly(f"S-{number}", place, rng.uniform(20, 150), **changes)


def decide(world: World, seed: int) -> None:
    quick = Engine().dispatch(world, ids=numbered(), seed=seed)
    plain = Engine(PlainPlans()).dispatch(world, ids=numbered(), seed=seed)
    assert_alike(quick, plain)


@settings(max_examples=25, deadline=None)
@given(SEEDS)
def test_single_flights_and_rounds(seed: int) -> None:
    decide(strewn(random_world(seed, drones=3, robots=2, parcels=5), seed), seed)


@settings(max_examples=25, deadline=None)
@given(SEEDS)
def test_flights_with_several_parcels(seed: int) -> None:
    decide(strewn(joined_world(seed, drones=2, robots=1, parcels=4), seed), seed)
