"""A path is cut up as its legs are, one by one."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest

from geofence.frames import LatLon
from geofence.path import Disc, FlightPath, PathLeg
from geofence.track import pieces_of, split_leg
from geofence.zones import VehicleClass

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize("kind", VehicleClass)
def test_pieces_of_a_path_are_those_of_its_legs(kind: VehicleClass) -> None:
    places = [
        (LatLon(60.0, 25.0), LatLon(60.15, 25.3)),
        (LatLon(-47.0, 179.9), LatLon(-47.1, -179.9)),
        (LatLon(10.0, 20.0), LatLon(10.0, 20.0)),
        (LatLon(83.0, -10.0), LatLon(83.5, -9.0)),
        (LatLon(0.0, -179.99), LatLon(0.01, 179.98)),
    ]
    legs = tuple(
        PathLeg(n, "leg", *ends, 10.0 * n, 20.0 * n, NOON, NOON, 5.0 + n)
        for n, ends in enumerate(places)
    )
    disc = Disc(9, "pad", LatLon(60.0, 25.0), 12.0, 1.0, 2.0, NOON, NOON)
    pieces = pieces_of(FlightPath(kind, legs, (disc,)))
    for number, leg in enumerate(legs):
        mine = pieces.owner == number
        corners, _ = split_leg(leg, autopilot=kind is VehicleClass.MULTIROTOR)
        expected = np.hstack((corners[:-1], corners[1:]))
        assert pieces.line[mine] == pytest.approx(expected, abs=1e-12)
        assert pieces.part[mine][0, 0] == 0.0
        assert pieces.part[mine][-1, 1] == 1.0
        assert np.array_equal(pieces.line[mine][1:, :2], pieces.line[mine][:-1, 2:])
        assert (pieces.heights[mine] == (10.0 * number, 20.0 * number)).all()
        alone = pieces_of(FlightPath(kind, (leg,)))
        assert np.array_equal(alone.reach_m, pieces.reach_m[mine])
    assert pieces.owner[-1] == len(legs)
    assert pieces.line[-1].tolist() == [25.0, 60.0, 25.0, 60.0]
    assert pieces.corridor_m[-1] == 12.0


@pytest.mark.parametrize("kind", VehicleClass)
def test_a_path_of_nothing_has_no_pieces(kind: VehicleClass) -> None:
    assert len(pieces_of(FlightPath(kind, ())).owner) == 0
