"""Logs and figures: structlog and Prometheus.

Owns how lines look and which figures exist. Must not decide what happens. The figures stand in
a registry of the caller's, so that two controllers in one process do not mix.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterable, Iterator
from typing import Literal

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector

from vehicles.port import VehicleAdapter


def configure_logging(*, form: Literal["console", "json"] = "console", level: str = "info") -> None:
    """Send structured lines to standard error, as JSON or for a terminal."""
    render: structlog.typing.Processor = (
        structlog.processors.JSONRenderer()
        if form == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            render,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(
            logging.getLevelNamesMapping()[level.upper()]
        ),
        logger_factory=structlog.PrintLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=False,
    )


class Figures(Collector):
    """The counters of one controller."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self.registry = registry or CollectorRegistry()
        self.parcels = Counter(
            "waypost_parcel_steps", "Parcel state changes", ["state"], registry=self.registry
        )
        self.commands = Counter(
            "waypost_commands",
            "Commands to vehicles by kind and outcome",
            ["kind", "outcome"],
            registry=self.registry,
        )
        self.events = Counter(
            "waypost_vehicle_events", "Events told by vehicles", ["kind"], registry=self.registry
        )
        self.alarms = Gauge("waypost_alarms", "Alarms that stand", registry=self.registry)
        self.dispatch_s = Histogram(
            "waypost_dispatch_seconds", "Wall time of one dispatch", registry=self.registry
        )
        self._adapters: tuple[VehicleAdapter, ...] = ()
        self.registry.register(self)
        self.commit_s = Histogram(
            "waypost_commit_seconds", "Wall time of one batched commit", registry=self.registry
        )

    def watch(self, adapters: Iterable[VehicleAdapter]) -> None:
        """Show what these lose on their links, read afresh at every scrape."""
        self._adapters = tuple(adapters)

    def collect(self) -> Iterator[CounterMetricFamily]:
        """The losses, as a collector of the registry."""
        family = CounterMetricFamily(
            "waypost_link_losses", "What links refused or could not send", labels=["what", "where"]
        )
        for adapter in self._adapters:
            for loss in adapter.losses():
                family.add_metric([loss.what, loss.where], loss.value)
        yield family
