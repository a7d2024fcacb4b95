"""Answers to an authorization: ISO 8583 codes, each with a machine-readable reason."""

import msgspec


class Refusal(msgspec.Struct, frozen=True, gc=False):
    """A no, as a value, and what would be a yes.

    `would_pass_cents` would pass now; None where no amount would. At `passes_at_us` the full
    amount would, if nothing else is paid until then; None where that cannot be said.
    """

    code: str
    reason: str
    text: str
    would_pass_cents: int | None = None
    passes_at_us: int | None = None


APPROVED_CODE = "00"
PARTIAL_CODE = "10"

# code, reason -> what a cashier reads. One table for the rules, the specification and the tests.
TEXTS: dict[tuple[str, str], str] = {
    ("05", "reversed-before"): "Refused: this payment was already cancelled by the terminal.",
    ("12", "stale-clock"): "Refused: the terminal's clock is off by more than five minutes.",
    ("12", "expired-contract"): "Refused: this payment was prepared too long ago. Start again.",
    ("12", "foreign-session"): "Refused: this payment belongs to another connection. Start again.",
    ("12", "already-refunded"): "Refused: money of this payment was given back already.",
    ("12", "already-reversed"): "Refused: this payment was taken back already.",
    ("12", "already-voided"): "Refused: this payment was voided already.",
    ("12", "day-closed"): "Refused: the day of this payment is closed. Refund it instead.",
    ("12", "disputed"): "Refused: this payment is in dispute. A refund is still possible.",
    ("12", "disputed-before"): "Refused: a dispute over this payment was decided before.",
    ("12", "no-dispute"): "Refused: no dispute over this payment is open.",
    ("12", "not-approved"): "Refused: this payment was not approved.",
    ("12", "tip-given"): "Refused: this payment has its tip already. Void it or refund it.",
    ("12", "too-late"): "Refused: a payment can be disputed for 60 days.",
    ("13", "amount"): "Refused: the amount must be between $0.01 and $21,474,836.47.",
    ("13", "over-original"): "Refused: more than is left of the payment.",
    ("14", "unknown-card"): "Refused: this card is not one of ours.",
    ("25", "unknown-transaction"): "There is no such payment.",
    ("41", "card-lost"): "Refused: this card was reported lost.",
    ("43", "card-stolen"): "Refused: this card was reported stolen.",
    ("51", "balance"): "Refused: not enough money on the card.",
    ("54", "card-expired"): "Refused: this card has expired.",
    ("55", "wrong-pin"): "Refused: wrong PIN.",
    ("55", "pin-required"): "Refused: this amount needs the PIN.",
    ("55", "step-up"): "Refused: this payment needs the PIN. Enter it and try again.",
    ("57", "category"): "Refused: this card does not pay in shops of this kind.",
    ("57", "weekday"): "Refused: this card does not pay on this day of the week.",
    ("57", "holiday"): "Refused: this card does not pay on this day.",
    ("57", "hours"): "Refused: this card does not pay at this hour.",
    ("58", "terminal"): "Refused: this terminal is not allowed to take payments.",
    ("58", "other-terminal"): "Refused: only the terminal that took this payment may void it.",
    ("61", "tip-ceiling"): "Refused: over the tip that the cardholder agreed to.",
    ("61", "payment-limit"): "Refused: over what this card may spend at a time.",
    ("61", "daily-limit"): "Refused: over what this card may spend in a day.",
    ("61", "weekly-limit"): "Refused: over what this card may spend in a week.",
    ("61", "monthly-limit"): "Refused: over what this card may spend in a month.",
    ("61", "legal-limit"): "Refused: over what the law lets any such card spend in a day.",
    ("62", "card-blocked"): "Refused: this card is blocked.",
    ("62", "account-closed"): "Refused: the account of this card is closed.",
    ("63", "card-check"): "Refused: the card's security check failed.",
    ("63", "consent"): "Refused: the cardholder's signature does not fit this payment.",
    ("65", "refund-count"): "Refused: this payment was refunded 50 times; no more fit.",
    ("65", "daily-count"): "Refused: as many payments today as this card may make in a day.",
    ("65", "weekly-count"): "Refused: as many payments this week as this card may make in one.",
    ("65", "monthly-count"): "Refused: as many payments this month as this card may make in one.",
    ("63", "suspicion"): "Refused: this use of the card looks unusual. The cardholder was asked.",
    ("75", "pin-tries"): "Refused: PIN entered wrong three times. The card is locked.",
    ("91", "unavailable"): "Not decided: the service is unavailable. Try again.",
    ("94", "duplicate"): "Refused: this payment number was already used for another payment.",
    ("96", "error"): "Not decided: an error on our side. Try again.",
}


def refusal(code: str, reason: str) -> Refusal:
    """The refusal of the table. KeyError for one that is not in it."""
    return Refusal(code, reason, TEXTS[code, reason])


def less_would_pass(code: str, reason: str, most_cents: int) -> Refusal:
    """The refusal of an amount, with the largest that would pass, 0 for none."""
    no = refusal(code, reason)
    words = f" {dollars(most_cents)} would pass." if most_cents else ""
    return Refusal(code, reason, no.text + words, most_cents)


def dollars(cents: int) -> str:
    """An amount as people write it: $1,234.50, -$0.05."""
    sign = "-" if cents < 0 else ""
    whole, rest = divmod(abs(cents), 100)
    return f"{sign}${whole:,}.{rest:02d}"
