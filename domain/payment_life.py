"""What may be done to a payment, by the state it is in: one table (TR-BEFS section 7.3).

The state is derived from the payment's events and from whether its business day is closed. A step
that the table allows may still be refused for its amount, its terminal or its time.
"""

from typing import Final

from domain.aggregates.transaction import Transaction
from domain.answers import Refusal, refusal

UNKNOWN: Final = "unknown"
BARRED: Final = "barred"
"""Its reversal came first: the authorization will be refused."""
DECLINED: Final = "declined"
APPROVED: Final = "approved"
SETTLED: Final = "settled"
"""Approved, and its business day is closed."""
DISPUTED: Final = "disputed"
PART_REFUNDED: Final = "refunded-in-part"
REFUNDED: Final = "refunded"
VOIDED: Final = "voided"
REVERSED: Final = "reversed"

STATES: Final = (
    *(UNKNOWN, BARRED, DECLINED, APPROVED, SETTLED),
    *(DISPUTED, PART_REFUNDED, REFUNDED, VOIDED, REVERSED),
)
REVERSE: Final = "REVERSE"
VOID: Final = "VOID"
TIP: Final = "TIP"
REFUND: Final = "REFUND"
DISPUTE: Final = "DISPUTE"
DECIDE: Final = "DECIDE"
CORRECT: Final = "CORRECT"
STEPS: Final = (REVERSE, VOID, TIP, REFUND, DISPUTE, DECIDE, CORRECT)

No = tuple[str, str]
"""Code and reason of `domain.answers.TEXTS`."""
To = frozenset[str]
"""The states that the step can lead to."""


def _to(*states: str) -> To:
    return frozenset(states)


_GONE: Final[No] = ("25", "unknown-transaction")
_NEVER: Final[No] = ("12", "not-approved")
_CLOSED: Final[No] = ("12", "day-closed")
_DISPUTED: Final[No] = ("12", "disputed")
_REFUNDED: Final[No] = ("12", "already-refunded")
_VOIDED: Final[No] = ("12", "already-voided")
_REVERSED: Final[No] = ("12", "already-reversed")
_NONE_OPEN: Final[No] = ("12", "no-dispute")
_AGAIN: Final = _to(APPROVED, SETTLED, PART_REFUNDED, REFUNDED)

LIFE: Final[dict[str, dict[str, To | No]]] = {
    UNKNOWN: {
        REVERSE: _to(BARRED), VOID: _GONE, TIP: _GONE, REFUND: _GONE,
        DISPUTE: _GONE, DECIDE: _GONE, CORRECT: _GONE,
    },
    BARRED: {
        REVERSE: _to(BARRED), VOID: _GONE, TIP: _GONE, REFUND: _GONE,
        DISPUTE: _GONE, DECIDE: _GONE, CORRECT: _NEVER,
    },
    DECLINED: {
        REVERSE: _to(DECLINED), VOID: _NEVER, TIP: _NEVER, REFUND: _NEVER,
        DISPUTE: _NEVER, DECIDE: _NONE_OPEN, CORRECT: _NEVER,
    },
    APPROVED: {
        REVERSE: _to(REVERSED), VOID: _to(VOIDED), TIP: _to(APPROVED),
        REFUND: _to(PART_REFUNDED, REFUNDED), DISPUTE: _to(DISPUTED), DECIDE: _NONE_OPEN,
        CORRECT: _to(APPROVED),
    },
    SETTLED: {
        REVERSE: _to(REVERSED), VOID: _CLOSED, TIP: _CLOSED,
        REFUND: _to(PART_REFUNDED, REFUNDED), DISPUTE: _to(DISPUTED), DECIDE: _NONE_OPEN,
        CORRECT: _to(SETTLED),
    },
    DISPUTED: {
        REVERSE: _to(REVERSED), VOID: _DISPUTED, TIP: _DISPUTED, REFUND: _to(DISPUTED),
        DISPUTE: _DISPUTED, DECIDE: _AGAIN, CORRECT: _to(DISPUTED),
    },
    PART_REFUNDED: {
        REVERSE: _to(REVERSED), VOID: _REFUNDED, TIP: _REFUNDED,
        REFUND: _to(PART_REFUNDED, REFUNDED), DISPUTE: _to(DISPUTED), DECIDE: _NONE_OPEN,
        CORRECT: _to(PART_REFUNDED, REFUNDED),
    },
    REFUNDED: {
        REVERSE: _to(REVERSED), VOID: _REFUNDED, TIP: _REFUNDED, REFUND: _REFUNDED,
        DISPUTE: _REFUNDED, DECIDE: _NONE_OPEN, CORRECT: _to(PART_REFUNDED),
    },
    VOIDED: {
        REVERSE: _to(VOIDED), VOID: _VOIDED, TIP: _VOIDED, REFUND: _VOIDED,
        DISPUTE: _VOIDED, DECIDE: _NONE_OPEN, CORRECT: _NEVER,
    },
    REVERSED: {
        REVERSE: _to(REVERSED), VOID: _REVERSED, TIP: _REVERSED, REFUND: _REVERSED,
        DISPUTE: _REVERSED, DECIDE: _to(REVERSED), CORRECT: _NEVER,
    },
}  # fmt: skip
"""State -> step -> where it leads, or why not. A reversed payment's open dispute is still decided,
for nothing: no money is left to give back."""


def why_not(state: str, step: str) -> Refusal | None:
    """The refusal of the table; None where the step may go on."""
    found = LIFE[state][step]
    return None if isinstance(found, frozenset) else refusal(*found)


def state_of(transaction: Transaction | None, *, closed: bool) -> str:
    """The state that the payment is in; `closed`: its business day is over."""
    if transaction is None:
        return UNKNOWN
    if transaction.status == "reversed":
        return REVERSED if transaction.contract_hash else BARRED
    if transaction.status != "approved":
        return VOIDED if transaction.status == "voided" else DECLINED
    if transaction.in_dispute:
        return DISPUTED
    if transaction.refunded_cents or transaction.credited_cents:
        return PART_REFUNDED if transaction.net_cents else REFUNDED
    return SETTLED if closed else APPROVED
