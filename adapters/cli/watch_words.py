"""The rules that watch for cloned cards as people read them, and what changes in them."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from domain.answers import dollars

WORDS: Final = {
    "speed_kmh": "nobody travels faster than, km/h",
    "far_km": "nearer than this nothing is far, km",
    "far_weight": "score of a use that is too far away",
    "parallel_s": "two shops within, seconds",
    "parallel_weight": "score of two shops at once",
    "burst_count": "payments in a burst",
    "burst_s": "a burst comes within, seconds",
    "burst_weight": "score of a burst",
    "round_count": "whole-dollar amounts in a row",
    "round_most_cents": "each of them at most",
    "round_s": "they come within, seconds",
    "round_weight": "score of whole-dollar amounts",
    "apart_km": "stripe and phone apart, km",
    "apart_s": "both used within, seconds",
    "apart_weight": "score of stripe and phone apart",
    "step_up_from": "a stripe needs its PIN from score",
    "refuse_from": "nothing passes from score",
}
"""In the order in which they are shown."""


def said(name: str, value: Any) -> str:
    """A rule's value: money in dollars, else with its thousands."""
    if type(value) is not int:
        return "not given"
    return dollars(value) if name.endswith("_cents") else f"{value:,}"


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[str]:
    """What `after` changes, a line each: "payments in a burst: 8 → 5"."""
    names = [name for name in WORDS if before.get(name) != after.get(name)]
    if not names:
        yield "these rules are in force already: nothing changes"
    for name in names:
        yield f"{WORDS[name]}: {said(name, before.get(name))} → {said(name, after.get(name))}"
