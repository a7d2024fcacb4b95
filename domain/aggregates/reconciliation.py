"""The reconciliation with the bank: which entry of a statement is which refill's or payout's money.

One stream: whoever matches names the version that was looked at, so two at once cannot match the
same money twice.
"""

from uuid import UUID

import msgspec

from domain.event import Context, Event, no_such_event, stamp, stored_as
from domain.ids import derived_id

RECONCILIATION_ID = derived_id("reconciliation", UUID(int=0), 0, 0)
"""The one stream of an installation's reconciliation."""


class MatchedLine(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """An entry of a statement: its key, booking day and signed cents, in above zero.

    `expected_position`: the event that let it be expected; `clears`: the account on which it was
    waited for; `how`: `reference`, or `amount` where amount and day left one choice only.
    """

    entry: str
    day: str
    amount_cents: int
    expected_position: int
    clears: str
    how: str


@stored_as("reconciliation.matched/1")
class StatementMatched(Event, frozen=True, kw_only=True, gc=False):
    """Entries of a statement that were matched. `file_sha256` in hex; `statement` as the bank
    names it."""

    statement: str
    file_sha256: str
    lines: tuple[MatchedLine, ...]


class Reconciliation(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """How many entries were ever matched."""

    id: UUID
    version: int
    matched: int


def evolve(reconciliation: Reconciliation | None, event: Event) -> Reconciliation:
    """The reconciliation after `event`."""
    match event:
        case StatementMatched():
            before = reconciliation.matched if reconciliation is not None else 0
            return Reconciliation(
                id=event.originator_id,
                version=event.originator_version,
                matched=before + len(event.lines),
            )
        case _:
            raise no_such_event("reconciliation", event)


def match_statement(
    context: Context,
    reconciliation: Reconciliation | None,
    *,
    statement: str,
    file_sha256: str,
    lines: tuple[MatchedLine, ...],
) -> StatementMatched:
    """Matches entries; at least one."""
    version = reconciliation.version + 1 if reconciliation is not None else 1
    return StatementMatched(
        **stamp(context, RECONCILIATION_ID, version),
        statement=statement,
        file_sha256=file_sha256,
        lines=lines,
    )
