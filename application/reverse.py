"""A terminal that heard no answer takes its payment back, as often as it takes to be told so."""

from uuid import UUID

import msgspec

from application.authorize import CARD_NUMBER, card_of
from application.states import States
from application.work import Needs, Outcome
from domain.aggregates import account as accounts
from domain.aggregates import transaction as transactions
from domain.aggregates.account import Account
from domain.aggregates.transaction import Transaction
from domain.event import Context, Event
from domain.ids import partition_of, transaction_id

_BACK = ("reversed", "voided")


class ReverseAsk(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What the terminal wants back. `card_digest` for a stripe, `card_id` for a phone card."""

    terminal_id: UUID
    counter: int
    ms: int
    contract_hash: bytes
    why: str
    card_digest: bytes | None
    card_id: UUID | None
    actor: str
    issuer_id: UUID
    older_digests: tuple[bytes, ...] = ()


class Reversal(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """`state` is `reversed` (money went back, now or before), or `nothing-to-reverse`.

    Where nothing was found, `transaction_id` is made of what the terminal said alone, and the
    answer is the same for a card that exists and one that does not. `noted`: such a reversal left
    a note, so that its authorization is refused if it comes yet.
    """

    transaction_id: UUID
    state: str
    amount_cents: int
    noted: bool = False


class Reverse:
    """The work of one reversal. It has no clock limit: a terminal may have been off for a day."""

    __slots__ = ("_card_id", "_id", "ask", "deadline_us")

    def __init__(self, ask: ReverseAsk, deadline_us: int) -> None:
        self.ask = ask
        self.deadline_us = deadline_us
        self._id: UUID | None = None
        self._card_id: UUID | None = None

    def needs(self, states: States, needs: Needs, now_us: int) -> bool:
        """The card's partition by its number, then the transaction."""
        digest = self.ask.card_digest
        if digest is not None and not states.knows_owner(CARD_NUMBER, digest):
            needs.owners += [(CARD_NUMBER, each) for each in (digest, *self.ask.older_digests)]
            return True
        self._resolve(states)
        assert self._id is not None
        if not states.note_new(self._id, now_us):
            needs.transactions.append(self._id)
        return False

    def _resolve(self, states: States) -> None:
        ask = self.ask
        card_id = ask.card_id
        if ask.card_digest is not None:
            card_id = card_of(states, ask.card_digest, ask.older_digests)
        self._card_id = card_id
        self._id = self._named_in(card_id or ask.terminal_id)

    def _named_in(self, home: UUID) -> UUID:
        ask = self.ask
        return transaction_id(ask.terminal_id, ask.counter, ask.ms, partition_of(home))

    def _nothing(self, *, noted: bool = False) -> Reversal:
        told = self._named_in(self.ask.terminal_id)
        return Reversal(
            transaction_id=told, state="nothing-to-reverse", amount_cents=0, noted=noted
        )

    def decide(self, states: States, now_us: int) -> Outcome:
        """Gives the money back once; a reversal that comes first bars its authorization."""
        if self._id is None:
            self._resolve(states)
        assert self._id is not None
        ask, id = self.ask, self._id
        before = states.get_transaction(id)
        if before is not None and before.contract_hash and not self._is_of(before):
            # Another payment under this name: not this terminal's to take back.
            return Outcome(self._nothing())
        context = Context(
            occurred_at_us=ask.ms * 1000,
            recorded_at_us=now_us,
            actor=ask.actor,
            command_id=id,
            correlation_id=id,
            issuer_id=ask.issuer_id,
        )
        taken_back = transactions.reverse(
            context, before, id, terminal_id=ask.terminal_id, why=ask.why
        )
        if taken_back is None:
            if before is None or before.status not in _BACK or not before.contract_hash:
                return Outcome(self._nothing())
            return Outcome(Reversal(transaction_id=id, state="reversed", amount_cents=0))
        if before is None:
            return Outcome(self._nothing(noted=True), [taken_back])
        events: list[Event] = [taken_back]
        if taken_back.amount_cents > 0:
            assert before.account_id is not None
            account = states.get(before.account_id, Account)
            assert account is not None, "an approved payment has an account"
            events.append(
                accounts.reverse_debit(
                    context,
                    account,
                    amount_cents=taken_back.amount_cents,
                    transaction_id=id,
                    date=before.local_date,
                    corrects_version=before.debit_version,
                    lots=before.lots,
                    unheard_us=before.decided_us,
                )
            )
        answer = Reversal(transaction_id=id, state="reversed", amount_cents=taken_back.amount_cents)
        return Outcome(answer, events)

    def _is_of(self, before: Transaction) -> bool:
        """Whether it is the payment that was named: that contract, and that card's."""
        return before.contract_hash == self.ask.contract_hash and before.card_id == self._card_id
