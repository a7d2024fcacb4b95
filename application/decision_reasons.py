"""Why a payment was approved or refused: every rule asked again about what the ledger held then.

The streams that the decision read are replayed up to it. What cryptography said is not stored
apart, so it is taken from what came of it: the reason of a refusal, and how the PIN was counted.
"""

from collections.abc import Collection, Iterable, Sequence
from typing import Any, Protocol
from uuid import UUID

from application.ports import Row
from application.states import EVOLVE
from domain import authorization
from domain.aggregates.account import Account
from domain.aggregates.card import Card, PinAccepted, PinFailed, PinReferenced
from domain.aggregates.programme import in_force, programme_id
from domain.aggregates.transaction import Authorized, Declined
from domain.aggregates.watch import WATCH_ID
from domain.aggregates.watch import in_force as watch_in_force
from domain.event import Event
from domain.rules.order import RuleResult
from domain.suspicion import NO_SUSPICION, STEP_UP, Suspicion, Use, assess
from projections.ports import Unreadable

Placed = tuple[int, Event]
"""An event with its position."""


class StreamLog(Protocol):
    """The part of `application.audit_history.HistoryLog` that is needed."""

    def streams(self, ids: Collection[UUID]) -> Sequence[Row]: ...

    def open(self, row: Row) -> Event | None: ...


def reasons(log: StreamLog, known: Iterable[Placed]) -> dict[int, list[RuleResult]]:
    """By position of each answer to a payment: what every rule says of it, in their order.

    `known` are the events of a card, its account and its payments. Raises Unavailable.
    """
    events = dict(known)
    answers = [each for each in events.values() if isinstance(each, Authorized | Declined)]
    if not answers:
        return {}
    ids = {id for each in answers for id in (each.terminal_id, each.shop_id)} | {WATCH_ID}
    for company in {id for each in events.values() if (id := getattr(each, "company_id", None))}:
        ids |= {company, programme_id(company)}
    events |= _opened(log, ids)
    return _replayed(sorted(events.items()))


def _opened(log: StreamLog, ids: Collection[UUID]) -> dict[int, Event]:
    found = {}
    for row in log.streams(ids):
        try:
            event = log.open(row)
        except Unreadable:
            continue  # the history itself tells of it
        if event is not None:
            found[row.position] = event
    return found


def _replayed(events: list[Placed]) -> dict[int, list[RuleResult]]:
    states: dict[UUID, Any] = {}
    found: dict[int, list[RuleResult]] = {}
    for at, (position, event) in enumerate(events):
        if isinstance(event, Authorized | Declined):
            later = [each for _, each in events[at + 1 : at + 4]]
            request = _request(states, event, _pin(event, later))
            found[position] = authorization.explain(request)
        before = states.get(event.originator_id)
        if (before.version if before else 0) + 1 == event.originator_version:
            states[event.originator_id] = EVOLVE[type(event)](before, event)
    return found


def _pin(answer: Authorized | Declined, later: list[Event]) -> bool | None:
    """What the HSM said of the PIN, by what was counted in the same commit; None: not known."""
    for each in later:
        if each.command_id == answer.command_id:
            if isinstance(each, PinFailed):
                return False
            if isinstance(each, PinAccepted | PinReferenced):
                return True
    return False if isinstance(answer, Declined) and answer.reason == "wrong-pin" else None


def _request(
    states: dict[UUID, Any], answer: Authorized | Declined, pin_right: bool | None
) -> authorization.Request:
    reason = answer.reason if isinstance(answer, Declined) else ""
    card = states.get(answer.card_id) if answer.card_id else None
    account = states.get(card.account_id) if isinstance(card, Card) else None
    company = states.get(account.company_id) if isinstance(account, Account) else None
    programme = states.get(programme_id(company.id)) if company is not None else None
    shop = states.get(answer.shop_id)
    now_us = answer.recorded_at_us
    terms = in_force(programme, now_us)
    date, year_month = authorization.dates(now_us, account) if account else ("", "")
    suspicion = NO_SUSPICION
    if card is not None and account is not None and shop is not None and account.recent:
        use = Use(now_us, shop.id, card.kind, answer.amount_cents, shop.place)
        suspicion = assess(watch_in_force(states.get(WATCH_ID)), account.recent, use)
    if pin_right is None and card is not None and _came_behind_the_pin(answer):
        pin_right = _needed_pin(card, answer, suspicion, terms.terms.pin_free_cents) or None
    return authorization.Request(
        transaction_id=answer.originator_id,
        amount_cents=answer.amount_cents,
        terminal=states.get(answer.terminal_id),
        terminal_id=answer.terminal_id,
        shop=shop,
        shop_id=answer.shop_id,
        card_id=answer.card_id,
        card=card,
        account=account,
        company=company,
        stripe_genuine=reason != "card-check",
        pin_right=pin_right,
        consent_valid=reason != "consent" if answer.signed.consent else None,
        signed=answer.signed,
        of_this_session=reason != "foreign-session",
        clock_off_us=now_us - answer.occurred_at_us,
        expired=reason == "expired-contract",
        reversed_before=answer.originator_id in states,
        masked_pan=answer.masked_pan,
        now_us=now_us,
        local_date=date,
        year_month=year_month,
        programme=programme,
        terms=terms.terms,
        terms_version=terms.number,
        suspicion=suspicion,
    )


def _came_behind_the_pin(answer: Authorized | Declined) -> bool:
    """Whether the rule over the PIN passed: all passed, or one behind it refused."""
    if isinstance(answer, Authorized):
        return True
    return answer.code in ("51", "61", "65") or answer.reason in ("weekday", "holiday", "hours")


def _needed_pin(
    card: Card, answer: Authorized | Declined, suspicion: Suspicion, free_cents: int
) -> bool:
    """Whether it came so far only because the PIN was right."""
    wanted = answer.amount_cents > free_cents or suspicion.action == STEP_UP
    return card.kind == "stripe" and wanted
