"""What a device asks for about a payment that was approved, as the exact bytes that it signs
(TR-TPR 10.5a): a terminal's void, refund or tip; a card's dispute.

Verify over the bytes received, store those bytes, parse afterwards.
"""

import re
from typing import Any, Final, Literal, NamedTuple, TypedDict
from uuid import UUID

from protocol.contract import MAX_AMOUNT_CENTS, MAX_COUNTER, MAX_MS
from protocol.encoding import b64, from_json, to_json, unb64
from protocol.errors import BAD_BODY, BodyError
from protocol.line import UUID_PATTERN

TYP_ADJUST: Final = "tr-adjust+jws"
TYP_DISPUTE: Final = "tr-dispute+jws"
VOID, REFUND, TIP = "VOID", "REFUND", "TIP"
ACTIONS: Final = (VOID, REFUND, TIP)
WHY_MOST: Final = 100
TEXT_MOST: Final = 1_000
MAX_REQUEST_BYTES: Final = 8_192
_UUID: Final = re.compile(UUID_PATTERN, re.ASCII)
_ADJUSTMENT: Final = frozenset({
    "action", "amount_cents", "counter", "ms", "terminal", "transaction", "why",
})  # fmt: skip
_DISPUTE: Final = frozenset({"amount_cents", "card", "document", "ms", "text", "transaction"})


class SignedRequest(TypedDict):
    """C VOID, C REFUND, C TIP of a POS, C DISPUTE of a card: b64 of the bytes, their signature."""

    id: int
    request: str
    signature: str


class Adjusted(TypedDict):
    """I STATUS, the answer to a void, refund or tip. `code` and `reason` as in a DECISION."""

    re: int
    state: Literal["done", "refused"]
    transaction: str
    code: str
    reason: str
    text: str
    amount_cents: int
    net_cents: int
    would_pass_cents: int | None
    duplicate: bool


class DisputeStatus(TypedDict):
    """I STATUS, the answer to a card's C DISPUTE: how the one dispute over that payment stands.

    Of a refused one the amounts and times are 0 and `dispute` is empty.
    """

    re: int
    state: Literal["open", "cardholder", "shop", "refused"]
    dispute: str
    transaction: str
    code: str
    reason: str
    text: str
    amount_cents: int
    credited_cents: int
    evidence_until_ms: int
    decide_until_ms: int


class Adjustment(NamedTuple):
    """A terminal's request. (`terminal`, `counter`, `ms`) name it: one name, one change.

    `amount_cents` is 0 for a void, which takes all back.
    """

    action: str
    amount_cents: int
    counter: int
    ms: int
    terminal: UUID
    transaction: UUID
    why: str


class DisputeRequest(NamedTuple):
    """A card's request. `amount_cents` 0: all that is left of the payment.

    `document` is SHA-256 of what the cardholder can show, empty for none.
    """

    amount_cents: int
    card: UUID
    document: bytes
    ms: int
    text: str
    transaction: UUID


def encode_adjustment(asked: Adjustment) -> bytes:
    """The bytes to sign: JSON, sorted keys, no spaces. Raises BodyError `bad-body`."""
    raw = to_json({
        **asked._asdict(),
        "terminal": str(asked.terminal),
        "transaction": str(asked.transaction),
    })  # fmt: skip
    parse_adjustment(raw)
    return raw


def parse_adjustment(raw: bytes) -> Adjustment:
    """The request in `raw`. Raises BodyError `bad-body` for anything but exactly the members."""
    try:
        body = _members(raw, _ADJUSTMENT)
        action = body["action"]
        if action not in ACTIONS:
            raise ValueError("no such action")
        void = action == VOID
        return Adjustment(
            action=action,
            amount_cents=_integer(body["amount_cents"], 0 if void else 1, 0 if void else None),
            counter=_integer(body["counter"], 1, MAX_COUNTER),
            ms=_integer(body["ms"], 1, MAX_MS),
            terminal=_uuid(body["terminal"]),
            transaction=_uuid(body["transaction"]),
            why=_text(body["why"], WHY_MOST),
        )
    except ValueError:
        raise BodyError(BAD_BODY) from None


def encode_dispute(asked: DisputeRequest) -> bytes:
    """The bytes to sign: JSON, sorted keys, no spaces. Raises BodyError `bad-body`."""
    raw = to_json({
        **asked._asdict(),
        "card": str(asked.card),
        "document": b64(asked.document),
        "transaction": str(asked.transaction),
    })  # fmt: skip
    parse_dispute(raw)
    return raw


def parse_dispute(raw: bytes) -> DisputeRequest:
    """The request in `raw`. Raises BodyError `bad-body` for anything but exactly the members."""
    try:
        body = _members(raw, _DISPUTE)
        document = unb64(body["document"]) if type(body["document"]) is str else b"?"
        if len(document) not in (0, 32):
            raise ValueError("not a SHA-256")
        text = _text(body["text"], TEXT_MOST)
        if not text.strip():
            raise ValueError("says nothing")
        return DisputeRequest(
            amount_cents=_integer(body["amount_cents"], 0, None),
            card=_uuid(body["card"]),
            document=document,
            ms=_integer(body["ms"], 1, MAX_MS),
            text=text,
            transaction=_uuid(body["transaction"]),
        )
    except ValueError:
        raise BodyError(BAD_BODY) from None


def _members(raw: bytes, names: frozenset[str]) -> dict[str, Any]:
    if len(raw) > MAX_REQUEST_BYTES:
        raise ValueError("too long")
    body = from_json(raw)
    if body.keys() != names:
        raise ValueError("wrong members")
    return body


def _integer(value: Any, least: int, most: int | None) -> int:
    if type(value) is not int or not least <= value <= (MAX_AMOUNT_CENTS if most is None else most):
        raise ValueError("not a number in range")
    return value


def _uuid(value: Any) -> UUID:
    if type(value) is not str or _UUID.fullmatch(value) is None:
        raise ValueError("not a UUID in lowercase")
    return UUID(value)


def _text(value: Any, most: int) -> str:
    if type(value) is not str or len(value) > most or not value.isprintable():
        raise ValueError("not a text of one line")
    return value
