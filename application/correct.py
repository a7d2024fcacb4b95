"""Putting amounts right, of payments and refill credits, by events that compensate wrong ones.

One correction or a whole file of them: all are done in one commit, or none and every line at fault
is named. Each says which version of the record its requester saw; a record that changed since is
not corrected. `PreviewCorrections` decides in the same way and stores nothing.
"""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from application.command import COMMAND, Command, Origin, Refused
from application.corrections import (
    Agreement,
    Correction,
    CreditsByRefill,
    Effect,
    Plan,
    Seen,
)
from application.states import States
from application.work import Needs, Outcome
from domain.aggregates import account as accounts
from domain.aggregates import after_credit
from domain.aggregates import credit as account_credits
from domain.aggregates import refill as refills
from domain.aggregates import transaction as transactions
from domain.aggregates.account import Account
from domain.aggregates.credit import Credit
from domain.aggregates.refill import Refill
from domain.answers import Refusal, dollars
from domain.event import Context, Event
from domain.grounds import Grounds

_NO_ROOM = "The account holds {}, less than the difference. Correct it by less, or refill it first."
_TAKEN_BACK = (
    "The payment of that refill was charged back, and what was left of its credits is taken back:"
    " there is nothing to put right. What the company still gives is a new refill."
)
_GIVING_BACK = (
    "What the chargeback of that refill had taken is being given back. Try again in a moment."
)


class Corrections:
    """What was asked for, decided against the states."""

    def __init__(self, asked: Sequence[Correction], credited: CreditsByRefill) -> None:
        self._asked, self._credited = asked, credited
        self._loaded = False

    def needs(self, states: States, needs: Needs, now_us: int) -> bool:
        """First the payments, then the accounts that they name: two queries, however many lines."""
        if self._loaded:
            for each in self._asked:
                account_id = _account_of(each, states)
                if account_id is not None and not states.knows(account_id):
                    needs.ids.append(account_id)
            return False
        for each in self._asked:
            if each.transaction_id is not None:
                if not states.note_new(each.transaction_id, now_us):
                    needs.transactions.append(each.transaction_id)
            elif each.refill_id is not None and each.account_id is not None:
                id = account_credits.credit_id(each.refill_id, each.account_id)
                wanted = (id, each.refill_id)
                needs.ids.extend(one for one in wanted if not states.knows(one))
        self._loaded = True
        return True

    def plan(self, states: States, context: Context, agreement: Agreement | None) -> Plan:
        """What becomes of it. Each line sees what the lines before it made of the account."""
        plan = Plan([], [], [])
        moved: dict[UUID, Account] = {}
        first_line: dict[tuple[UUID | None, ...], int] = {}
        for each in self._asked:
            line, place = each.line, f"Line {each.line}: " if len(self._asked) > 1 else ""
            record = (each.transaction_id, each.refill_id, each.account_id)
            if record in first_line:
                again = f"the record of line {first_line[record]} again."
                text = f"{place}{again} Give one right amount for it."
                plan.faults.append(("repeated-line", text))
                continue
            first_line[record] = line
            done = self._decide(states, context, each, agreement, moved)
            if isinstance(done, Refused):
                plan.faults.append((done.code, place + done.text))
                continue
            effect, events = done
            plan.effects.append(effect)
            plan.events.extend(events)
        return plan

    def _decide(
        self,
        states: States,
        context: Context,
        asked: Correction,
        agreement: Agreement | None,
        moved: dict[UUID, Account],
    ) -> tuple[Effect, list[Event]] | Refused:
        grounds = Grounds(
            evidence=asked.evidence,
            document_sha256=asked.document_sha256,
            proposal_id=agreement.proposal_id if agreement else None,
            requested_by=agreement.requested_by if agreement else None,
        )
        account_id = _account_of(asked, states)
        account = None
        if account_id is not None:
            account = moved.get(account_id) or states.get(account_id, Account)
        if asked.transaction_id is not None:
            found = _payment(states, context, asked, grounds, account)
        else:
            found = self._credit(states, context, asked, grounds, account)
        if isinstance(found, Refused):
            return found
        record, (corrected, change) = found
        assert account is not None, "what was corrected has an account"
        if isinstance(change, Refusal):
            no_room = _NO_ROOM.format(dollars(account.balance_cents))
            return Refused(change.reason, no_room if change.reason == "balance" else change.text)
        after = moved[account.id] = accounts.evolve(account, change)
        if isinstance(record, transactions.Transaction):
            corrected = transactions.with_lots(corrected, record.lots, change.lots)
        effect = Effect(
            line=asked.line,
            record=record.id if isinstance(record, transactions.Transaction) else record.refill_id,
            account_id=account.id,
            version=record.version,
            from_cents=corrected.from_cents,
            to_cents=corrected.to_cents,
            balance_before=account.balance_cents,
            balance_after=after.balance_cents,
            shop_id=record.shop_id if isinstance(record, transactions.Transaction) else None,
        )
        return effect, [corrected, change]

    def _credit(
        self,
        states: States,
        context: Context,
        asked: Correction,
        grounds: Grounds,
        account: Account | None,
    ) -> Any:
        assert asked.refill_id is not None and asked.account_id is not None
        credit = states.get(account_credits.credit_id(asked.refill_id, asked.account_id), Credit)
        if credit is None:
            credited = self._credited.get((asked.refill_id, asked.account_id))
            if credited is None or account is None:
                return Refused("no-such-credit", "That refill credited nothing to that account.")
            credit = account_credits.as_credited(
                asked.refill_id,
                asked.account_id,
                amount_cents=credited.amount_cents,
                account_version=credited.account_version,
            )
        assert account is not None, "a credit has an account"
        refill = states.get(asked.refill_id, Refill)
        if refill is not None and refill.status == refills.CHARGED_BACK:
            return Refused("charged-back", _TAKEN_BACK)
        if refill is not None and refill.giving_back:
            return Refused("giving-back", _GIVING_BACK)
        stale = _stale(asked, Seen(credit.version, credit.amount_cents), "credit")
        if stale is not None:
            return stale
        corrected = account_credits.correct(
            context,
            credit,
            to_cents=asked.to_cents,
            why=asked.why,
            account_version=account.version,
            grounds=grounds,
            gone_cents=after_credit.gone_cents(context, account, refill.last_day) if refill else 0,
        )
        if isinstance(corrected, Refusal):
            return Refused(corrected.reason, corrected.text)
        return credit, (
            corrected,
            after_credit.correct(
                context,
                account,
                change_cents=corrected.to_cents - corrected.from_cents,
                refill_id=credit.refill_id,
                corrects_version=credit.account_version,
                why=asked.why,
                last_day=refill.last_day if refill else "",
                added_cents=credit.added_cents,
            ),
        )


