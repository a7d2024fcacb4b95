"""An alert: payments of an account looked like those of a cloned or stolen card.

One for an account and a day, in the account's partition. The cardholder is asked whether it was
them; an operator closes it.
"""

from uuid import UUID

import msgspec
from msgspec.structs import replace

from domain.event import Context, Event, no_such_event, stamp, stored_as
from domain.ids import derived_id, partition_of
from domain.suspicion import Suspicion

OPEN, CLOSED = "open", "closed"
UNASKED, MINE, NOT_MINE = "", "mine", "not-mine"
VERDICTS = ("harmless", "fraud")
_DAY_MS = 24 * 3600 * 1000


@stored_as("alert.raised/1")
class AlertRaised(Event, frozen=True, kw_only=True, gc=False):
    """A payment was suspicious. `action` is what came of it: `step-up` (the PIN was wanted) or
    `refuse`; `watch_version` names the rules, 0 the first ones. Later payments of the day follow in
    the same stream."""

    account_id: UUID
    card_id: UUID
    kind: str
    shop_id: UUID
    terminal_id: UUID
    transaction_id: UUID
    amount_cents: int
    score: int
    reasons: tuple[str, ...]
    action: str
    watch_version: int


@stored_as("alert.answered/1")
class AlertAnswered(Event, frozen=True, kw_only=True, gc=False):
    """The cardholder says whether these payments are theirs."""

    mine: bool


@stored_as("alert.closed/1")
class AlertClosed(Event, frozen=True, kw_only=True, gc=False):
    """An operator's verdict: `harmless` or `fraud`."""

    verdict: str
    why: str


class Alert(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The alert as its events made it. `times` it was raised; `score` is the highest. The card is
    that of the latest payment, `stripes` are all the stripes that it was raised over."""

    id: UUID
    version: int
    account_id: UUID
    card_id: UUID
    kind: str
    shop_id: UUID
    transaction_id: UUID
    amount_cents: int
    raised_us: int
    times: int
    score: int
    reasons: tuple[str, ...]
    action: str
    answer: str = UNASKED
    status: str = OPEN
    verdict: str = ""
    stripes: tuple[UUID, ...] = ()


def alert_id(account_id: UUID, at_us: int) -> UUID:
    """Of an account's alert of a day (UTC)."""
    day_ms = at_us // 1000 // _DAY_MS * _DAY_MS
    return derived_id("alert", account_id, day_ms, partition_of(account_id))


def evolve(alert: Alert | None, event: Event) -> Alert:
    """The alert after `event`."""
    match event:
        case AlertRaised():
            return _raised(alert, event)
        case AlertAnswered() if alert is not None:
            said = MINE if event.mine else NOT_MINE
            return replace(alert, version=event.originator_version, answer=said)
        case AlertClosed() if alert is not None:
            return replace(
                alert, version=event.originator_version, status=CLOSED, verdict=event.verdict
            )
        case _:
            raise no_such_event("alert", event)


def _raised(alert: Alert | None, event: AlertRaised) -> Alert:
    """A closed one is open again: what was judged did not know of this payment."""
    before = alert.reasons if alert is not None else ()
    stripes = alert.stripes if alert is not None else ()
    if event.kind == "stripe" and event.card_id not in stripes:
        stripes = (*stripes, event.card_id)
    return Alert(
        id=event.originator_id,
        version=event.originator_version,
        account_id=event.account_id,
        card_id=event.card_id,
        kind=event.kind,
        shop_id=event.shop_id,
        transaction_id=event.transaction_id,
        amount_cents=event.amount_cents,
        raised_us=event.recorded_at_us,
        times=alert.times + 1 if alert is not None else 1,
        score=max(event.score, alert.score if alert is not None else 0),
        reasons=(*before, *(each for each in event.reasons if each not in before)),
        action=event.action,
        answer=UNASKED,
        stripes=stripes,
    )


def raise_(
    context: Context,
    before: Alert | None,
    *,
    account_id: UUID,
    card_id: UUID,
    kind: str,
    shop_id: UUID,
    terminal_id: UUID,
    transaction_id: UUID,
    amount_cents: int,
    suspicion: Suspicion,
    watch_version: int,
) -> AlertRaised:
    """A suspicious payment; `before` is the account's alert of the day, if there is one."""
    return AlertRaised(
        **stamp(
            context,
            alert_id(account_id, context.recorded_at_us),
            before.version + 1 if before is not None else 1,
        ),
        account_id=account_id,
        card_id=card_id,
        kind=kind,
        shop_id=shop_id,
        terminal_id=terminal_id,
        transaction_id=transaction_id,
        amount_cents=amount_cents,
        score=suspicion.score,
        reasons=suspicion.reasons,
        action=suspicion.action,
        watch_version=watch_version,
    )


def answer(context: Context, alert: Alert, *, mine: bool) -> AlertAnswered | None:
    """The cardholder's word; None where it was the same before."""
    if alert.answer == (MINE if mine else NOT_MINE):
        return None
    return AlertAnswered(**stamp(context, alert.id, alert.version + 1), mine=mine)


def close(context: Context, alert: Alert, *, verdict: str, why: str) -> AlertClosed | None:
    """An operator's verdict; None where it is closed."""
    if alert.status == CLOSED:
        return None
    return AlertClosed(**stamp(context, alert.id, alert.version + 1), verdict=verdict, why=why)
