"""Replaying what a company's cardholders did, as if other terms had held: what would differ.

Nothing is stored. Each account goes its own way through the days in question: a payment that the
draft refuses leaves its money on the account and out of the counters, one that it would have let
pass takes it. What people would have done instead is not guessed.
"""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple
from uuid import UUID

import msgspec

from application.states import EVOLVE
from domain.aggregates import account as accounts
from domain.aggregates.account import Account, AccountDebited
from domain.aggregates.card import Card
from domain.aggregates.programme import Programme
from domain.aggregates.shop import Shop
from domain.aggregates.transaction import Authorized, Declined
from domain.authorization import dates
from domain.event import Context, Event, stamp
from domain.rules.order import OF_SPENDING
from domain.rules.request import Request, of_spending
from domain.terms import STANDARD, Terms

_SPENDING_REASONS = frozenset({
    "category", "weekday", "holiday", "hours", "daily-count", "weekly-count", "monthly-count",
    "payment-limit", "daily-limit", "weekly-limit", "monthly-limit", "legal-limit", "balance",
    "pin-required",
})  # fmt: skip
"""Refusals that other terms could have been a yes to; a missing PIN could have been typed."""


class Logged(NamedTuple):
    """An event at its position."""

    position: int
    event: Event


class Draft(msgspec.Struct, frozen=True, kw_only=True):
    """What is tried: the terms, for payments decided in `from_us` .. `until_us`.

    `programme` is the one that there is, for what was free of the PIN then.
    """

    terms: Terms
    programme: Programme | None
    from_us: int
    until_us: int


class Tally(msgspec.Struct, kw_only=True):
    """Payments, and the cents that were asked for."""

    payments: int = 0
    cents: int = 0

    def add(self, cents: int) -> None:
        """One more."""
        self.payments += 1
        self.cents += cents


class Person(msgspec.Struct, kw_only=True):
    """What differs for one account."""

    account: UUID
    refused: Tally
    allowed: Tally


class Rehearsal(msgspec.Struct, kw_only=True):
    """What a draft comes to. `approved` and `declined` are what happened.

    Of them `refused` would not, `allowed` would have passed; `by_rule` says by which rule and
    reason. `pin_asked`: paid by stripe without the need of a PIN, which the draft asks for.
    Costs are what the payments of these days are worth, after all that was taken back or put
    right.
    """

    accounts: int = 0
    approved: Tally = msgspec.field(default_factory=Tally)
    declined: Tally = msgspec.field(default_factory=Tally)
    refused: Tally = msgspec.field(default_factory=Tally)
    allowed: Tally = msgspec.field(default_factory=Tally)
    pin_asked: Tally = msgspec.field(default_factory=Tally)
    cost_before_cents: int = 0
    cost_after_cents: int = 0
    by_rule: dict[tuple[str, str, str], Tally] = msgspec.field(default_factory=dict)
    people: list[Person] = msgspec.field(default_factory=list)

    def account(
        self,
        draft: Draft,
        entries: Iterable[Logged],
        cards: Mapping[UUID, Card],
        shops: Mapping[UUID, Shop],
    ) -> None:
        """One account more: all its own events, and the answers to its cards in these days."""
        self.accounts += 1
        replay = _Replay(self, draft, cards, shops)
        for _, event in sorted(entries, key=lambda logged: logged.position):
            replay.event(event)
        if replay.person is not None and (
            replay.person.refused.payments or replay.person.allowed.payments
        ):
            self.people.append(replay.person)