class CorrectAmounts(Command):
    """The corrections of an approved proposal, all of them or none."""

    makes = (transactions.Corrected, account_credits.Corrected)

    def __init__(
        self,
        origin: Origin,
        deadline_us: int,
        *,
        asked: Sequence[Correction],
        credited: CreditsByRefill,
        agreement: Agreement | None,
    ) -> None:
        """`agreement` None: before anybody proposed it, only to be foreseen."""
        super().__init__(origin, deadline_us)
        assert all(each.seen is not None for each in asked), "nobody corrects what nobody saw"
        self._corrections = Corrections(asked, credited)
        self._agreement = agreement

    def needs(self, states: States, needs: Needs, now_us: int) -> bool:
        """See `Corrections.needs`."""
        super().needs(states, needs, now_us)
        return self._corrections.needs(states, needs, now_us)

    def foresee(self, states: States, context: Context) -> Refused | None:
        """None: `PreviewCorrections` saw it, with what stands on the accounts, a moment ago."""
        return None

    def execute(self, states: States, context: Context) -> Outcome:
        """Corrects all of them, or says which lines are at fault."""
        assert self._agreement is not None, "nobody corrects alone"
        plan = self._corrections.plan(states, context, self._agreement)
        return Outcome(plan.refused) if plan.refused else Outcome(plan.answer, plan.events)


class PreviewCorrections:
    """A `Work` that answers with the Plan of what would be done, or None where the command with
    that id was carried out before: it needs no second look."""

    def __init__(
        self,
        origin: Origin,
        deadline_us: int,
        *,
        asked: Sequence[Correction],
        credited: CreditsByRefill,
    ) -> None:
        self.deadline_us = deadline_us
        self._origin = origin
        self._corrections = Corrections(asked, credited)

    def needs(self, states: States, needs: Needs, now_us: int) -> bool:
        """See `Corrections.needs`."""
        key = (COMMAND, self._origin.command_id.bytes)
        if not states.knows_owner(*key):
            needs.owners.append(key)
        return self._corrections.needs(states, needs, now_us)

    def decide(self, states: States, now_us: int) -> Outcome:
        """The plan; its events go nowhere."""
        if states.owner(COMMAND, self._origin.command_id.bytes) is not None:
            return Outcome(None)
        origin = self._origin
        context = Context(
            occurred_at_us=now_us,
            recorded_at_us=now_us,
            actor=origin.actor,
            command_id=origin.command_id,
            correlation_id=origin.command_id,
            issuer_id=origin.issuer_id,
        )
        return Outcome(self._corrections.plan(states, context, None))


def _payment(
    states: States,
    context: Context,
    asked: Correction,
    grounds: Grounds,
    account: Account | None,
) -> Any:
    assert asked.transaction_id is not None
    payment = states.get_transaction(asked.transaction_id)
    if payment is None:
        return Refused("no-such-payment", "There is no payment with that id.")
    stale = _stale(asked, Seen(payment.version, payment.net_cents), "payment")
    if stale is not None:
        return stale
    corrected = transactions.correct(
        context,
        payment,
        to_cents=asked.to_cents,
        why=asked.why,
        account_version=account.version if account else 0,
        grounds=grounds,
    )
    if isinstance(corrected, Refusal):
        return Refused(corrected.reason, corrected.text)
    assert account is not None, "an approved payment has an account"
    return payment, (
        corrected,
        accounts.correct_debit(
            context,
            account,
            change_cents=corrected.from_cents - corrected.to_cents,
            transaction_id=payment.id,
            date=payment.local_date,
            corrects_version=payment.debit_version,
            why=asked.why,
            spent_cents=payment.net_cents,
            lots=payment.lots,
        ),
    )


def _stale(asked: Correction, now: Seen, what: str) -> Refused | None:
    """Somebody was faster: the record is not what the requester saw."""
    if asked.seen in (None, now):
        return None
    text = (
        f"The {what} was changed after this correction was asked for; it is {dollars(now.cents)}"
        " now. Look at it and ask again."
    )
    return Refused("stale", text)


def _account_of(asked: Correction, states: States) -> UUID | None:
    if asked.transaction_id is None:
        return asked.account_id
    payment = states.get_transaction(asked.transaction_id)
    return payment.account_id if payment else None
