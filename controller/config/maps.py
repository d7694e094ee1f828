"""The maps that robots' coordinates are told in, and how robots of one type lie on them.

Owns the sections and what they make. A site has one map; a type of robot that mapped it by itself
has a frame of its own, fitted from surveyed points.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

from pydantic import Field, model_validator

from controller.config.kinds import Finite, Ident, Latitude, Longitude, Positive, Section
from controller.config.vehicles import MqttConfig, RobotConfig
from geofence.frames import LatLon
from vehicles.vda5050.maps import SiteMap
from vehicles.vda5050.survey import (
    DEFAULT_LIMIT_M,
    LEAST_POINTS,
    Fit,
    Surveyed,
    SurveyError,
    fit_rigid,
)


class MapConfig(Section):
    """One map: a plane in metres at its origin, y towards `heading_deg`. `id` is its mapId."""

    id: Ident
    sites: tuple[Ident, ...] = ()
    """Robots that are based at these are on this map, unless they say another."""
    lat0: Latitude
    lon0: Longitude
    alt0: Finite = 0.0
    heading_deg: Finite = 0.0
    version: Annotated[str, Field(max_length=128)] = ""
    """The mapVersion that robots must have enabled; empty: whatever they have."""

    def site_map(self) -> SiteMap:
        """The map itself, before any robot's frame."""
        origin = LatLon(self.lat0, self.lon0)
        return SiteMap(self.id, origin, self.alt0, self.heading_deg, version=self.version)


class SurveyedConfig(Section):
    """A place measured on the earth and on the robot's map."""

    name: Annotated[str, Field(min_length=1, max_length=64)]
    lat_deg: Latitude
    lon_deg: Longitude
    x: Finite
    y: Finite


class AlignmentConfig(Section):
    """How the map of one type of robot lies on a site's map."""

    name: Ident
    map: Ident
    robot_map_id: str = ""
    """What these robots call the map; empty: as the site does."""
    robot_map_version: Annotated[str, Field(max_length=128)] = ""
    """Of their map; empty: the site's where they call it so too, or else any."""
    limit_m: Positive = DEFAULT_LIMIT_M
    """Farthest that a point may be from where the fit puts it."""
    points: Annotated[tuple[SurveyedConfig, ...], Field(min_length=LEAST_POINTS, max_length=1000)]


def fit_of(alignment: AlignmentConfig, site: MapConfig) -> Fit:
    """The fit of an alignment's points on its map. Raises SurveyError."""
    plain = site.site_map()
    return fit_rigid(
        [
            Surveyed(p.name, plain.to_site(LatLon(p.lat_deg, p.lon_deg)), (p.x, p.y))
            for p in alignment.points
        ],
        alignment.limit_m,
    )


class MapBook(Section):
    """Every map and alignment of a configuration, checked against each other."""

    maps: tuple[MapConfig, ...] = ()
    alignments: tuple[AlignmentConfig, ...] = ()

    @model_validator(mode="after")
    def _refer(self) -> MapBook:
        _once("maps", "id", (m.id for m in self.maps))
        _once("alignments", "name", (a.name for a in self.alignments))
        _once("maps", "sites", (s for m in self.maps for s in m.sites))
        for alignment in self.alignments:
            where = f"alignments.{alignment.name}"
            if self._map(alignment.map) is None:
                raise ValueError(f"{where}.map: {alignment.map!r} is none of [[maps]]: add it")
            try:
                self.fit(alignment)
            except SurveyError as error:
                raise ValueError(f"{where}.points: {error.reason}") from error
        return self

    def fit(self, alignment: AlignmentConfig) -> Fit:
        """The fit of one of its alignments. Raises SurveyError."""
        site = self._map(alignment.map)
        if site is None:
            raise SurveyError(f"{alignment.map!r} is none of [[maps]]: add it")
        return fit_of(alignment, site)

    def check_robots(self, robots: Iterable[RobotConfig], sites: Iterable[str]) -> None:
        """Raise ValueError where a robot names what is not there, or two that do not agree."""
        known = set(sites)
        for each in self.maps:
            for site in each.sites:
                if site not in known:
                    raise ValueError(f"maps.{each.id}.sites: {site!r} is not a site")
        for robot in robots:
            site_map = self._of(robot)
            if robot.map and site_map is None:
                raise ValueError(f"robot {robot.id}: map {robot.map!r} is none of [[maps]]")
            if not robot.alignment:
                continue
            alignment = self._alignment(robot.alignment)
            if alignment is None:
                raise ValueError(
                    f"robot {robot.id}: alignment {robot.alignment!r} is none of [[alignments]]"
                )
            if site_map is None or alignment.map != site_map.id:
                raise ValueError(
                    f"robot {robot.id}: alignment {robot.alignment!r} is for map "
                    f"{alignment.map!r}, and the robot is on "
                    f"{repr(site_map.id) if site_map else 'the map of [mqtt]'}"
                )

    def site_map(self, robot: RobotConfig) -> SiteMap | None:
        """The map that a robot is told places in; None: that of [mqtt]. Raises SurveyError."""
        found = self._of(robot)
        if found is None:
            return None
        plain = found.site_map()
        alignment = self._alignment(robot.alignment)
        if alignment is None:
            return plain
        fit = fit_of(alignment, found)
        return SiteMap(
            alignment.robot_map_id or plain.map_id,
            plain.origin,
            plain.alt_m,
            plain.heading_deg,
            fit.transform,
            fit.worst.off_m,
            alignment.robot_map_version or ("" if alignment.robot_map_id else plain.version),
        )

    def _of(self, robot: RobotConfig) -> MapConfig | None:
        if robot.map:
            return self._map(robot.map)
        return next((m for m in self.maps if robot.base in m.sites), None)

    def _map(self, ident: str) -> MapConfig | None:
        return next((m for m in self.maps if m.id == ident), None)

    def _alignment(self, name: str) -> AlignmentConfig | None:
        return next((a for a in self.alignments if a.name == name), None)


def fleet_map(mqtt: MqttConfig) -> SiteMap:
    """The map of robots for which [[maps]] has none."""
    origin = LatLon(mqtt.map_lat0, mqtt.map_lon0)
    return SiteMap(mqtt.map_id, origin, mqtt.map_alt0, mqtt.map_heading_deg)


def _once(section: str, key: str, values: Iterable[str]) -> None:
    seen: set[str] = set()
    for value in values:
        if value in seen:
            raise ValueError(f"{section}: {key} {value!r} stands twice")
        seen.add(value)
