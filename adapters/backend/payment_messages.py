"""The records of a payment as they stand on the wire, read and written without detours.

Shapes as in `protocol.messages`; here they are msgspec structs, for the hot path.
"""

from uuid import UUID

import msgspec

from application.authorize import Decision
from application.work import Failed
from domain.answers import TEXTS as ANSWERS
from protocol import bodies, messages
from protocol.contract import Contract
from protocol.errors import BAD_BODY, BodyError


class AuthorizeBody(msgspec.Struct, gc=False):
    id: int
    contract: str
    signature: str
    pin: bool
    salt: str | None = None
    track2: str = ""
    track: dict[str, str] | None = None
    consent: str = ""
    card_id: str = ""


class _Decision(msgspec.Struct, gc=False, omit_defaults=True):
    re: int
    counter: int
    ms: int
    transaction: UUID
    approved: bool
    code: str
    reason: str
    amount_cents: int
    would_pass_cents: int | None
    passes_at_ms: int | None
    text: str
    decided_ms: int
    duplicate: bool
    approved_cents: int | None = None


class _PhoneDecision(msgspec.Struct, gc=False, omit_defaults=True):
    counter: int
    ms: int
    transaction: UUID
    approved: bool
    code: str
    reason: str
    amount_cents: int
    would_pass_cents: int | None
    passes_at_ms: int | None
    text: str
    decided_ms: int
    duplicate: bool
    shop_name: str
    balance_cents: int | None
    approved_cents: int | None = None


_READ_AUTHORIZE = msgspec.json.Decoder(AuthorizeBody)
_WRITE = msgspec.json.Encoder()
_MOST = 2**63 - 1
_TRACK = frozenset({"box", "nonce", "session"})
_PLAIN = {"91": "unavailable", "96": "error"}


def read_authorize(body: bytes) -> AuthorizeBody:
    """The body of C AUTHORIZE. Raises BodyError `bad-body`.

    What is not as terminals write it (unknown members, a key twice, escapes, huge numbers) also
    passes through the protocol's strict reader, which the hot path does without.
    """
    try:
        asked = _READ_AUTHORIZE.decode(body)
    except (msgspec.DecodeError, ValueError, RecursionError):
        raise BodyError(BAD_BODY) from None
    if not _is_usual(body, asked):
        bodies.read(body, messages.Authorize)
    return asked


def _is_usual(body: bytes, asked: AuthorizeBody) -> bool:
    """Whether the body has the members that were read, each once, and nothing else.

    Every member has a colon, and no text that belongs in a member has one.
    """
    track = asked.track
    if track is not None and track.keys() != _TRACK:
        return False
    members = 4 if track is None else 5 + len(track)
    members += bool(asked.track2) + bool(asked.consent) + bool(asked.card_id)
    members += asked.salt is not None
    return body.count(b":") == members and b"\\" not in body and -_MOST <= asked.id <= _MOST


def undecided(failed: Failed, contract: Contract, now_us: int) -> Decision:
    text = ANSWERS.get((failed.code, failed.reason), ANSWERS[failed.code, _PLAIN[failed.code]])
    return Decision(
        transaction_id=UUID(int=0),
        approved=False,
        code=failed.code,
        reason=failed.reason,
        text=text,
        amount_cents=contract.amount_cents,
        would_pass_cents=None,
        decided_us=now_us,
    )


def to_pos(request: int, contract: Contract, answer: Decision) -> bytes:
    body = _Decision(
        request,
        contract.counter,
        contract.ms,
        answer.transaction_id,
        answer.approved,
        answer.code,
        answer.reason,
        answer.amount_cents,
        answer.would_pass_cents,
        _passes_at_ms(answer),
        answer.text,
        answer.decided_us // 1000,
        answer.duplicate,
        answer.approved_cents,
    )
    return _WRITE.encode(body)


def to_phone(contract: Contract, answer: Decision) -> bytes:
    body = _PhoneDecision(
        contract.counter,
        contract.ms,
        answer.transaction_id,
        answer.approved,
        answer.code,
        answer.reason,
        answer.amount_cents,
        answer.would_pass_cents,
        _passes_at_ms(answer),
        answer.text,
        answer.decided_us // 1000,
        answer.duplicate,
        answer.shop_name,
        answer.balance_cents,
        answer.approved_cents,
    )
    return _WRITE.encode(body)


def _passes_at_ms(answer: Decision) -> int | None:
    """Not before it: a moment within a millisecond is told as the next one."""
    return None if answer.passes_at_us is None else -(-answer.passes_at_us // 1000)
