"""Docks, lifts, crossings and narrow streets: what each lets robots do, whoever says what it is."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest

from controller.config import load
from controller.enrol import read_street_file
from controller.network.leases import LeaseBook
from geofence.frames import LatLon
from missions.passages import Need, Passages, Way, find_passages, with_passages
from missions.roads import Passage, StreetEdge, StreetError, StreetGraph, StreetNode
from missions.roads_file import write_streets

PLACES = "abcde"


def row() -> StreetGraph:
    """Five places in a row, wide streets between, and one beside each for passing."""
    spots = {n: LatLon(60.0, 24.0 + 1e-3 * i) for i, n in enumerate(PLACES)}
    nodes = [StreetNode(n, spot) for n, spot in spots.items()]
    edges = [
        StreetEdge(a + b, a, b, 56.0, 1.5, (spots[a], spots[b]), "footway")
        for a, b in pairwise(PLACES)
    ]
    return StreetGraph(nodes, edges)


def way(names: str) -> tuple[list[str], list[tuple[str, str]]]:
    return list(names), [("".join(sorted(pair)), pair[0]) for pair in pairwise(names)]


def enter(book: LeaseBook, passages: Passages, vehicle_id: str, names: str) -> None:
    claims = passages.claims_of(*way(names))
    book.stand(vehicle_id, passages.at(names[0]))
    book.enter(vehicle_id, vehicle_id, claims, len(names) - 1)
    book.want(vehicle_id, len(names) - 1)


@pytest.mark.parametrize(
    ("kinds", "name", "follow"),
    [
        ({"bc": Passage.CROSSING}, "crossing:bc", False),
        ({"bc": Passage.LIFT}, "lift:bc", False),
        ({"bc": Passage.NARROW}, "narrow:bc", True),
        ({"c": Passage.LIFT}, "lift:c", False),
        ({"c": Passage.DOCK}, "dock:c", False),
    ],
)
def test_who_may_be_where(kinds: dict[str, Passage], name: str, follow: bool) -> None:
    passages = find_passages(with_passages(row(), kinds))
    assert set(passages.kinds) == {name}
    book = LeaseBook()
    enter(book, passages, "first", "abcd")
    enter(book, passages, "second", "abcd")
    enter(book, passages, "against", "dcba")
    granted = [g.vehicle_id for g in book.grant()]
    assert granted == (["first", "second"] if follow else ["first"])
    book.passed("first", 3)
    book.leave("first")
    book.grant()
    if follow:
        book.passed("second", 3)
        book.leave("second")
    else:
        assert list(book.holders()[name]) == ["second"]
        book.passed("second", 3)
        book.leave("second")
    assert [g.vehicle_id for g in book.grant()] == ["against"]


def test_a_dock_is_kept_while_a_robot_stands_in_it_and_a_lift_is_not_stood_in() -> None:
    dock = find_passages(with_passages(row(), {"c": Passage.DOCK}))
    lift = find_passages(with_passages(row(), {"c": Passage.LIFT}))
    assert "c" in dock.waiting
    assert "c" not in lift.waiting
    book = LeaseBook()
    enter(book, dock, "r", "abcd")
    book.grant()
    book.passed("r", 2)
    assert book.held("r") == (Need("dock:c", Way.BOTH),)
    book.passed("r", 3)
    assert not book.held("r")


@pytest.mark.parametrize(
    ("name", "kind", "why"),
    [("zz", Passage.LIFT, "neither a street nor a node"), ("bc", Passage.DOCK, "a dock is a node")],
)
def test_what_cannot_be_a_passage_is_refused_by_name(name: str, kind: Passage, why: str) -> None:
    with pytest.raises(StreetError, match=why) as refused:
        with_passages(row(), {name: kind})
    assert refused.value.feature == name


def test_the_configuration_adds_to_the_file(tmp_path) -> None:
    (tmp_path / "streets.geojson").write_text(json.dumps(write_streets(row())))
    (tmp_path / "w.toml").write_text(
        '[streets]\nfile = "streets.geojson"\n[streets.passages]\nc = "dock"\nab = "lift"\n'
    )
    streets = read_street_file(load(tmp_path / "w.toml"))
    assert set(find_passages(streets).kinds) == {"dock:c", "lift:ab"}
