from __future__ import annotations

import json
from dataclasses import replace

import pytest
import shapely
from PIL import Image
from typer.testing import CliRunner

from controller.cli.client import CliError
from controller.cli.draw_canvas import Canvas, arrow_head
from controller.cli.main import app
from controller.cli.mission import Asked, judge
from geofence.formats.geojson import write_zones
from geofence.frames import Altitude, Datum
from geofence.zones import ZoneKind
from missions.formats.qgc_plan import write_plan
from missions.formats.waypoints import write_waypoints
from missions.inspect import told_once
from missions.model import AirItem, AirMission, ItemKind
from tests.unit.geofence.test_geofence_ed269 import item, text, volume
from tests.unit.missions.flights import HOME, at, box, circle

CRUISE = 60.0
CORNER, FAR = at(600.0, 0.0), at(600.0, 600.0)
MARK = [AirItem(ItemKind.RETURN_PATH, FAR, CRUISE)]


def mission(*, return_path: bool) -> AirMission:
    items = (
        AirItem(ItemKind.TAKEOFF, HOME, CRUISE),
        AirItem(ItemKind.WAYPOINT, CORNER, CRUISE),
        AirItem(ItemKind.WAYPOINT, FAR, CRUISE),
        *(MARK if return_path else []),
        AirItem(ItemKind.WAYPOINT, CORNER, CRUISE),
        AirItem(ItemKind.WAYPOINT, HOME, CRUISE),
        AirItem(ItemKind.LAND, HOME),
    )
    return AirMission("m", "", HOME, 10.0, CRUISE, items, "")


BETWEEN = circle("Z-1", at(300.0, 300.0), 60.0)


@pytest.fixture
def files(tmp_path):
    def made(zones, flight, *, form="plan"):
        zone_file, file = tmp_path / "zones.json", tmp_path / f"m.{form}"
        zone_file.write_text(json.dumps(write_zones(zones)))
        write = write_plan if form == "plan" else write_waypoints
        file.write_text(write(flight))
        return file, zone_file

    return made


def run(file, zones, *more: str):
    words = ["mission", "check", str(file), "--zones", str(zones), "--ground", "10", *more]
    return CliRunner().invoke(app, words)


@pytest.mark.parametrize("form", ["plan", "waypoints"])
def test_a_clear_mission_is_allowed_with_its_clearance(files, form):
    told = run(*files([BETWEEN], mission(return_path=True), form=form))
    assert told.exit_code == 0, told.output
    assert "allowed; the line passes Z-1 at 240" in told.output


def test_a_violation_is_told_with_leg_zone_entry_exit_and_depth(files):
    on_way = box("Z-2", (280.0, -20.0), (320.0, 20.0))
    told = run(*files([on_way], mission(return_path=True)), "--json")
    assert told.exit_code == 1
    answer = json.loads(told.output)
    assert answer["allowed"] is False
    first = answer["violations"][0]
    assert (first["zone_id"], first["leg"], first["where"]) == (
        "Z-2", "leg 1 on the way out", "item 2",
    )  # fmt: skip
    assert first["depth_m"] > 20.0
    assert first["entry"]["lat_deg"] < first["exit"]["lat_deg"]


def test_contingencies_are_told_and_what_to_do(files):
    file, zones = files([BETWEEN], mission(return_path=False))
    told = run(file, zones)
    assert told.exit_code == 1
    assert "straight return from" in " ".join(told.output.split())
    assert "DO_RETURN_PATH_START" in told.output
    assert run(file, zones, "--avoidance").exit_code == 0


def test_options_reach_the_check(files):
    beside = circle("Z-1", at(300.0, 100.0), 60.0, floor=Altitude(75.0, Datum.AMSL), ceiling=None)
    file, zones = files([beside], mission(return_path=True))
    assert run(file, zones).exit_code == 0
    assert run(file, zones, "--home-amsl", "20").exit_code == 0
    assert run(file, zones, "--home-amsl", "20", "--speed", "16").exit_code == 1
    assert run(file, zones, "--home-amsl", "20", "--corridor", "45").exit_code == 1
    assert run(file, zones, "--speed", "16").exit_code == 0


def test_a_permit_and_a_time_lift_a_zone(files):
    kept = replace(BETWEEN, kind=ZoneKind.RESTRICTED, permit="P-9", area=circle("x", FAR, 50).area)
    file, zones = files([kept], mission(return_path=True))
    assert run(file, zones).exit_code == 1
    assert run(file, zones, "--permit", "P-9").exit_code == 0


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"file": "none.plan"}, "No such file"),
        ({"zones": "none.json"}, "No such file"),
        ({"profile": "mars"}, "mars"),
        ({"depart_at": "noon"}, "not an ISO time"),
        ({"depart_at": "2026-06-01T12:00"}, "no time zone"),
        ({"ground_amsl_m": float("nan")}, "ground_amsl_m"),
    ],
)
def test_what_cannot_be_understood_is_status_four(files, tmp_path, more, words):
    file, zones = files([BETWEEN], mission(return_path=True))
    asked = Asked(file=file, zones=zones)
    more = {k: tmp_path / v if k in {"file", "zones"} else v for k, v in more.items()}
    with pytest.raises(CliError, match=words) as caught:
        judge(replace(asked, **more))
    assert caught.value.status == 4
    assert caught.value.next_step


