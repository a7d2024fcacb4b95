"""The contract: what POS and cardholder agree to, as the exact bytes that both sign
(TR-TPR section 7). Verify over the bytes received, store those bytes, parse afterwards."""

import re
from functools import lru_cache
from hashlib import sha256
from typing import Any, Final, NamedTuple
from uuid import UUID

from protocol.detached import TYP_CARD, TYP_OPERATOR, TYP_POS, sign_detached, verify_detached
from protocol.encoding import b64, from_json, to_json, unb64
from protocol.errors import BAD_BODY, BAD_CONTRACT, BAD_TRACK, BodyError
from protocol.line import UUID_PATTERN

__all__ = [
    "TYP_CARD",
    "TYP_OPERATOR",
    "TYP_POS",
    "Contract",
    "card_reference",
    "contract_hash",
    "encode_contract",
    "items_hash",
    "parse_contract",
    "sign_detached",
    "verify_detached",
]

MAX_CONTRACT_BYTES: Final = 1024
MAX_AMOUNT_CENTS: Final = 2**31 - 1
MAX_COUNTER: Final = 2**63 - 1
MAX_MS: Final = 2**48 - 1
"""What the id of a transaction holds: until the year 10889."""
SALT_BYTES: Final = 16

_UUID: Final = re.compile(UUID_PATTERN, re.ASCII)
_KEYS: Final = frozenset({
    "amount_cents", "card", "counter", "currency", "expires_ms", "items", "ms", "session",
    "shop", "terminal",
})  # fmt: skip
_MORE: Final = _KEYS | {"group", "partial", "tip_cents"}

_NUMBER, _HASH, _ID = rb"([1-9][0-9]{0,18})", rb'"([A-Za-z0-9_-]{43})"', rb'"([0-9a-f-]{36})"'
_USUAL: Final = re.compile(
    rb'\{"amount_cents":%b,"card":%b,"counter":%b,"currency":"USD","expires_ms":%b,"items":%b,'
    rb'"ms":%b,"session":%b,"shop":%b,"terminal":%b\}'
    % (_NUMBER, _HASH, _NUMBER, _NUMBER, _HASH, _NUMBER, _HASH, _ID, _ID)
)


class Contract(NamedTuple):
    """One purchase. Times are milliseconds since 1970 UTC, money is cents of `currency`."""

    amount_cents: int
    card: bytes
    """`card_reference`: names the card only to who knows salt and PAN."""
    counter: int
    """The terminal's own, strictly increasing."""
    currency: str
    expires_ms: int
    items: bytes
    """`items_hash` of what is bought."""
    ms: int
    session: bytes
    """t4 of the session between POS and backend."""
    shop: UUID
    terminal: UUID
    group: UUID | None = None
    """The bill that several cards share; None for a bill of one card."""
    partial: bool = False
    """Whether the POS takes an approval of part of the amount (answer 10)."""
    tip_cents: int = 0
    """The highest tip that the cardholder agrees to; 0 where none is named."""


def encode_contract(contract: Contract) -> bytes:
    """The bytes to sign: JSON, sorted keys, no spaces. Raises BodyError `bad-contract`."""
    raw = to_json({
        "amount_cents": contract.amount_cents,
        "card": b64(contract.card),
        "counter": contract.counter,
        "currency": contract.currency,
        "expires_ms": contract.expires_ms,
        "items": b64(contract.items),
        "ms": contract.ms,
        "session": b64(contract.session),
        "shop": str(contract.shop),
        "terminal": str(contract.terminal),
        **_more(contract),
    })  # fmt: skip
    parse_contract(raw)
    return raw


def _more(contract: Contract) -> dict[str, Any]:
    more: dict[str, Any] = {}
    if contract.group is not None:
        more["group"] = str(contract.group)
    if contract.partial:
        more["partial"] = True
    if contract.tip_cents:
        more["tip_cents"] = contract.tip_cents
    return more


