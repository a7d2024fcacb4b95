"""A terminal's refund and a card's dispute as vectors, and requests that nobody may sign."""

from typing import Any

from protocol.adjustment import TYP_ADJUST, TYP_DISPUTE
from protocol.detached import sign_detached
from protocol.encoding import b64
from tests.vectors import stranger
from tests.vectors.material import NOW_MS, octets, party, signer, subject_id
from tests.vectors.stranger import compact

Json = dict[str, Any]


def adjustments() -> Json:
    """A terminal's refund and a card's dispute, signed, and requests that nobody may sign."""
    refund: Json = {
        "action": "REFUND",
        "amount_cents": 450,
        "counter": 43,
        "ms": NOW_MS,
        "terminal": str(subject_id("pos")),
        "transaction": str(subject_id("transaction")),
        "why": "wrong dish",
    }
    dispute: Json = {
        "amount_cents": 0,
        "card": str(subject_id("card")),
        "document": b64(octets("document", 32)),
        "ms": NOW_MS,
        "text": "I was not there.",
        "transaction": str(subject_id("transaction")),
    }
    pos, card = party("pos"), party("card")
    raw, contested = stranger.compact(refund), stranger.compact(dispute)
    return {
        "adjustment": raw.decode(),
        "adjustment_signature": sign_detached(raw, TYP_ADJUST, pos.kid, signer("pos")),
        "dispute": contested.decode(),
        "dispute_signature": sign_detached(contested, TYP_DISPUTE, card.kid, signer("card")),
        "refused_adjustments": bad_adjustments(refund),
        "refused_disputes": bad_disputes(dispute),
    }


def bad_adjustments(good: Json) -> list[str]:
    """Requests of a terminal with one thing changed."""
    changes: list[Json] = [
        {"action": "VOID"},  # of an amount
        {"action": "refund"},
        {"amount_cents": 0},
        {"amount_cents": -450},
        {"amount_cents": 4.5},
        {"amount_cents": 2**31},
        {"amount_cents": True},
        {"counter": 0},
        {"ms": 2**53},
        {"terminal": "till 1"},
        {"transaction": good["transaction"].upper()},
        {"transaction": None},
        {"why": "w" * 101},
        {"why": "two\nlines"},
        {"currency": "USD"},
    ]
    return _changed(good, changes)


def bad_disputes(good: Json) -> list[str]:
    """Requests of a card with one thing changed."""
    changes: list[Json] = [
        {"amount_cents": -1},
        {"amount_cents": "0"},
        {"document": good["document"][:-2]},
        {"document": None},
        {"text": ""},
        {"text": "  "},
        {"text": "t" * 1_001},
        {"text": "\u202e"},
        {"card": "mine"},
        {"action": "DISPUTE"},
    ]
    return _changed(good, changes)


def _changed(good: Json, changes: list[Json]) -> list[str]:
    missing = [{k: v for k, v in good.items() if k != name} for name in good]
    made = [{**good, **change} for change in changes]
    texts = [compact(each).decode() for each in made + missing]
    return [*texts, "", "[]", texts[0][:-1]]