def test_times_without_an_offset_are_read_in_the_zone_named(files, tmp_path):
    """Closed from 10 to 12 where it lies: 7 to 9 UTC in a Finnish summer."""
    file, _ = files([BETWEEN], mission(return_path=True))
    period = {
        "permanent": "NO",
        "startDateTime": "2026-06-01T10:00:00",
        "endDateTime": "2026-06-01T12:00:00",
    }
    beside = at(300.0, 0.0)
    center = [beside.lon_deg, beside.lat_deg]
    circle_ = {"type": "Circle", "center": center, "radius": 60}
    zone = item(
        restriction="PROHIBITED",
        applicability=[period],
        geometry=[volume(horizontalProjection=circle_)],
    )
    zones = tmp_path / "ed269.json"
    zones.write_text(text(zone))
    with pytest.raises(CliError) as caught:
        judge(Asked(file=file, zones=zones))
    assert {fault.field.rpartition(".")[2] for fault in caught.value.faults} == {
        "startDateTime", "endDateTime",
    }  # fmt: skip
    there = ("--ground", "10", "--timezone", "Europe/Helsinki", "--at")
    assert run(file, zones, *there, "2026-06-01T08:00+00:00").exit_code == 1
    assert run(file, zones, *there, "2026-06-01T11:00+00:00").exit_code == 0
    asked = Asked(file=file, zones=zones, timezone="Mars")
    with pytest.raises(CliError) as caught:
        judge(asked)
    assert "--timezone" in caught.value.next_step


def test_a_broken_mission_or_zone_names_the_place(files, tmp_path):
    file, zones = files([BETWEEN], mission(return_path=True))
    broken = tmp_path / "broken.waypoints"
    broken.write_text("QGC WPL 110\n0\t1\n")
    with pytest.raises(CliError, match="line 2"):
        judge(Asked(file=broken, zones=zones))
    body = json.loads(zones.read_text())
    body["features"][0]["properties"]["kind"] = "soft"
    zones.write_text(json.dumps(body))
    with pytest.raises(CliError) as caught:
        judge(Asked(file=file, zones=zones))
    assert "Z-1" in str(caught.value.faults[0])


def test_violations_are_told_once_a_leg_and_zone(files):
    file, zones = files([BETWEEN], mission(return_path=False))
    found = judge(Asked(file=file, zones=zones, ground_amsl_m=10.0)).verdict.violations
    told = told_once(found)
    keys = [(v.index, v.label, v.zone_id) for v in told]
    assert len(set(keys)) == len(keys) < len(found)
    assert max(v.depth_m for v in told) == max(v.depth_m for v in found)


def test_the_picture_shows_path_zones_and_violations(files, tmp_path):
    zones = [
        BETWEEN,
        circle("A-1", at(100.0, 500.0), 80.0, kind=ZoneKind.ADVISORY, floor=None, ceiling=None),
        circle("R-1", at(700.0, 300.0), 120.0, kind=ZoneKind.RESTRICTED, ceiling=None),
        box("K-1", (-200.0, -200.0), (900.0, 900.0), kind=ZoneKind.KEEP_IN, floor=None),
        circle("far", at(30_000.0, 0.0), 100.0),
    ]
    file, zone_file = files(zones, mission(return_path=False))
    png = tmp_path / "out.png"
    told = run(file, zone_file, "--png", str(png))
    assert told.exit_code == 1, told.output
    picture = Image.open(png).convert("RGB")
    assert picture.size == (1600, 1080)
    colors = {color for _, color in picture.getcolors(maxcolors=2_000_000)}
    for wanted in ((20, 70, 160), (200, 16, 40), (206, 44, 60), (216, 128, 8), (36, 140, 84)):
        # thin lines are smoothed
        assert any(max(map(abs, map(int.__sub__, c, wanted))) <= 24 for c in colors), wanted
    missing = tmp_path / "none" / "out.png"
    answer = run(file, zone_file, "--png", str(missing))
    assert isinstance(answer.exception, CliError)
    assert answer.exception.status == 4


def test_the_canvas_fills_areas_with_holes_and_points_arrows(tmp_path):
    canvas = Canvas(60, 60, (255, 255, 255))
    hole = shapely.box(20, 20, 40, 40)
    canvas.area(shapely.box(10, 10, 50, 50).difference(hole), (0, 0, 0), 1.0)
    canvas.line([(0, 55), (60, 55)], (255, 0, 0), 3.0, dash=(10.0, 10.0))
    canvas.save(tmp_path / "c.png")
    picture = Image.open(tmp_path / "c.png").convert("RGB")
    assert picture.getpixel((15, 15)) == (0, 0, 0)
    assert picture.getpixel((30, 30)) == (255, 255, 255)
    assert picture.getpixel((5, 5)) == (255, 255, 255)
    assert picture.getpixel((5, 55)) == (255, 0, 0)
    assert picture.getpixel((15, 55)) == (255, 255, 255)
    assert arrow_head((10.0, 10.0), 0.0, 5.0)[0] == (15.0, 10.0)
    assert " ".join(canvas.wrapped("one two three four", 14, 60)) == "one two three four"
    assert len(canvas.wrapped("one two three four", 14, 60)) > 1
