"""Stripe's webhook messages, read. The sandbox writes them in the same way."""

import json
from typing import Any, Final
from uuid import UUID

from application.payment_processor import (
    DISPUTED,
    INQUIRY,
    INQUIRY_CLOSED,
    OTHER,
    PAID,
    REFUSED,
    WON,
    Charge,
    Forged,
    Notice,
)

MOST_BYTES: Final = 30_000
_KINDS: Final = {
    "payment_intent.succeeded": PAID,
    "payment_intent.payment_failed": REFUSED,
    "payment_intent.canceled": REFUSED,
}
_DISPUTE: Final = "charge.dispute."
MOVED: Final = {"funds_withdrawn": DISPUTED, "funds_reinstated": WON}
"""What says by itself that money went or came."""
_STATUSES: Final = {
    "needs_response": DISPUTED,
    "under_review": DISPUTED,
    "lost": DISPUTED,
    "won": WON,
    # A bank that only asks has taken nothing. https://docs.stripe.com/api/disputes/object
    "warning_needs_response": INQUIRY,
    "warning_under_review": INQUIRY,
    "warning_closed": INQUIRY_CLOSED,
}
"""Of a dispute, by where its money is. `prevented` says nothing of it: that money moved does."""
_MOST_NAME: Final = 200
_MOST_CENTS: Final = 2**53
_CREATED_MOST: Final = 2**38
"""In milliseconds still a time that an id can carry."""


def read_notice(body: bytes) -> Notice:
    """The message, after its signature was verified. Raises Forged for what is no message."""
    try:
        message = json.loads(body)
        event, kind = _name(message["id"]), _name(message["type"])
        created_s, about = message["created"], message["data"]["object"]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise Forged("it is no message of a processor") from None
    if (
        type(created_s) is not int
        or not 0 <= created_s < _CREATED_MOST
        or not isinstance(about, dict)
    ):
        raise Forged("it is no message of a processor")
    disputed = kind.startswith(_DISPUTE)
    state = _of_dispute(kind, about) if disputed else _KINDS.get(kind, OTHER)
    reference = about.get("payment_intent" if disputed else "id")
    cents = about.get("amount" if disputed else "amount_received", 0)
    return Notice(
        event=event,
        kind=kind,
        created_ms=created_s * 1000,
        refill_id=refill_of(about),
        charge=Charge(
            reference=reference[:_MOST_NAME] if isinstance(reference, str) else "",
            state=state,
            amount_cents=cents_of(cents),
            reason=reason_of(about),
            dispute=dispute_of(about) if disputed else "",
        ),
    )


def _of_dispute(kind: str, about: dict[str, Any]) -> str:
    """What a message about a dispute says of the money, in whatever order such messages come."""
    moved = MOVED.get(kind.removeprefix(_DISPUTE))
    if moved is not None:
        return moved
    status = about.get("status")
    return _STATUSES.get(status, OTHER) if isinstance(status, str) else OTHER


def dispute_of(about: dict[str, Any]) -> str:
    """How the processor calls a dispute; empty where it has no name."""
    named = about.get("id")
    known = isinstance(named, str) and named.replace("_", "").isalnum() and named.isascii()
    return named[:_MOST_NAME] if isinstance(named, str) and known else ""


def refill_of(intent: dict[str, Any]) -> UUID | None:
    """Which of our refills a payment is for, by what we had the processor keep with it."""
    metadata = intent.get("metadata")
    named = metadata.get("refill") if isinstance(metadata, dict) else None
    try:
        return UUID(named) if isinstance(named, str) else None
    except ValueError:
        return None


def cents_of(value: Any) -> int:
    """An amount; zero for what is none."""
    return value if type(value) is int and 0 <= value < _MOST_CENTS else 0


def reason_of(about: dict[str, Any]) -> str:
    """The code of a refusal or dispute: a word, no text that somebody could have written."""
    error = about.get("last_payment_error")
    found = about.get("reason")
    if isinstance(error, dict):
        found = error.get("decline_code") or error.get("code") or found
    known = isinstance(found, str) and found.replace("_", "").isalnum() and len(found) < 60
    return str(found) if known else "unknown"


def _name(value: Any) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= _MOST_NAME or not value.isprintable():
        raise ValueError
    return value
