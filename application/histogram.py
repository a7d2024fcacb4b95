"""Counts of values by size, so cheap that every authorization can be counted."""

from bisect import bisect_left
from collections.abc import Sequence

LATENCY_S = (
    0.0001,
    0.0002,
    0.0005,
    0.001,
    0.002,
    0.005,
    0.01,
    0.02,
    0.05,
    0.1,
    0.2,
    0.5,
    1.0,
    2.0,
    5.0,
)
"""Bounds for how long something took, in seconds."""


class Histogram:
    """`counts[n]` values were at most `bounds[n]`, and above the bound before; the last: above all.

    One thread adds. Others may read at any time; what they read may be a value apart.
    """

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = tuple(bounds)
        self.counts = [0] * (len(self.bounds) + 1)
        self.total = 0.0

    def add(self, value: float) -> None:
        """One more."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value
