"""A short run of the broken files: `python -m tests.fuzz.zone_files` is the long one."""

from __future__ import annotations

import json
import sys

import pytest

from tests.fuzz import zone_files
from tests.fuzz.zone_files import Sample, held_by, judge, places_of, samples


def test_every_sample_is_read_whole_as_it_is() -> None:
    for sample in samples():
        assert judge(sample, sample.data, form=sample.form, unknown="refuse") == "read"


def test_broken_files_are_refused_or_read_whole(capsys, monkeypatch) -> None:
    monkeypatch.setattr(sys, "argv", ["zone_files", "--inputs", "400", "--seed", "7"])
    assert zone_files.main() == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["inputs"], report["wrong"]) == (400, 0)
    assert set(report["by_format"]) == {"geojson", "ed269", "ed318", "openair", "kml"}


@pytest.mark.parametrize("form", ["geojson", "ed318", "openair", "kml"])
def test_a_reader_that_drops_something_would_be_found(form, monkeypatch) -> None:
    sample: Sample = next(s for s in samples() if s.form == form)
    whole = zone_files.read_any
    monkeypatch.setattr(zone_files, "read_any", lambda *a, **k: whole(*a, **k)[1:])
    assert "areas in the file" in judge(sample, sample.data, form=form, unknown="refuse")
    zones = whole(sample.data, form=form)
    held = held_by(sample.data, form)
    assert held.places is None or held.places == places_of(zones)
