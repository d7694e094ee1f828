"""Figures for Prometheus, counted afresh at every scrape.

Owns the names of the metrics. Must not keep state: the desk is the only truth.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from controller.domain.model import ParcelState
from vehicles.port import LinkState

if TYPE_CHECKING:
    from controller.api.context import Context

CONTENT_TYPE = CONTENT_TYPE_LATEST


class DeskCollector(Collector):
    """The desk as gauges."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """One family a question that an operator asks."""
        desk = self._ctx.desk
        states = Counter(p.state for p in desk.parcels())
        parcels = GaugeMetricFamily("waypost_parcels", "Parcels by state", labels=["state"])
        for state in ParcelState:
            parcels.add_metric([state.value], states[state])
        yield parcels
        links = Counter(v.telemetry.link for v in desk.vehicles())
        vehicles = GaugeMetricFamily("waypost_vehicles", "Vehicles by link state", labels=["link"])
        for link in LinkState:
            vehicles.add_metric([link.value], links[link])
        yield vehicles
        battery = GaugeMetricFamily(
            "waypost_vehicle_battery_percent", "Battery by vehicle", labels=["vehicle"]
        )
        for view in desk.vehicles():
            if view.telemetry.battery_pct is not None:
                battery.add_metric([view.vehicle_id], view.telemetry.battery_pct)
        yield battery
        yield GaugeMetricFamily(
            "waypost_alarms_standing", "Alarms that stand", value=len(desk.alarms())
        )
        yield GaugeMetricFamily(
            "waypost_held", "1 while dispatch is frozen", value=float(desk.held is not None)
        )
        yield GaugeMetricFamily(
            "waypost_streams", "Open live streams", value=float(self._ctx.streams)
        )


def exposition(ctx: Context) -> bytes:
    """The text that Prometheus reads."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(DeskCollector(ctx))
    own = generate_latest(ctx.figures) if ctx.figures is not None else b""
    return generate_latest(registry) + own
