"""Disputes: opened from the phone or by an operator, evidence given, decided by an operator."""

from typing import Any, ClassVar
from uuid import UUID

import msgspec

from application.adjust import day_is_closed
from application.command import Command, Origin, Refused, other_command
from application.states import States
from application.work import Needs, Outcome
from domain import contesting
from domain.aggregates import dispute as disputes
from domain.aggregates.account import Account
from domain.aggregates.card import Card
from domain.aggregates.dispute import Dispute
from domain.aggregates.transaction import Transaction
from domain.answers import Refusal, dollars, refusal
from domain.event import Context, Event
from domain.ids import derived_id, milliseconds_of, partition_of
from domain.signed_request import SignedRequest

_TEXTS = {
    "already-decided": "This dispute was decided before.",
    "evidence-closed": "The ten days for evidence are over. The dispute can be decided now.",
    "too-much-evidence": f"This dispute has {disputes.EVIDENCE_MOST} pieces of evidence already.",
    "same-operator": "Another operator than the one who opened this dispute must decide it.",
    "shop-not-heard": "The shop was not heard yet: enter its evidence, or wait until its ten days"
    " are over.",
}
_GONE = Refused("no-such-dispute", "There is no dispute with that id.")


def dispute_id(transaction_id: UUID) -> UUID:
    """The one dispute that there can be over a payment; in the payment's partition."""
    ms, partition = milliseconds_of(transaction_id), partition_of(transaction_id)
    return derived_id("dispute", transaction_id, ms, partition)


