"""Plain counts as metric families of Prometheus; made only when somebody asks.

Names are `ticketrestaurant_<what>_<unit>`. Labels have few values, and never a person, card,
terminal, shop or address.
"""

from collections.abc import Mapping
from typing import Protocol

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)


class Histogram(Protocol):
    """Values by size, as `application.histogram` counts them."""

    bounds: tuple[float, ...]
    counts: list[int]
    total: float


PREFIX = "ticketrestaurant_"


def gauge(name: str, text: str, value: float) -> Metric:
    """One value that goes up and down."""
    return GaugeMetricFamily(PREFIX + name, text, value=value)


def gauges(name: str, text: str, label: str, values: Mapping[str, float]) -> Metric:
    """Such a value for each of a few things."""
    family = GaugeMetricFamily(PREFIX + name, text, labels=[label])
    for key, value in sorted(values.items()):
        family.add_metric([key], value)
    return family


def counter(name: str, text: str, value: float) -> Metric:
    """A total since the process started; Prometheus adds `_total` to the name."""
    return CounterMetricFamily(PREFIX + name, text, value=value)


def counters(name: str, text: str, label: str, values: Mapping[str, float]) -> Metric:
    """Such a total for each of a few things."""
    family = CounterMetricFamily(PREFIX + name, text, labels=[label])
    for key, value in sorted(values.items()):
        family.add_metric([key], value)
    return family


def histogram(name: str, text: str, found: Histogram) -> Metric:
    """Values by size."""
    family = HistogramMetricFamily(PREFIX + name, text)
    counts, below = list(found.counts), 0
    buckets = []
    for bound, count in zip((*found.bounds, float("inf")), counts, strict=True):
        below += count
        buckets.append(("+Inf" if bound == float("inf") else str(bound), float(below)))
    family.add_metric([], buckets, sum_value=found.total)
    return family