class _Replay:
    """One account in two worlds: as it was, and under the draft."""

    def __init__(
        self, total: Rehearsal, draft: Draft, cards: Mapping[UUID, Card], shops: Mapping[UUID, Shop]
    ) -> None:
        self._total, self._draft = total, draft
        self._cards, self._shops = cards, shops
        self._real: Account | None = None
        self._tried: Account | None = None
        self._ours: set[UUID] = set()
        self._refused: set[UUID] = set()
        self.person: Person | None = None

    def event(self, event: Event) -> None:
        """The next one, of the account or an answer to one of its cards."""
        if isinstance(event, Authorized | Declined):
            if self._draft.from_us <= event.recorded_at_us <= self._draft.until_us:
                self._answer(event)
            return
        before, self._real = self._real, EVOLVE[type(event)](self._real, event)
        named: UUID | None = getattr(event, "transaction_id", None)
        if before is None:
            self._tried = self._real
            self.person = Person(account=event.originator_id, refused=Tally(), allowed=Tally())
            return
        spent = before.balance_cents - self._real.balance_cents
        if named in self._ours:
            self._total.cost_before_cents += spent
        if named in self._refused:
            return
        if named in self._ours:
            self._total.cost_after_cents += spent
        self._tried = EVOLVE[type(event)](self._tried, event)

    def _answer(self, event: Authorized | Declined) -> None:
        if self._tried is None or self.person is None:
            return  # an answer about an account that is not there yet
        request = self._request(event, self._tried)
        if isinstance(event, Authorized):
            self._approved(event, request)
        else:
            self._total.declined.add(event.amount_cents)
            if event.reason in _SPENDING_REASONS and request is not None:
                self._declined(event, request)

    def _approved(self, event: Authorized, request: Request | None) -> None:
        assert self.person is not None
        self._ours.add(event.originator_id)
        self._total.approved.add(event.amount_cents)
        no = _first_no(request) if request is not None else None
        if no is not None:
            self._refused.add(event.originator_id)
            self._total.refused.add(event.amount_cents)
            self.person.refused.add(event.amount_cents)
            self._total.by_rule.setdefault(no, Tally()).add(event.amount_cents)
        elif self._needs_pin_now(event):
            self._total.pin_asked.add(event.amount_cents)

    def _declined(self, event: Declined, request: Request) -> None:
        assert self.person is not None
        if event.reason == "pin-required" and event.amount_cents > self._draft.terms.pin_free_cents:
            return  # it would still have been asked for
        if _first_no(request) is not None:
            return
        self._total.allowed.add(event.amount_cents)
        self.person.allowed.add(event.amount_cents)
        self._total.cost_after_cents += event.amount_cents
        account = self._tried
        assert account is not None
        debit = AccountDebited(
            **_stamped(event, account),
            amount_cents=event.amount_cents,
            transaction_id=event.originator_id,
            local_date=request.local_date,
        )
        self._tried = accounts.evolve(account, debit)

    def _needs_pin_now(self, event: Authorized) -> bool:
        card = self._cards.get(event.card_id)
        stripe = card is not None and card.kind == "stripe"
        free_then = _terms_of(self._draft.programme, event.programme_version).pin_free_cents
        return stripe and self._draft.terms.pin_free_cents < event.amount_cents <= free_then

    def _request(self, event: Authorized | Declined, account: Account) -> Request | None:
        """The payment for the rules over spending, None where its card or shop is not known."""
        card = self._cards.get(event.card_id) if event.card_id is not None else None
        shop = self._shops.get(event.shop_id)
        if card is None or shop is None:
            return None
        date, year_month = dates(event.recorded_at_us, account)
        return of_spending(
            event.originator_id,
            amount_cents=event.amount_cents,
            terminal_id=event.terminal_id,
            shop=shop,
            shop_id=shop.id,
            card_id=card.id,
            card=card,
            account=account,
            now_us=event.recorded_at_us,
            local_date=date,
            year_month=year_month,
            terms=self._draft.terms,
        )


def _first_no(request: Request) -> tuple[str, str, str] | None:
    """Rule, code and reason of the first refusal by the rules over spending."""
    for rule in OF_SPENDING:
        no = rule(request)
        if no is not None:
            return rule.__name__, no.code, no.reason
    return None


def _terms_of(programme: Programme | None, number: int) -> Terms:
    for version in programme.versions if programme is not None else ():
        if version.number == number:
            return version.terms
    return STANDARD


def _stamped(event: Event, account: Account) -> dict[str, Any]:
    """For an event that never happened, in place of a refusal."""
    context = Context(
        occurred_at_us=event.occurred_at_us,
        recorded_at_us=event.recorded_at_us,
        actor=event.actor,
        command_id=event.command_id,
        correlation_id=event.correlation_id,
        issuer_id=event.issuer_id,
    )
    return stamp(context, account.id, account.version + 1)
