"""What one account got from one refill, once that was corrected.

The credit itself is an event of the account; this stream begins with its first correction. So two
corrections of one credit meet here, and only one of them is the next version.
"""

from uuid import UUID

import msgspec

from domain.aggregates.refill import MOST_CENTS
from domain.answers import Refusal, dollars
from domain.event import Context, Event, no_such_event, stamp, stored_as
from domain.grounds import Grounds
from domain.ids import derived_id, milliseconds_of, partition_of


@stored_as("credit.corrected/1")
class Corrected(Event, frozen=True, kw_only=True, gc=False):
    """Two operators put the amount right. The account's event is the one after `account_version`;
    `corrects_version` is the account's event that it corrects."""

    refill_id: UUID
    account_id: UUID
    from_cents: int
    to_cents: int
    why: str
    corrects_version: int
    account_version: int
    grounds: Grounds


class Credit(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The credit as it stands: `version` counts its corrections, `account_version` is the
    account's event that made it so. `added_cents` of it corrections added: they have no last
    day."""

    id: UUID
    version: int
    refill_id: UUID
    account_id: UUID
    amount_cents: int
    account_version: int
    added_cents: int = 0


def credit_id(refill_id: UUID, account_id: UUID) -> UUID:
    """The id of an account's credit by a refill, in the account's partition."""
    label = f"credit {account_id}"
    return derived_id(label, refill_id, milliseconds_of(refill_id), partition_of(account_id))


def as_credited(
    refill_id: UUID, account_id: UUID, *, amount_cents: int, account_version: int
) -> Credit:
    """The credit before any correction, as the account's event says it."""
    return Credit(
        id=credit_id(refill_id, account_id),
        version=0,
        refill_id=refill_id,
        account_id=account_id,
        amount_cents=amount_cents,
        account_version=account_version,
    )


def evolve(credit: Credit | None, event: Event) -> Credit:
    """The credit after `event`."""
    match event:
        case Corrected():
            added_cents = credit.added_cents if credit is not None else 0
            return Credit(
                id=event.originator_id,
                version=event.originator_version,
                refill_id=event.refill_id,
                account_id=event.account_id,
                amount_cents=event.to_cents,
                account_version=event.account_version + 1,
                added_cents=max(0, added_cents + event.to_cents - event.from_cents),
            )
        case _:
            raise no_such_event("credit", event)


def correct(
    context: Context,
    credit: Credit,
    *,
    to_cents: int,
    why: str,
    account_version: int,
    grounds: Grounds,
    gone_cents: int = 0,
) -> Corrected | Refusal:
    """Puts a credit's amount right: 0 .. MOST_CENTS, different from now.

    Nor less than the `gone_cents` of it that expired: other money would be taken for them.
    """
    if not 0 <= to_cents <= MOST_CENTS:
        text = f"The right amount of a refill must be $0.00 to {dollars(MOST_CENTS)}."
        return Refusal("13", "amount", text)
    if to_cents == credit.amount_cents:
        return Refusal("12", "no-change", "The credit has that amount already.")
    least_cents = min(gone_cents, credit.amount_cents)
    if to_cents < least_cents:
        text = (
            f"{dollars(least_cents)} of that credit expired, so the right amount cannot be less."
            " What is still held can be reactivated first (`funds reactivate`)."
        )
        return Refusal("13", "expired-credit", text)
    return Corrected(
        **stamp(context, credit.id, credit.version + 1),
        refill_id=credit.refill_id,
        account_id=credit.account_id,
        from_cents=credit.amount_cents,
        to_cents=to_cents,
        why=why,
        corrects_version=credit.account_version,
        account_version=account_version,
        grounds=grounds,
    )
