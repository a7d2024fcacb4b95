"""Money whose last day has passed: booked as expired, then reactivated, returned or donated.

Nothing here makes it unspendable: that is decided by the date at every payment. `BookExpiry` says
so in the log; it can run late, twice, or after days without a backend, and books each lot once.
"""

from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from application.command import Command, Origin, Refused, other_command
from application.fields import some_of
from application.states import States
from application.work import Needs, Outcome
from domain import lots
from domain.aggregates import account as accounts
from domain.aggregates import expired_money
from domain.aggregates.account import Account
from domain.answers import dollars
from domain.event import Context, Event
from domain.ids import derived_id, milliseconds_of, partition_of

ACTOR = "system:expiry"
REACTIVATE, RETURN, DONATE = "reactivate", "return", "donate"
DECISIONS = (REACTIVATE, RETURN, DONATE)
ACCOUNTS_MOST = 1_000
ALONE_CENTS = 100_000
"""What one operator decides over alone: $1,000.00 in one command. More needs two."""


class BookExpiry:
    """The work of booking what expired on some accounts, each by its own calendar.

    Its answer is how many lots were booked.
    """

    def __init__(self, account_ids: Sequence[UUID], issuer_id: UUID, deadline_us: int) -> None:
        self._ids, self._issuer_id = account_ids, issuer_id
        self.deadline_us = deadline_us

    def needs(self, states: States, needs: Needs, now_us: int) -> bool:
        """The accounts."""
        needs.ids += [id for id in self._ids if not states.knows(id)]
        return False

    def decide(self, states: States, now_us: int) -> Outcome:
        """An event for each lot whose last day has passed and that was not booked yet."""
        events: list[Event] = []
        for id in dict.fromkeys(self._ids):
            account = states.get(id, Account)
            if account is not None and account.lots:
                events += _booked(self._context(account, now_us), account)
        return Outcome(len(events), events)

    def _context(self, account: Account, now_us: int) -> Context:
        id = account.id
        this = derived_id(f"expiry/{account.version}", id, milliseconds_of(id), partition_of(id))
        return Context(
            occurred_at_us=now_us,
            recorded_at_us=now_us,
            actor=ACTOR,
            command_id=this,
            correlation_id=this,
            issuer_id=self._issuer_id,
        )


def _booked(context: Context, account: Account) -> list[Event]:
    return [*expired_money.expire(context, account, accounts.today_of(context, account))]


class DecideExpired(Command):
    """An operator's decision over all expired money of accounts, or over that of one last day.

    `amount_cents` is what the operator was shown: where it is another amount by now, nothing is
    done. What is not booked yet is booked on the way. Subclasses say what is done with it.
    """

    decision = ""

    def __init__(
        self,
        origin: Origin,
        deadline_us: int,
        *,
        account_ids: Sequence[UUID],
        expired_day: str,
        amount_cents: int,
        why: str,
    ) -> None:
        super().__init__(origin, deadline_us)
        self._ids, self._expired_day = account_ids, expired_day
        self._amount_cents, self._why = amount_cents, why

    def reads(self) -> list[UUID]:
        """The accounts."""
        return list(self._ids)

    def execute(self, states: States, context: Context) -> Outcome:
        """Decides over all of it, or says why over none."""
        unknown = [
            f"There is no account {id}."
            for id in self._ids
            if not isinstance(states.get(id, Account), Account)
        ]
        if unknown:
            return Outcome(Refused("no-such-account", "Nothing changed:" + some_of(unknown)))
        events: list[Event] = []
        amount_cents = 0
        for id in dict.fromkeys(self._ids):
            account = states.get(id, Account)
            assert account is not None, "checked above"
            booked = _booked(context, account)
            for event in booked:
                account = accounts.evolve(account, event)
            held = expired_money.held(account, self._expired_day)
            no = self._why_not(context, account)
            if no is not None:
                return Outcome(no)
            amount_cents += lots.total(held)
            events += [*booked, *self._decide(context, account, held)]
        if not amount_cents:
            return Outcome(Refused("nothing-expired", "There is no such expired money there."))
        if amount_cents != self._amount_cents:
            return Outcome(
                Refused(
                    "amount-changed",
                    f"Nothing changed: it is {dollars(amount_cents)} now, not"
                    f" {dollars(self._amount_cents)}. Look again, and decide over that.",
                )
            )
        return Outcome(self._answer(events[0].originator_id, amount_cents), events)

    def _why_not(self, context: Context, account: Account) -> Refused | None:
        return None

    def _decide(self, context: Context, account: Account, held: lots.Lots) -> Iterable[Event]:
        raise NotImplementedError

    def _answer(self, first: UUID, amount_cents: int) -> dict[str, Any]:
        return {
            "id": str(first),
            "decision": self.decision,
            "accounts": len(set(self._ids)),
            "amount_cents": amount_cents,
        }

    def repeated(self, states: States, made: UUID) -> Any:
        """It was carried out whole, so with the amount that the command names."""
        stored = states.stored_by(self.origin.command_id, made)
        decided = not stored or any(isinstance(event, self.makes[-1]) for event in stored)
        if made not in self._ids or not decided:
            return other_command()
        return {**self._answer(made, self._amount_cents), "repeated": True}


class Reactivate(DecideExpired):
    """Gives it back to the cardholders, to be spent through `last_day`."""

    decision = REACTIVATE
    makes = (expired_money.LotExpired, expired_money.LotReactivated)

    def __init__(self, origin: Origin, deadline_us: int, *, last_day: str, **facts: Any) -> None:
        super().__init__(origin, deadline_us, **facts)
        self._last_day = last_day

    def _why_not(self, context: Context, account: Account) -> Refused | None:
        if self._last_day >= accounts.today_of(context, account):
            return None
        return Refused("past-day", "Nothing changed: that day has passed. Give a later one.")

    def _decide(self, context: Context, account: Account, held: lots.Lots) -> Iterable[Event]:
        return expired_money.reactivate(
            context, account, held, last_day=self._last_day, why=self._why
        )


class Return(DecideExpired):
    """Gives it back to the company."""

    decision = RETURN
    makes = (expired_money.LotExpired, expired_money.LotReturned)

    def _decide(self, context: Context, account: Account, held: lots.Lots) -> Iterable[Event]:
        return expired_money.return_(context, account, held, why=self._why)


class Donate(DecideExpired):
    """Gives it to a cause, by its name."""

    decision = DONATE
    makes = (expired_money.LotExpired, expired_money.LotDonated)

    def __init__(self, origin: Origin, deadline_us: int, *, cause: str, **facts: Any) -> None:
        super().__init__(origin, deadline_us, **facts)
        self._cause = cause

    def _decide(self, context: Context, account: Account, held: lots.Lots) -> Iterable[Event]:
        return expired_money.donate(context, account, held, cause=self._cause, why=self._why)