class ContestAsk(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What the phone's card signed. `amount_cents` 0: all that is left of the payment."""

    card_id: UUID
    transaction_id: UUID
    ms: int
    amount_cents: int
    text: str
    document_sha256: bytes
    signed: SignedRequest
    actor: str
    issuer_id: UUID


class Contest:
    """The work of a phone that disputes a payment of its account; the answer is a Dispute or a
    Refusal. Asking again tells how the dispute stands."""

    __slots__ = ("ask", "deadline_us")

    def __init__(self, ask: ContestAsk, deadline_us: int) -> None:
        self.ask = ask
        self.deadline_us = deadline_us

    def needs(self, states: States, needs: Needs, now_us: int) -> bool:
        """The payment; card and dispute are loaded when they are read, for this is rare."""
        if not states.note_new(self.ask.transaction_id, now_us):
            needs.transactions.append(self.ask.transaction_id)
        return False

    def decide(self, states: States, now_us: int) -> Outcome:
        """Opens it, once."""
        ask = self.ask
        card = states.get(ask.card_id, Card)
        payment = states.get_transaction(ask.transaction_id)
        if card is None or payment is None or payment.account_id != card.account_id:
            # Another's payment is told from none by nobody.
            return Outcome(refusal("25", "unknown-transaction"))
        if payment.dispute_id is not None:
            return Outcome(states.get(payment.dispute_id, Dispute))
        context = Context(
            occurred_at_us=ask.ms * 1000,
            recorded_at_us=now_us,
            actor=ask.actor,
            command_id=dispute_id(payment.id),
            correlation_id=payment.id,
            issuer_id=ask.issuer_id,
        )
        events = contesting.contest(
            context,
            payment,
            dispute_id(payment.id),
            amount_cents=ask.amount_cents,
            closed=day_is_closed(states, payment, now_us),
            text=ask.text,
            document_sha256=ask.document_sha256,
            opened_by=None,
            signed=ask.signed,
        )
        if isinstance(events, Refusal):
            return Outcome(events)
        return Outcome(disputes.evolve(None, events[0]), events)


class _DisputeCommand(Command):
    """What the operators' commands share: they answer with the dispute as it stands."""

    def repeated(self, states: States, made: UUID) -> Any:
        """The dispute as it stands."""
        dispute = states.get(made, Dispute)
        return other_command() if dispute is None else {**shown(dispute), "repeated": True}


class OpenDispute(_DisputeCommand):
    """An operator opens it for a cardholder who called. `amount_cents` 0: all that is left."""

    makes: ClassVar[tuple[type[Event], ...]] = (disputes.DisputeOpened,)

    def __init__(
        self,
        origin: Origin,
        deadline_us: int,
        *,
        transaction_id: UUID,
        amount_cents: int,
        text: str,
        document_sha256: bytes,
        operator_id: UUID,
    ) -> None:
        super().__init__(origin, deadline_us)
        self._transaction_id, self._amount_cents = transaction_id, amount_cents
        self._text, self._document, self._by = text, document_sha256, operator_id

    def needs(self, states: States, needs: Needs, now_us: int) -> bool:
        """The payment."""
        super().needs(states, needs, now_us)
        if not states.note_new(self._transaction_id, now_us):
            needs.transactions.append(self._transaction_id)
        return False

    def execute(self, states: States, context: Context) -> Outcome:
        """Opens it, once."""
        payment = states.get_transaction(self._transaction_id)
        if payment is None:
            return Outcome(Refused("no-such-payment", "There is no payment with that id."))
        events = contesting.contest(
            context,
            payment,
            dispute_id(payment.id),
            amount_cents=self._amount_cents,
            closed=day_is_closed(states, payment, context.recorded_at_us),
            text=self._text,
            document_sha256=self._document,
            opened_by=self._by,
        )
        if isinstance(events, Refusal):
            return Outcome(Refused(events.reason, events.text))
        return Outcome(shown(disputes.evolve(None, events[0])), events)


class GiveEvidence(_DisputeCommand):
    """What one side says, entered by an operator."""

    makes: ClassVar[tuple[type[Event], ...]] = (disputes.EvidenceGiven,)

    def __init__(
        self,
        origin: Origin,
        deadline_us: int,
        *,
        dispute_id: UUID,
        side: str,
        text: str,
        document_sha256: bytes,
    ) -> None:
        super().__init__(origin, deadline_us)
        self._dispute_id, self._side = dispute_id, side
        self._text, self._document = text, document_sha256

    def reads(self) -> list[UUID]:
        """The dispute."""
        return [self._dispute_id]

    def execute(self, states: States, context: Context) -> Outcome:
        """Adds it, in time."""
        dispute = states.get(self._dispute_id, Dispute)
        if dispute is None:
            return Outcome(_GONE)
        no = disputes.why_no_evidence(dispute, context.recorded_at_us)
        if no:
            return Outcome(Refused(no, _TEXTS[no]))
        event = disputes.give_evidence(
            context, dispute, side=self._side, text=self._text, document_sha256=self._document
        )
        return Outcome(shown(disputes.evolve(dispute, event)), [event])


class DecideDispute(_DisputeCommand):
    """`credited_cents` to the cardholder; 0: the shop was right."""

    makes: ClassVar[tuple[type[Event], ...]] = (disputes.DisputeClosed,)

    def __init__(
        self,
        origin: Origin,
        deadline_us: int,
        *,
        dispute_id: UUID,
        credited_cents: int | None,
        why: str,
        operator_id: UUID,
    ) -> None:
        """`credited_cents` None: all that is in dispute, as far as it is left."""
        super().__init__(origin, deadline_us)
        self._dispute_id, self._cents = dispute_id, credited_cents
        self._why, self._by = why, operator_id

    def reads(self) -> list[UUID]:
        """The dispute; it leads to payment and account."""
        return [self._dispute_id]

    def execute(self, states: States, context: Context) -> Outcome:
        """Decides dispute and payment, and gives the money back, in one commit."""
        dispute = states.get(self._dispute_id, Dispute)
        if dispute is None:
            return Outcome(_GONE)
        no = disputes.why_undecided(dispute, by_id=self._by, now_us=context.recorded_at_us)
        if no:
            return Outcome(Refused(no, _TEXTS[no]))
        payment = states.get_transaction(dispute.transaction_id)
        account = states.get(dispute.account_id, Account)
        assert payment is not None and account is not None, "a dispute is over a payment"
        cents = self._cents
        if cents is None:
            cents = min(dispute.amount_cents, payment.net_cents)
            if cents == 0:
                return Outcome(_nothing_left(payment))
        events = contesting.settle(
            context,
            dispute,
            payment,
            account,
            credited_cents=cents,
            why=self._why,
            decided_by=self._by,
        )
        if isinstance(events, Refusal):
            return Outcome(Refused(events.reason, events.text))
        return Outcome(shown(disputes.evolve(dispute, events[0])), events)


def _nothing_left(payment: Transaction) -> Refused:
    back = dollars(payment.authorized_cents)
    return Refused(
        "nothing-left", f"All {back} of the payment went back already. Decide it for the shop."
    )


def shown(dispute: Dispute, now_us: int | None = None) -> dict[str, Any]:
    """A dispute as it is answered and listed; `overdue` where a time is given. Times in ms."""
    row: dict[str, Any] = {
        "dispute": str(dispute.id),
        "status": dispute.status,
        "transaction": str(dispute.transaction_id),
        "card": str(dispute.card_id),
        "shop": str(dispute.shop_id),
        "amount_cents": dispute.amount_cents,
        "credited_cents": dispute.credited_cents,
        "opened_ms": dispute.opened_us // 1000,
        "opened_by": str(dispute.opened_by) if dispute.opened_by else "cardholder",
        "evidence_until_ms": dispute.evidence_until_us // 1000,
        "decide_until_ms": dispute.decide_until_us // 1000,
        "why": dispute.why,
        "evidence": [
            {
                "side": each.side,
                "text": each.text,
                "document_sha256": each.document_sha256.hex(),
                "given_ms": each.given_us // 1000,
            }
            for each in dispute.evidence
        ],
    }
    if now_us is not None:
        row["overdue"] = dispute.status == disputes.OPEN and now_us > dispute.decide_until_us
    return row
