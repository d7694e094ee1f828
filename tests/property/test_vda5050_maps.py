"""Maps: both ways agree below a millimetre over kilometres; fits find what was laid down."""

from __future__ import annotations

import math
import re

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from pyproj import Transformer

from geofence.frames import LatLon, geodesic_m
from vehicles.vda5050.maps import SiteMap
from vehicles.vda5050.survey import RigidTransform, Surveyed, SurveyError, fit_rigid

LATS = st.floats(-80.0, 80.0)
LONS = st.floats(-180.0, 179.999)
SPANS = st.floats(-5_000.0, 5_000.0)
TURNS = st.floats(-math.pi, math.pi)


@st.composite
def maps(draw: st.DrawFn) -> SiteMap:
    frame = RigidTransform(draw(TURNS), draw(SPANS), draw(SPANS))
    return SiteMap(
        "site",
        LatLon(draw(LATS), draw(LONS)),
        draw(st.floats(-100.0, 3_000.0)),
        draw(st.floats(-360.0, 360.0)),
        frame,
    )


@given(maps(), SPANS, SPANS)
def test_metres_to_degrees_and_back_agree_below_a_millimetre(
    site: SiteMap, x: float, y: float
) -> None:
    place = site.to_latlon(*site.frame.forward(x, y))
    back = site.frame.backward(*site.to_map(place))
    assert math.dist(back, (x, y)) < 1e-3


@given(maps(), st.floats(0.0, 360.0), st.floats(0.0, 6_000.0))
def test_degrees_to_metres_and_back_agree_below_a_millimetre(
    site: SiteMap, azimuth: float, far_m: float
) -> None:
    turn = math.radians(azimuth)
    near = SiteMap("plain", site.origin).to_latlon(far_m * math.sin(turn), far_m * math.cos(turn))
    again = site.to_latlon(*site.to_map(near))
    assert geodesic_m(near, again) < 1e-3


@given(LATS, LONS, st.floats(-100.0, 3_000.0), SPANS, SPANS)
def test_the_plane_is_the_one_that_proj_lays(
    lat: float, lon: float, alt: float, x: float, y: float
) -> None:
    site = SiteMap("site", LatLon(lat, lon), alt)
    place = site.to_latlon(x, y)
    pipeline = (
        "+proj=pipeline +step +proj=cart +ellps=WGS84 "
        f"+step +proj=topocentric +ellps=WGS84 +lat_0={lat!r} +lon_0={lon!r} +h_0={alt!r}"
    )
    proj = Transformer.from_pipeline(pipeline)
    east, north, _ = proj.transform(place.lon_deg, place.lat_deg, alt)
    assert math.dist((east, north), (x, y)) < 1e-3


@given(TURNS, SPANS, SPANS, st.lists(st.tuples(SPANS, SPANS), min_size=3, max_size=8))
def test_a_fit_finds_the_frame_that_was_laid_down(
    turn: float, dx: float, dy: float, places: list[tuple[float, float]]
) -> None:
    laid = RigidTransform(turn, dx, dy)
    points = [Surveyed(f"p{i}", spot, laid.forward(*spot)) for i, spot in enumerate(places)]
    try:
        fit = fit_rigid(points)
    except SurveyError as error:
        refused = error.reason
    else:
        refused = ""
    if refused:
        assert re.search("on a line|different places", refused)
        return
    assert fit.worst.off_m < 1e-6
    assert fit.scale == pytest.approx(1.0)
    for probe in ((0.0, 0.0), (5_000.0, -5_000.0)):
        assert math.dist(fit.transform.forward(*probe), laid.forward(*probe)) < 1e-2
        assert math.dist(laid.backward(*laid.forward(*probe)), probe) < 1e-6


@given(TURNS, st.lists(st.tuples(SPANS, SPANS), min_size=3, max_size=8))
def test_a_mirrored_frame_is_never_fitted(turn: float, places: list[tuple[float, float]]) -> None:
    laid = RigidTransform(turn, 10.0, -20.0)
    mirrored = [Surveyed(f"p{i}", (x, y), laid.forward(x, -y)) for i, (x, y) in enumerate(places)]
    spread = max(math.dist(a.site, b.site) for a in mirrored for b in mirrored)
    assume(spread > 20.0)
    with pytest.raises(SurveyError):
        fit_rigid(mirrored)


@given(
    TURNS,
    st.lists(st.tuples(st.floats(-0.05, 0.05), st.floats(-0.05, 0.05)), min_size=4, max_size=4),
)
def test_residuals_are_no_worse_than_the_survey(
    turn: float, noise: list[tuple[float, float]]
) -> None:
    laid = RigidTransform(turn, 100.0, 7.0)
    square = ((0.0, 0.0), (40.0, 0.0), (40.0, 30.0), (0.0, 30.0))
    points = []
    for i, (spot, (nx, ny)) in enumerate(zip(square, noise, strict=True)):
        x, y = laid.forward(*spot)
        points.append(Surveyed(f"p{i}", spot, (x + nx, y + ny)))
    fit = fit_rigid(points)
    worst = max(math.hypot(*n) for n in noise)
    assert fit.rms_m <= worst + 1e-9
    assert abs(math.fsum(r.x_m for r in fit.residuals)) < 1e-9
    assert abs(math.fsum(r.y_m for r in fit.residuals)) < 1e-9
