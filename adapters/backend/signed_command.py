"""An operator's command as it arrives: in one or several pieces, signed over its exact bytes.

A refill of 5,000 lines does not fit into one line of the protocol, so a command may come as
`pieces` requests of the same `id` and `signature`, numbered by `piece` from 1; only the last is
answered. The signature covers all bytes joined.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple
from uuid import UUID

from adapters.backend.operator_ports import Denied
from application import fields
from protocol import bodies, messages
from protocol.detached import TYP_OPERATOR, verify_detached
from protocol.encoding import unb64
from protocol.errors import BAD_BODY, BodyError
from protocol.record import Session

MOST_PIECES = 32
MOST_BYTES = 1 << 20
CLOCK_OFF_MS = 5 * 60 * 1000


class SignedCommand(NamedTuple):
    """What an operator signed, and the exact bytes and the detached JWS over them."""

    verb: str
    command_id: UUID
    issued_ms: int
    body: Mapping[str, Any]
    raw: bytes
    signature: str


class Pieces:
    """The command that each session is in the middle of sending: one at a time."""

    def __init__(self) -> None:
        self._begun: dict[str, tuple[int, str, int, list[bytes]]] = {}

    def add(self, session_id: str, body: Mapping[str, Any]) -> bytes | None:
        """The command's bytes once its last piece is there. Raises BodyError."""
        try:
            piece_bytes = unb64(body["command"])
        except ValueError:
            raise BodyError(BAD_BODY) from None
        number, count = body.get("piece", 1), body.get("pieces", 1)
        if type(number) is not int or type(count) is not int or not 1 <= number <= count:
            raise BodyError(BAD_BODY)
        if count > MOST_PIECES:
            raise BodyError(BAD_BODY, f"a command has at most {MOST_PIECES} pieces")
        same = (body["id"], body["signature"], count)
        begun = self._begun.pop(session_id, None)
        if number == 1:
            begun = (*same, [])
        if begun is None or begun[:3] != same or len(begun[3]) != number - 1:
            raise BodyError(BAD_BODY, "the pieces of a command come one after the other")
        begun[3].append(piece_bytes)
        if sum(map(len, begun[3])) > MOST_BYTES:
            raise BodyError(BAD_BODY, f"a command has at most {MOST_BYTES:,} bytes")
        if number == count:
            return b"".join(begun[3])
        self._begun[session_id] = begun
        return None

    def forget(self, session_id: str) -> None:
        """The session is gone."""
        self._begun.pop(session_id, None)


def open_command(
    raw: bytes, signature: str, verb: str, session: Session, now_ms: int
) -> SignedCommand:
    """The command in `raw`, after its signature by the session's own certificate.

    Raises BodyError (bad-signature, wrong-signer, bad-body), Invalid, or Denied for one that was
    signed more than five minutes away from now.
    """
    peer = session.peer
    verify_detached(raw, signature, TYP_OPERATOR, peer.public_key, peer.kid)
    command = bodies.read(raw, messages.Command)
    if command["verb"] != verb:
        raise BodyError(BAD_BODY, "the signed verb is not that of the line")
    issued_ms = command["issued_ms"]
    if abs(now_ms - issued_ms) > CLOCK_OFF_MS:
        raise Denied(
            "stale-command",
            "The command was signed more than five minutes from the backend's time."
            " Set this machine's clock and give the command again.",
        )
    command_id = fields.uuid(command, "command_id")
    return SignedCommand(verb, command_id, issued_ms, command["body"], raw, signature)
