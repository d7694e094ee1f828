"""The command line against a real HTTP server over a desk in memory."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from controller.__main__ import main
from controller.cli import main as cli
from controller.cli.client import CliError
from controller.delivery.views import DoorView
from controller.dispatch.model import Candidate, Explanation, Ineligible
from controller.domain.model import ParcelState
from geofence.frames import LatLon
from tests.support.clock import START
from tests.support.desk import FakeDesk, alarm, vehicle_view
from tests.support.server import DeskServer

HEADER = "id,weight_kg,length_m,width_m,height_m,origin,destination_site,lat_deg,lon_deg,due_at"
GOOD = "P-1,1.2,0.3,0.2,0.1,hub-north,,60.17,24.93,2026-05-04T10:00:00Z"
BY_SITE = "P-2,1.2,0.3,0.2,0.1,hub-north,locker-1,,,2026-05-04T10:00:00Z"


@pytest.fixture
def server() -> Iterator[DeskServer]:
    with DeskServer() as running:
        running.call(lambda desk: desk.put_vehicle(vehicle_view("D-01", START, LatLon(60.2, 24.9))))
        yield running


def run(server: DeskServer | str, *arguments: str, stdin: str = "") -> tuple[int, str]:
    """Exit status, and everything told."""
    url = server if isinstance(server, str) else server.url
    result = CliRunner().invoke(cli.app, list(arguments), input=stdin, env={"WAYPOST_URL": url})
    if isinstance(result.exception, CliError):
        faults = "".join(f"\n{f}" for f in result.exception.faults)
        told = f"{result.output}{result.exception.text}{faults}\n{result.exception.next_step}"
        return result.exception.status, told
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.output


def csv_file(folder: Path, *rows: str, header: str = HEADER) -> str:
    file = folder / "parcels.csv"
    file.write_text("\n".join((header, *rows)) + "\n", encoding="utf-8")
    return str(file)


def test_a_parcel_is_submitted_shown_and_listed(server: DeskServer) -> None:
    body = {
        "id": "P-9",
        "weight_kg": 1,
        "size_m": [0.1, 0.1, 0.1],
        "origin": "hub-north",
        "destination": {"site": "locker-1"},
        "due_at": "2026-05-04T10:00:00Z",
    }
    status, told = run(server, "parcel", "submit", "-", "--json", stdin=json.dumps(body))
    assert status == 0
    assert json.loads(told)["id"] == "P-9"
    status, told = run(server, "parcel", "show", "P-9")
    assert status == 0
    assert "submitted" in told
    assert "held by site hub-north" in told
    status, told = run(server, "parcel", "list", "--json")
    assert [p["id"] for p in json.loads(told)] == ["P-9"]


def test_a_parcel_is_written_as_options(server: DeskServer) -> None:
    words = ["parcel", "submit", "--origin", "hub-north", "--weight", "1.2", "--due-in", "45m"]
    status, told = run(server, *words, "--to", "locker-1", "--id", "P-1", "--json")
    assert status == 0
    parcel = json.loads(told)
    assert parcel["id"] == "P-1"
    due, ready = (datetime.fromisoformat(parcel[f]) for f in ("due_at", "ready_at"))
    assert due - ready == timedelta(minutes=45)
    place = [*words, "--to", "60.17,24.95", "--address", "Quay 1", "--pin", "4711", "--json"]
    first, second = (json.loads(run(server, *place)[1]) for _ in range(2))
    assert first["handling"] == "pin"
    assert first["id"] != second["id"]


def test_a_hand_over_with_its_window_is_written_as_options(server: DeskServer) -> None:
    words = ["parcel", "submit", "--origin", "hub-north", "--weight", "1.2", "--to", "locker-1"]
    window = ["--earliest-in", "20m", "--latest-in", "50m", "--service", "90s", "--due-in", "2h"]
    status, told = run(server, *words, *window, "--handover", "locker", "--json")
    assert status == 0
    parcel = json.loads(told)
    assert (parcel["handover"], parcel["service_s"]) == ("locker", 90.0)
    opens, closes = (datetime.fromisoformat(parcel[f]) for f in ("earliest_at", "latest_at"))
    assert closes - opens == timedelta(minutes=30)


def test_a_customers_word_and_a_parcel_sent_again(server: DeskServer) -> None:
    words = ["parcel", "submit", "--origin", "hub-north", "--weight", "1.2", "--to", "locker-1"]
    assert run(server, *words, "--id", "P-1", "--pin", "4711")[0] == 0
    status, told = run(server, "parcel", "trigger", "P-1", "--pin", "4711")
    assert (status, "nobody waits" in told) == (1, True)

    def at_the_door(desk: FakeDesk) -> None:
        since = desk.clock.now()
        door = DoorView("pin", since, since + timedelta(minutes=5), 3)
        desk.put_state("P-1", ParcelState.IN_TRANSIT, door=door)

    server.call(at_the_door)
    status, told = run(server, "parcel", "trigger", "P-1", "--pin", "4711", "--json")
    assert (status, json.loads(told)["outcome"]) == (0, "done")
    assert "4711" not in told
    assert run(server, "parcel", "resend", "P-1")[0] == 1
    server.call(lambda d: d.put_state("P-1", ParcelState.RETURNED, door=None, resendable=True))
    status, told = run(server, "parcel", "resend", "P-1", "--reason", "home now")
    assert (status, told.strip()) == (0, "P-1: done")


@pytest.mark.parametrize(
    ("option", "value", "named"),
    [
        ("--due-in", "soon", "--due-in 'soon'"),
        ("--size", "0.3x0.2", "--size '0.3x0.2'"),
        ("--to", "60.17,east", "--to '60.17,east'"),
        ("--to", "nowhere", "nowhere"),
        ("--weight", "-1", "weight_kg"),
        ("--priority", "soon", "priority"),
        ("--handover", "roof", "handover"),
        ("--service", "long", "--service 'long'"),
        ("--latest-in", "soon", "--latest-in 'soon'"),
    ],
)
def test_a_bad_option_is_named_and_nothing_is_stored(
    server: DeskServer, option: str, value: str, named: str
) -> None:
    words = {"--origin": "hub-north", "--to": "locker-1", "--weight": "1", option: value}
    status, told = run(server, "parcel", "submit", *[w for pair in words.items() for w in pair])
    assert status == 4
    assert named in told
    assert json.loads(run(server, "parcel", "list", "--json")[1]) == []


def test_the_same_submission_twice_is_one(server: DeskServer, tmp_path: Path) -> None:
    file = csv_file(tmp_path, GOOD, BY_SITE)
    assert run(server, "import", "parcels", file)[0] == 0
    status, told = run(server, "import", file)
    assert status == 0
    assert "was imported before" in told
    assert len(server.call(lambda desk: desk.parcels())) == 2


@pytest.mark.parametrize(
    ("row", "fault"),
    [
        (GOOD.replace("1.2", "heavy"), "line 3: weight_kg: 'heavy' is not a number"),
        (GOOD.replace("1.2", "nan"), "line 3: weight_kg: 'nan' is not a number"),
        (GOOD.replace("1.2", ""), "line 3: weight_kg: is empty"),
        (GOOD.replace("0.3", "-1"), "line 3: length_m: "),
        (GOOD.replace("hub-north", "nowhere"), "line 3: origin: no site 'nowhere'"),
        (BY_SITE.replace("locker-1", "nowhere"), "line 3: destination_site: no site 'nowhere'"),
        (GOOD.replace("2026-05-04T10", "soon"), "line 3: due_at: "),
        (GOOD + ",more", "line 3: row: has more cells than the header"),
        (GOOD.replace("60.17", ""), "line 3: destination_site: give either site"),
    ],
)
def test_one_bad_row_and_nothing_is_imported(
    server: DeskServer, tmp_path: Path, row: str, fault: str
) -> None:
    good = GOOD.replace("P-1", "P-0")
    status, told = run(server, "import", "parcels", csv_file(tmp_path, good, row))
    assert status == 4
    assert fault in told
    assert server.call(lambda desk: desk.parcels()) == []


def test_every_bad_row_is_named(server: DeskServer, tmp_path: Path) -> None:
    rows = [GOOD.replace("1.2", "x"), GOOD, GOOD.replace("0.2", "y")]
    _, told = run(server, "import", "parcels", csv_file(tmp_path, *rows))
    assert "line 2: weight_kg" in told
    assert "line 4: width_m" in told


def test_an_unknown_column_is_named(server: DeskServer, tmp_path: Path) -> None:
    status, told = run(server, "import", csv_file(tmp_path, GOOD + ",1", header=HEADER + ",color"))
    assert status == 4
    assert "color: is not known" in told


def test_a_duplicate_names_its_line(server: DeskServer, tmp_path: Path) -> None:
    status, told = run(server, "import", csv_file(tmp_path, GOOD, BY_SITE.replace("P-2", "P-1")))
    assert status != 0
    assert "line 3: id" in told
    assert server.call(lambda desk: desk.parcels()) == []


def test_without_a_server_it_says_how_to_start_one() -> None:
    status, told = run("http://127.0.0.1:9", "vehicles")
    assert status == 3
    assert "waypost serve" in told


def test_write_off_and_its_outcome(server: DeskServer) -> None:
    status, told = run(server, "write-off", "D-01", "--removed", "--reason", "gone")
    assert (status, told.strip()) == (1, "D-01: write-off refused D-01 is heard")


def test_charging_and_failed_actions_of_a_robot(server: DeskServer) -> None:
    here = LatLon(60.2, 24.9)
    server.call(lambda desk: desk.put_vehicle(vehicle_view("R-01", START, here, robot=True)))
    robot = "R-01"
    assert run(server, "charge", robot)[1].strip() == f"{robot}: charge done"
    assert run(server, "charge", robot, "--end")[0] == 0
    assert [on for _, on, _, _ in server.call(lambda desk: desk.charged)] == [True, False]
    assert run(server, "retry", robot, "--skip", "--reason", "not there")[0] == 0
    assert server.call(lambda desk: desk.answered)[-1][1:] == (False, "cli", "not there")
    assert run(server, "charge", "D-01")[0] == run(server, "retry", "D-01")[0] == 1


def test_divert_and_its_outcome(server: DeskServer) -> None:
    status, told = run(server, "divert", "D-01", "60.21", "24.91", "--height", "60")
    assert status == 0
    assert "D-01: divert done" in told
    status, told = run(server, "divert", "D-01", "60.21", "24.91", "--height", "200")
    assert status == 1
    assert "divert refused alt_home_m" in told
    assert run(server, "divert", "D-01", "60.21", "24.91")[0] == 2


def test_hold_and_its_outcome(server: DeskServer) -> None:
    status, told = run(server, "hold", "D-01", "--reason", "crane ahead")
    assert status == 0
    assert "D-01: hold done" in told
    assert server.call(lambda desk: desk.commands)[-1][3] == "crane ahead"
    assert run(server, "hold", "D-77")[0] == 1
    assert run(server, "hold")[0] == 2
    assert run(server, "hold", "D-01", "--all")[0] == 2


def test_return_all_freezes_dispatch_and_resume_thaws_it(server: DeskServer) -> None:
    assert run(server, "return", "--all")[0] == 0
    assert server.call(lambda desk: desk.held) is not None
    assert run(server, "resume", "--all")[0] == 0
    assert server.call(lambda desk: desk.held) is None


def test_explain_names_every_vehicle(server: DeskServer, tmp_path: Path) -> None:
    run(server, "import", csv_file(tmp_path, GOOD))
    explanation = Explanation(
        parcel_id="P-1",
        at=START,
        chosen="D-01",
        sentence="D-01 takes it: nearest with enough battery",
        candidates=(Candidate("D-01", 12.0, START, {"time_s": 12.0}, 0.0),),
        refusals=(Ineligible("R-01", "range", "too far: 9 km", permanent=True),),
    )
    server.call(lambda desk: desk.explanations.update({"P-1": explanation}))
    status, told = run(server, "explain", "P-1")
    assert status == 0
    for words in ("nearest with enough", "chosen", "R-01", "never", "too far"):
        assert words in told


def test_vehicles_and_alarms_are_told(server: DeskServer) -> None:
    server.call(lambda desk: desk.put_alarm(alarm("A-1", START)))
    status, told = run(server, "vehicles", "--json")
    assert status == 0
    assert json.loads(told)[0]["id"] == "D-01"
    assert "D-03" in run(server, "alarms")[1]


def test_cancel_refused_is_exit_status_1(server: DeskServer, tmp_path: Path) -> None:
    run(server, "import", csv_file(tmp_path, GOOD))
    server.call(lambda desk: desk.put_state("P-1", ParcelState.IN_TRANSIT))
    status, told = run(server, "parcel", "cancel", "P-1")
    assert status == 1
    assert "it has left its origin" in told


def test_a_stranded_parcel_is_settled_and_only_such_a_one(
    server: DeskServer, tmp_path: Path
) -> None:
    run(server, "import", csv_file(tmp_path, GOOD))
    settle = ("parcel", "settle", "P-1", "--reason", "in the box", "--found")
    assert run(server, *settle, "aboard")[0] == 1
    server.call(lambda desk: desk.put_state("P-1", ParcelState.STRANDED))
    assert run(server, *settle, "lost")[0] == 2
    status, told = run(server, *settle, "aboard", "--json")
    assert status == 0
    assert json.loads(told)["outcome"] == "done"
    assert [s[:2] + s[3:] for s in server.desk.settled] == [("P-1", "aboard", "in the box")]
    assert run(server, "parcel", "settle", "P-1", "--found", "aboard")[0] == 2


ZONE: dict[str, Any] = {
    "type": "Feature",
    "properties": {"id": "z1", "name": "Yard", "kind": "no_fly"},
    "geometry": {
        "type": "Polygon",
        "coordinates": [[[24.9, 60.1], [24.91, 60.1], [24.91, 60.11], [24.9, 60.1]]],
    },
}


def test_zones_are_checked_imported_and_listed(server: DeskServer, tmp_path: Path) -> None:
    file = tmp_path / "zones.geojson"
    file.write_text(json.dumps({"type": "FeatureCollection", "features": [ZONE]}))
    assert run(server, "zones", "check", str(file))[0] == 0
    assert run(server, "zones", "import", str(file))[0] == 0
    status, told = run(server, "zones", "list")
    assert status == 0
    assert "Yard" in told


def test_two_zone_files_are_compared_without_a_controller(tmp_path: Path) -> None:
    old, new = tmp_path / "old.geojson", tmp_path / "new.geojson"
    other = {**ZONE, "id": "z2", "properties": {**ZONE["properties"], "id": "z2", "name": "Pier"}}
    renamed = {**ZONE, "properties": {**ZONE["properties"], "name": "Quay"}}
    old.write_text(json.dumps({"type": "FeatureCollection", "features": [ZONE]}))
    new.write_text(json.dumps({"type": "FeatureCollection", "features": [other, renamed]}))
    status, told = run("http://127.0.0.1:9", "zones", "diff", str(old), str(new), "--json")
    assert status == 0
    shown = json.loads(told)
    assert (shown["added"], shown["removed"]) == (["z2"], [])
    assert shown["changed"] == [{"id": "z1", "fields": ["name"]}]
    assert shown["old"] != shown["new"]
    status, told = run("http://127.0.0.1:9", "zones", "diff", str(new), str(old))
    assert status == 0
    assert "0 added, 1 removed, 1 changed" in told
    assert "Pier" in told
    status, told = run("http://127.0.0.1:9", "zones", "diff", str(old), str(old))
    assert "0 added, 0 removed, 0 changed" in told


def test_a_bad_zone_is_named_and_the_old_ones_stay(server: DeskServer, tmp_path: Path) -> None:
    file = tmp_path / "zones.geojson"
    bad = {**ZONE, "properties": {**ZONE["properties"], "kind": "lava"}}
    file.write_text(json.dumps({"type": "FeatureCollection", "features": [bad]}))
    before = server.call(lambda desk: desk.zone_set.version)
    status, told = run(server, "zones", "import", str(file))
    assert status == 4
    assert "z1" in told
    assert "kind" in told
    assert server.call(lambda desk: desk.zone_set.version) == before


OPEN_AIR = """AC P
AN Dam
AH 1000ft AGL
V X=60:10:00 N 024:50:00 E
DC 0.5
AC XYZ
AN Riddle
V X=60:10:00 N 024:55:00 E
DC 0.5
"""


def test_zones_of_other_formats_are_imported_and_riddles_forbidden(
    server: DeskServer, tmp_path: Path
) -> None:
    file = tmp_path / "airspace.txt"
    file.write_text(OPEN_AIR)
    before = server.call(lambda desk: desk.zone_set.version)
    status, told = run(server, "zones", "import", str(file))
    assert status == 4
    assert "Riddle" in told
    assert "--unknown forbid" in " ".join(told.split())
    assert server.call(lambda desk: desk.zone_set.version) == before
    status, told = run(server, "zones", "check", str(file), "--unknown", "forbid")
    assert status == 0
    assert "Riddle: not understood, taken as forbidden" in told
    status, told = run(server, "zones", "import", str(file), "--unknown", "forbid")
    assert status == 0
    kinds = server.call(lambda desk: {z.zone_id: str(z.kind) for z in desk.zone_set})
    assert kinds == {"Dam": "no_fly", "Riddle": "no_fly"}
    assert run(server, "zones", "check", str(file), "--format", "kml")[0] == 4
    assert run(server, "zones", "check", str(file), "--format", "aixm")[0] != 0


def test_help_loads_no_library_that_it_does_not_need() -> None:
    program = (
        "import sys\nfrom controller.__main__ import main\nsys.argv = ['waypost', '--help']\n"
        "try:\n    main()\nexcept SystemExit as end:\n    assert not end.code, end.code\n"
        "slow = {'numpy', 'shapely', 'pyproj', 'pydantic', 'fastapi', 'httpx', 'sqlalchemy',"
        " 'pymavlink', 'aiomqtt', 'PIL'}\n"
        "assert not slow & set(sys.modules), slow & set(sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "demo" in done.stdout


def test_an_error_as_json_names_what_to_do_next(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    url = "http://127.0.0.1:9"
    monkeypatch.setattr(sys, "argv", ["waypost", "vehicles", "--json", "--url", url])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 3
    assert "waypost serve" in json.loads(capsys.readouterr().out)["next"]


def test_threads_end_with_the_server(server: DeskServer) -> None:
    server.close()
    assert all(t.name != "desk-server" for t in threading.enumerate())


def test_times_without_an_offset_need_a_time_zone(server: DeskServer, tmp_path: Path) -> None:
    file = tmp_path / "zones.json"
    ring = [[24.90, 60.10], [24.95, 60.10], [24.95, 60.15], [24.90, 60.10]]
    zone = {
        "type": "Feature",
        "geometry": {"type": "Polygon", "coordinates": [ring]},
        "properties": {
            "identifier": "GATE1",
            "country": "FIN",
            "type": "PROHIBITED",
            "variant": "COMMON",
            "zoneAuthority": [{"purpose": "INFORMATION"}],
            "limitedApplicability": [
                {"schedule": [{"day": ["MON"], "startTime": "08:00", "endTime": "17:00"}]}
            ],
        },
    }
    file.write_text(json.dumps({"type": "FeatureCollection", "features": [zone]}))
    status, told = run(server, "zones", "check", str(file))
    assert status == 4
    assert "--timezone" in told
    named = ("--timezone", "Europe/Helsinki")
    assert run(server, "zones", "check", str(file), *named)[0] == 0
    assert run(server, "zones", "import", str(file), *named)[0] == 0
    status, told = run(server, "zones", "list", "--json")
    schedule = json.loads(told)["features"][0]["properties"]["schedule"]
    assert schedule["timezone"] == "Europe/Helsinki"
    assert run(server, "zones", "import", str(file), "--timezone", "Mars")[0] == 4


def test_permits_are_granted_listed_and_withdrawn(server: DeskServer, tmp_path: Path) -> None:
    feature = {
        "type": "Feature",
        "id": "z-tower",
        "geometry": {"type": "Point", "coordinates": [24.93, 60.18]},
        "properties": {"name": "T", "kind": "restricted", "permit": "tower", "radius_m": 100.0},
    }
    file = tmp_path / "zones.geojson"
    file.write_text(json.dumps({"type": "FeatureCollection", "features": [feature]}))
    assert run(server, "zones", "import", str(file))[0] == 0
    grant = ("zones", "permit", "grant")
    status, told = run(
        server, *grant, "tower", "--vehicle", "D-01", "--until", "2026-05-04T12:00:00Z", "--json"
    )
    assert status == 0
    made = json.loads(told)
    assert (made["permit"], made["vehicle"], made["zones"]) == ("tower", "D-01", ["z-tower"])
    status, told = run(server, *grant, "--zone", "z-tower", "--parcel", "P-1")
    assert status == 0
    assert "tower for parcel P-1, until withdrawn" in told
    status, told = run(server, "zones", "permit", "list", "--json")
    assert [p["id"] for p in json.loads(told)] == [made["id"], "permit-2"]
    status, told = run(server, "zones", "permit", "list")
    assert "D-01" in told
    status, told = run(server, "zones", "permit", "withdraw", made["id"], "--reason", "over")
    assert status == 0
    assert "is withdrawn" in told
    assert run(server, "zones", "permit", "withdraw", made["id"])[0] == 1
    for wrong in ((), ("tower", "--zone", "z-tower"), ("tower", "--until", "noon"), ("tour",)):
        status, told = run(server, *grant, *wrong)
        assert status == 4, told
