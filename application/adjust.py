"""A terminal voids, refunds or tips a payment of its shop; asking again gets the first answer."""

from uuid import UUID

import msgspec

from application.states import States
from application.work import Needs, Outcome
from domain import adjustment
from domain.adjustment import Change
from domain.aggregates import account as accounts
from domain.aggregates.account import Account
from domain.aggregates.after_payment import Adjusted
from domain.aggregates.programme import Programme, in_force, programme_id
from domain.aggregates.shop import Shop
from domain.aggregates.terminal import Terminal
from domain.aggregates.transaction import Transaction, evolve
from domain.answers import APPROVED_CODE, Refusal, refusal
from domain.event import Context
from domain.ids import derived_id, partition_of
from domain.local_time import local_date
from domain.settled_days import is_settled
from domain.signed_request import SignedRequest
from domain.terms import Terms

DONE = {"VOID": "Voided.", "REFUND": "Refunded.", "TIP": "The tip was added."}
"""Actions, and what is said where they were carried out."""


class AdjustAsk(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What the terminal signed. (`counter`, `ms`) name the change, as they name a payment."""

    terminal_id: UUID
    transaction_id: UUID
    action: str
    counter: int
    ms: int
    amount_cents: int
    why: str
    signed: SignedRequest
    actor: str
    issuer_id: UUID


class Adjustment(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The answer. `amount_cents` moved, `net_cents` is what the payment is worth now.

    Where it was refused, nothing moved, `net_cents` is 0 and nothing was stored.
    """

    transaction_id: UUID
    action: str
    done: bool
    code: str
    reason: str
    text: str
    amount_cents: int = 0
    net_cents: int = 0
    would_pass_cents: int | None = None
    duplicate: bool = False


class Adjust:
    """The work of one change. The terminal repeats it until it is answered, over days if need be;
    what must not be done late, the payment's state refuses."""

    __slots__ = ("_id", "ask", "deadline_us")

    def __init__(self, ask: AdjustAsk, deadline_us: int) -> None:
        self.ask = ask
        self.deadline_us = deadline_us
        home = partition_of(ask.transaction_id)
        label = f"adjustment/{ask.counter}"
        self._id = derived_id(label, ask.terminal_id, ask.ms, home)

    def needs(self, states: States, needs: Needs, now_us: int) -> bool:
        """The payment, then its account; shop and terminal are nearly always known."""
        id = self.ask.transaction_id
        if not states.note_new(id, now_us):
            needs.transactions.append(id)
            return True
        payment = states.get_transaction(id)
        if payment is not None and payment.account_id and not states.knows(payment.account_id):
            needs.ids.append(payment.account_id)
        return False

    def decide(self, states: States, now_us: int) -> Outcome:
        """The events of the change, or why not; the stored answer where it was made before."""
        ask = self.ask
        payment = states.get_transaction(ask.transaction_id)
        terminal = states.get(ask.terminal_id, Terminal)
        shop_id = terminal.shop_id if terminal else None
        before = adjustment.done_before(payment, self._id) if payment else None
        if payment is not None and before is not None:
            return Outcome(self._again(payment, before))
        account = (
            states.get(payment.account_id, Account) if payment and payment.account_id else None
        )
        change = Change(
            id=self._id,
            action=ask.action,
            amount_cents=ask.amount_cents,
            why=ask.why,
            terminal_id=ask.terminal_id,
            terminal_active=terminal is not None and terminal.active,
            terminal_shop_id=shop_id,
            closed=day_is_closed(states, payment, now_us),
            today=_today(account, now_us),
            agreed=_terms(states, account, payment.decided_us if payment else now_us),
            terms=_terms(states, account, now_us),
            signed=ask.signed,
        )
        context = Context(
            occurred_at_us=ask.ms * 1000,
            recorded_at_us=now_us,
            actor=ask.actor,
            command_id=self._id,
            correlation_id=ask.transaction_id,
            issuer_id=ask.issuer_id,
        )
        decided = adjustment.decide(context, payment, account, change)
        if isinstance(decided, Refusal):
            return Outcome(self._refused(decided))
        after = evolve(payment, decided[0])
        return Outcome(self._done(after, after.adjustments[-1].amount_cents), decided)

    def _again(self, payment: Transaction, before: Adjusted) -> Adjustment:
        if before.request_hash != self.ask.signed.request_hash:
            return self._refused(refusal("94", "duplicate"))
        return self._done(payment, before.amount_cents, duplicate=True)

    def _done(
        self, payment: Transaction, amount_cents: int, *, duplicate: bool = False
    ) -> Adjustment:
        return Adjustment(
            transaction_id=payment.id,
            action=self.ask.action,
            done=True,
            code=APPROVED_CODE,
            reason="approved",
            text=DONE[self.ask.action],
            amount_cents=amount_cents,
            net_cents=payment.net_cents,
            duplicate=duplicate,
        )

    def _refused(self, no: Refusal) -> Adjustment:
        return Adjustment(
            transaction_id=self.ask.transaction_id,
            action=self.ask.action,
            done=False,
            code=no.code,
            reason=no.reason,
            text=no.text,
            would_pass_cents=no.would_pass_cents,
        )


def _today(account: Account | None, now_us: int) -> str:
    if account is None:
        return ""
    return accounts.business_date(account, local_date(now_us, account.timezone))


def _terms(states: States, account: Account | None, at_us: int) -> Terms:
    """The terms of the company's programme that were in force at a time, the standard for none."""
    programme = states.get(programme_id(account.company_id), Programme) if account else None
    return in_force(programme, at_us).terms


def day_is_closed(states: States, payment: Transaction | None, now_us: int) -> bool:
    """Whether the business day of a payment is over, by the clocks of its shop."""
    shop = states.get(payment.shop_id, Shop) if payment and payment.shop_id else None
    if payment is None or shop is None:
        return False
    day = local_date(payment.decided_us, shop.timezone)
    return is_settled(day, now_us, shop.timezone)
