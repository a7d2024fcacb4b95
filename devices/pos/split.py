"""One bill over several cards: all shares are approved, or all are taken back.

Each share is a payment of its own that names the bill. Until the last one is approved, every
approved share is still on disk as one to be reversed; one single write makes them all stand. So
wherever the power fails, the next run of the POS reverses what was not complete.
"""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID

from devices.magstripe import read_stripe
from devices.money import MAX_AMOUNT_CENTS, AmountError, show_amount
from devices.pos.core import Pos
from devices.pos.payment import Outcome, Terms, check_pin, in_words

SHARES_MOST = 20
_WHY = "split-incomplete"


@dataclass(frozen=True, slots=True)
class Share:
    """What one card pays. `drop_answer`: as if its decision had been lost (a simulation)."""

    amount_cents: int
    track: str = field(repr=False)
    pin: str = field(default="", repr=False)
    drop_answer: bool = False


@dataclass(frozen=True, slots=True)
class Split:
    """How the bill ended: the shares that were asked for, the last one refused unless `approved`.

    `reversals` says of each counter how its taking back ended: `reversed`, `nothing-to-reverse`,
    or `pending` where it is still being asked for.
    """

    group: UUID
    approved: bool
    amount_cents: int
    outcomes: tuple[Outcome, ...]
    reversals: dict[int, str]


async def split(pos: Pos, shares: Sequence[Share], *, timeout_s: float = 10.0) -> Split:
    """Asks for one share after the other; at the first that is not approved, takes all back.

    Raises AmountError, PinError and StripeError before the first card is asked for anything.
    """
    if not 2 <= len(shares) <= SHARES_MOST:
        raise AmountError(f"a bill is split into 2 to {SHARES_MOST} shares")
    for share in shares:
        if not 1 <= share.amount_cents <= MAX_AMOUNT_CENTS:
            raise AmountError("the amount of a share is out of range")
        check_pin(share.pin)
        read_stripe(share.track)  # before the first card pays, not when this one's turn comes
    terms = Terms(group=uuid.uuid4())
    outcomes: list[Outcome] = []
    try:
        for share in shares:
            outcome = await pos.sale(
                share.amount_cents,
                share.track,
                share.pin,
                terms=terms,
                drop_answer=share.drop_answer,
            )
            outcomes.append(outcome)
            if not outcome.approved:
                break
        else:
            pos.reversals.keep([outcome.counter for outcome in outcomes])
            return _ended(terms, True, shares, outcomes, {})
    except BaseException:
        _take_back(pos, outcomes)
        raise
    _take_back(pos, outcomes)
    back = [each.counter for each in outcomes if each.approved or each.reversal]
    ended = {counter: await pos.reversals.acknowledged(counter, timeout_s) for counter in back}
    return _ended(terms, False, shares, outcomes, ended)


def _take_back(pos: Pos, outcomes: Sequence[Outcome]) -> None:
    for outcome in outcomes:
        if outcome.approved:
            pos.reversals.unheard(outcome.counter, _WHY)


def _ended(
    terms: Terms,
    approved: bool,
    shares: Sequence[Share],
    outcomes: Sequence[Outcome],
    reversals: dict[int, str],
) -> Split:
    assert terms.group is not None
    total = sum(share.amount_cents for share in shares)
    return Split(terms.group, approved, total, tuple(outcomes), reversals)


def split_in_words(ended: Split) -> list[str]:
    """What a cashier reads: a line a share, then what holds for all."""
    lines = [f"share {n}: {in_words(each)}" for n, each in enumerate(ended.outcomes, 1)]
    total = show_amount(ended.amount_cents)
    if ended.approved:
        return [*lines, f"APPROVED {total} on {len(ended.outcomes)} cards"]
    waiting = sum(state == "pending" for state in ended.reversals.values())
    said = "every share was taken back"
    if waiting:
        said = f"{waiting} of the shares will be taken back as soon as the connection allows"
    return [*lines, f"NOT PAID {total}: {said}"]