def parse_contract(raw: bytes) -> Contract:
    """The contract in `raw`. Raises BodyError `bad-contract` for anything but the ten members and
    those of the three more that apply, each of its type and range, none twice, in any order."""
    try:
        if len(raw) > MAX_CONTRACT_BYTES:
            raise ValueError("too long")
        usual = _usual(raw)
        body = usual or from_json(raw)
        if usual is None and not _KEYS <= body.keys() <= _MORE:
            raise ValueError("wrong members")
        if body["currency"] != "USD":
            raise ValueError("wrong currency")
        ms = _integer(body["ms"], MAX_MS)
        expires_ms = _integer(body["expires_ms"], MAX_MS)
        if expires_ms <= ms:
            raise ValueError("expires before it begins")
        more = _NO_MORE if usual is not None else _read_more(body)
        return Contract(
            amount_cents=_integer(body["amount_cents"], MAX_AMOUNT_CENTS),
            card=_hash(body["card"]),
            counter=_integer(body["counter"], MAX_COUNTER),
            currency="USD",
            expires_ms=expires_ms,
            items=_hash(body["items"]),
            ms=ms,
            session=_hash(body["session"]),
            shop=_uuid(body["shop"]),
            terminal=_uuid(body["terminal"]),
            group=more[0],
            partial=more[1],
            tip_cents=more[2],
        )
    except ValueError:
        raise BodyError(BAD_CONTRACT) from None


_NO_MORE: Final[tuple[UUID | None, bool, int]] = (None, False, 0)


def _read_more(body: dict[str, Any]) -> tuple[UUID | None, bool, int]:
    """The members that most contracts do not have. Raises ValueError."""
    group, partial = body.get("group"), "partial" in body
    if partial and (body["partial"] is not True or group is not None):
        # All shares of a bill or none: a share in part would be neither.
        raise ValueError("not a partial approval that can be")
    tip_cents = _integer(body["tip_cents"], MAX_AMOUNT_CENTS) if "tip_cents" in body else 0
    return _uuid(group) if "group" in body else None, partial, tip_cents


def _usual(raw: bytes) -> dict[str, Any] | None:
    """The members, where `raw` is as `encode_contract` writes it: three times quicker than JSON."""
    found = _USUAL.fullmatch(raw)
    if found is None:
        return None
    amount_cents, card, counter, expires_ms, items, ms, session, shop, terminal = found.groups()
    return {
        "amount_cents": int(amount_cents),
        "card": card.decode(),
        "counter": int(counter),
        "currency": "USD",
        "expires_ms": int(expires_ms),
        "items": items.decode(),
        "ms": int(ms),
        "session": session.decode(),
        "shop": shop.decode(),
        "terminal": terminal.decode(),
    }


def contract_hash(raw: bytes) -> bytes:
    """SHA-256 of the contract bytes: how a reversal names them."""
    return sha256(raw).digest()


def card_reference(salt: bytes, pan: str) -> bytes:
    """SHA-256(salt ‖ PAN digits in ASCII). `salt` is 16 random bytes, new for each contract.

    Raises BodyError `bad-body` for another salt, `bad-track` for what is no PAN.
    """
    if len(salt) != SALT_BYTES:
        raise BodyError(BAD_BODY)
    if not (pan.isascii() and pan.isdigit()):
        raise BodyError(BAD_TRACK)
    return sha256(salt + pan.encode("ascii")).digest()


def items_hash(items: list[dict[str, Any]]) -> bytes:
    """SHA-256 of `{"items":[…]}` as compact JSON with sorted keys; an amount typed in by the
    cashier has the empty list."""
    return sha256(to_json({"items": items})).digest()


def _integer(value: Any, highest: int) -> int:
    if type(value) is not int or not 1 <= value <= highest:
        raise ValueError("not a number in range")
    return value


def _hash(value: Any) -> bytes:
    data = unb64(value) if type(value) is str else b""
    if len(data) != 32:
        raise ValueError("not 32 bytes")
    return data


def _uuid(value: Any) -> UUID:
    if type(value) is not str:
        raise ValueError("not a UUID")
    return _known_uuid(value)


@lru_cache(maxsize=16384)
def _known_uuid(text: str) -> UUID:
    if _UUID.fullmatch(text) is None:
        raise ValueError("not a UUID in lowercase")
    return UUID(text)
