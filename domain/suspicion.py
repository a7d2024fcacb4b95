"""Whether a payment looks like one of a cloned or stolen card: signals, a score, what follows.

A stripe can be copied, and nothing in it tells. What tells is behaviour: where and how often an
account's cards are used. The signals are few and each is explained to whoever asks; their limits
and weights are data (`Watch`), changed by two operators and rehearsed before.
"""

import math
from collections.abc import Callable
from operator import attrgetter
from uuid import UUID

import msgspec

USES_KEPT = 8
"""Of an account; older ones say nothing any more."""
KEPT_US = 6 * 3600 * 1_000_000
_KM_PER_RADIAN = 6371.0088  # the mean radius of the earth (IUGG)
_SECOND_US = 1_000_000
NOTHING, STEP_UP, REFUSE = "nothing", "step-up", "refuse"


class Place(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A point on the earth in millionths of a degree (WGS 84): north and east are positive."""

    latitude_e6: int
    longitude_e6: int


class Use(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """An approved payment of an account, as far as later ones are compared with it.

    `kind` is the card's: `stripe` or `virtual`; `place` None where the shop's is not known.
    `amount_cents` 0: it was there, and its terminal took it back for want of an answer.
    """

    at_us: int
    shop_id: UUID
    kind: str
    amount_cents: int
    place: Place | None = None


class Watch(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The limits and weights in force. A signal of weight 0 is off.

    far: two uses so far apart that nobody travels so fast. parallel: two shops within moments.
    burst: many payments in a short time. round: small whole-dollar amounts, as cards are tried out.
    apart: the stripe is used while the phone, which its owner carries, paid elsewhere.
    The weights of the signals that show are added up: from `step_up_from` on a stripe needs its
    PIN, from `refuse_from` on nothing passes.
    """

    speed_kmh: int = 300
    far_km: int = 30
    far_weight: int = 80
    parallel_s: int = 20
    parallel_weight: int = 60
    burst_count: int = 8
    burst_s: int = 600
    burst_weight: int = 50
    round_count: int = 4
    round_most_cents: int = 500
    round_s: int = 3600
    round_weight: int = 30
    apart_km: int = 2
    apart_s: int = 900
    apart_weight: int = 70
    step_up_from: int = 50
    refuse_from: int = 120


DEFAULTS = Watch()


class Suspicion(msgspec.Struct, frozen=True, gc=False):
    """The score of a payment, what it is made of, and what it leads to."""

    score: int
    reasons: tuple[str, ...]
    action: str


NO_SUSPICION = Suspicion(0, (), NOTHING)


# Every payment asks all signals, so each is a loop in the open that looks at the cheapest first.


def far(watch: Watch, recent: tuple[Use, ...], now: Use) -> bool:
    """Whether an earlier use was too far away to have come from there."""
    here = now.place
    if here is None:
        return False
    for use in recent:
        if use.place is None or use.place == here:
            continue
        km = distance_km(use.place, here)
        hours = max(abs(now.at_us - use.at_us), _SECOND_US) / (3600 * _SECOND_US)
        if km >= watch.far_km and km > watch.speed_kmh * hours:
            return True
    return False


def parallel(watch: Watch, recent: tuple[Use, ...], now: Use) -> bool:
    """Whether another shop was paid a moment ago."""
    since_us, shop = now.at_us - watch.parallel_s * _SECOND_US, now.shop_id.int
    for use in recent:  # noqa: SIM110
        if use.at_us >= since_us and use.shop_id.int != shop:
            return True
    return False


def burst(watch: Watch, recent: tuple[Use, ...], now: Use) -> bool:
    """Whether this is one of too many payments in a short time."""
    left = watch.burst_count - 1
    if left > len(recent):
        return False
    since_us = now.at_us - watch.burst_s * _SECOND_US
    for use in recent:
        if use.at_us >= since_us and use.amount_cents > 0:
            left -= 1
    return left <= 0


def round_amounts(watch: Watch, recent: tuple[Use, ...], now: Use) -> bool:
    """Whether small whole-dollar amounts follow each other."""
    most = watch.round_most_cents
    if now.amount_cents % 100 or not 0 < now.amount_cents <= most:
        return False
    left, since_us = watch.round_count - 1, now.at_us - watch.round_s * _SECOND_US
    for use in recent:
        cents = use.amount_cents
        if 0 < cents <= most and not cents % 100 and use.at_us >= since_us:
            left -= 1
    return left <= 0


def apart(watch: Watch, recent: tuple[Use, ...], now: Use) -> bool:
    """Whether stripe and phone of the account are in two places at once."""
    here, kind = now.place, now.kind
    if here is None:
        return False
    since_us = now.at_us - watch.apart_s * _SECOND_US
    for use in recent:
        if (
            use.kind != kind
            and use.at_us >= since_us
            and use.place is not None
            and distance_km(use.place, here) >= watch.apart_km
        ):
            return True
    return False


_Signal = Callable[[Watch, tuple[Use, ...], Use], bool]
SIGNALS: dict[str, tuple[_Signal, Callable[[Watch], int]]] = {
    "far": (far, attrgetter("far_weight")),
    "parallel": (parallel, attrgetter("parallel_weight")),
    "burst": (burst, attrgetter("burst_weight")),
    "round": (round_amounts, attrgetter("round_weight")),
    "apart": (apart, attrgetter("apart_weight")),
}
_ASKED = tuple((name, shows, weight) for name, (shows, weight) in SIGNALS.items())
WORDS: dict[str, str] = {
    "far": "used too far away for the time between",
    "parallel": "two shops within moments",
    "burst": "many payments in a short time",
    "round": "small whole-dollar amounts one after the other",
    "apart": "stripe and phone in different places at once",
}
"""What a signal means, for people."""


def assess(watch: Watch, recent: tuple[Use, ...], now: Use) -> Suspicion:
    """What the account's recent uses say of this one. Nothing where there are none."""
    if not recent or now.at_us - recent[-1].at_us > KEPT_US:
        return NO_SUSPICION
    score = 0
    reasons: tuple[str, ...] = ()
    for name, shows, weight_of in _ASKED:
        weight = weight_of(watch)
        if weight and shows(watch, recent, now):
            score += weight
            reasons += (name,)
    if score < watch.step_up_from:
        return Suspicion(score, reasons, NOTHING) if score else NO_SUSPICION
    return Suspicion(score, reasons, REFUSE if score >= watch.refuse_from else STEP_UP)


def remembered(recent: tuple[Use, ...], use: Use) -> tuple[Use, ...]:
    """The uses to compare the next payment with."""
    if not recent:
        return (use,)
    since_us, kept = use.at_us - KEPT_US, recent[1 - USES_KEPT :]
    for each in kept:
        if each.at_us < since_us:
            return (*(each for each in kept if each.at_us >= since_us), use)
    return (*kept, use)


def unheard(recent: tuple[Use, ...], at_us: int) -> tuple[Use, ...]:
    """The uses after the terminal took the one of that time back, having heard no answer.

    Where the card was stays known; but who has to pay again, paid once.
    """
    return tuple(
        Use(use.at_us, use.shop_id, use.kind, 0, use.place) if use.at_us == at_us else use
        for use in recent
    )


def distance_km(one: Place, other: Place) -> float:
    """The great-circle distance by the haversine formula."""
    first, second = math.radians(one.latitude_e6 / 1e6), math.radians(other.latitude_e6 / 1e6)
    east = math.radians((other.longitude_e6 - one.longitude_e6) / 1e6)
    half = (
        math.sin((second - first) / 2) ** 2
        + math.cos(first) * math.cos(second) * math.sin(east / 2) ** 2
    )
    return 2 * _KM_PER_RADIAN * math.asin(math.sqrt(min(1.0, half)))
