"""What both ends of a handshake share: identity, fresh values, proofs, keys (TR-TPR 5)."""

import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from hmac import compare_digest
from typing import Any, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from protocol.certificates import ENROLLEE, Peer, Trust
from protocol.encoding import b64, from_json, split_lp, to_json, unb64
from protocol.errors import (
    BAD_MAC,
    BAD_SIGNATURE,
    BAD_TAG,
    MALFORMED,
    OUT_OF_TURN,
    WEAK_KEY,
    WRONG_ROLE,
    HandshakeError,
    PeerError,
)
from protocol.key_schedule import IV_BYTES, confirmation, derive, extract, signed_content
from protocol.line import Line, read_error
from protocol.record import DirectionKeys, Session
from protocol.signature import SIGNATURE_BYTES, Sign, verifies

NONCE_BYTES: Final = 32
MAX_CLEAR_BYTES: Final = 1024


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a party is: its role, its chain (leaf first, root not included), its signer."""

    role: str
    chain_der: list[bytes]
    sign: Sign


@dataclass(frozen=True, slots=True, repr=False)
class Fresh:
    """The random values of one party in one handshake. Never use one twice.

    `name` is 8 bytes: the initiator's offer, or the responder's half of the session id.
    """

    ephemeral_private: bytes
    nonce: bytes
    name: bytes


def fresh() -> Fresh:
    """New random values from the operating system."""
    return Fresh(os.urandom(32), os.urandom(NONCE_BYTES), os.urandom(8))


class Party:
    """What both ends share: own key, transcripts, derived keys. `side` is `initiator` or
    `responder`."""

    def __init__(self, identity: Identity, trust: Trust, own: Fresh, now_ms: int) -> None:
        self.identity = identity
        self._trust = trust
        self.own = own
        self.now_ms = now_ms
        self._private = X25519PrivateKey.from_private_bytes(own.ephemeral_private)
        self.public = self._private.public_key().public_bytes_raw()
        self.session_id = ""
        """32 hex digits from M2 on."""
        self._prk = b""
        self.t2 = b""
        self.t3 = b""
        self.t4 = b""
        self.turn = 0

    def take_turn(self, turn: int) -> None:
        """Each message is handled once, in order; anything else ends the handshake."""
        expected, self.turn = self.turn, _ENDED
        if expected != turn:
            raise HandshakeError(OUT_OF_TURN)

    def agree(self, peer_ephemeral: bytes) -> None:
        """The shared secret. `weak-key` for the own key sent back, or an all-zero result."""
        if peer_ephemeral == self.public:
            raise HandshakeError(WEAK_KEY)
        try:
            # `exchange` raises ValueError for an all-zero result (RFC 7748 section 6.1).
            shared = self._private.exchange(X25519PublicKey.from_public_bytes(peer_ephemeral))
        except ValueError:
            raise HandshakeError(WEAK_KEY) from None
        self._prk = extract(shared)

    def make_proof(self, side: str, transcript: bytes, more: Mapping[str, Any]) -> bytes:
        """Own chain, signature and mac, sealed under the handshake keys of `side`."""
        chain, role = self.identity.chain_der, self.identity.role
        signature = self.identity.sign(signed_content(role, transcript, chain))
        mac_key = derive(self._prk, f"{side} mac", transcript)
        body = {
            "chain": [b64(der) for der in chain],
            "signature": b64(signature),
            "mac": b64(confirmation(mac_key, role, transcript, chain, signature)),
            **more,
        }
        key, iv = _handshake_keys(self._prk, side, transcript)
        return AESGCM(key).encrypt(iv, to_json(body), transcript)

    def check_proof(
        self, side: str, role: str, transcript: bytes, sealed: bytes, extra: Collection[str]
    ) -> tuple[Peer, dict[str, Any]]:
        """Opens the other end's proof; checks chain, `role`, signature, mac, in this order."""
        key, iv = _handshake_keys(self._prk, side, transcript)
        try:
            body = from_json(AESGCM(key).decrypt(iv, sealed, transcript))
        except InvalidTag:
            raise HandshakeError(BAD_TAG) from None
        except ValueError:
            raise HandshakeError(MALFORMED) from None
        exactly(body, {"chain", "signature", "mac", *extra})
        chain = body["chain"]
        if type(chain) is not list:
            raise HandshakeError(MALFORMED)
        chain_der = [decoded(each) for each in chain]
        signature = decoded(body["signature"], SIGNATURE_BYTES)
        mac = decoded(body["mac"], 32)
        verify = self._trust.verify_enrollee if role == ENROLLEE else self._trust.verify
        peer = verify(chain_der, self.now_ms)
        if peer.role != role:
            raise HandshakeError(WRONG_ROLE)
        content = signed_content(role, transcript, chain_der)
        if not verifies(peer.public_key, signature, content):
            raise HandshakeError(BAD_SIGNATURE)
        mac_key = derive(self._prk, f"{side} mac", transcript)
        expected = confirmation(mac_key, role, transcript, chain_der, signature)
        if not compare_digest(mac, expected):
            raise HandshakeError(BAD_MAC)
        return peer, body

    def open_session(self, own_side: str, peer_side: str, peer: Peer) -> Session:
        """The session under the application keys, which t4 decides."""
        prk, t4 = self._prk, self.t4
        return Session(
            session_id=self.session_id,
            outgoing=_application_keys(prk, own_side, t4),
            incoming=_application_keys(prk, peer_side, t4),
            t4=t4,
            pin=derive(prk, "pin", t4),
            export=derive(prk, "export", t4),
            peer=peer,
            opened_ms=self.now_ms,
        )


_ENDED: Final = -1


def _handshake_keys(prk: bytes, side: str, transcript: bytes) -> tuple[bytes, bytes]:
    key = derive(prk, f"{side} handshake key", transcript)
    return key, derive(prk, f"{side} handshake iv", transcript, IV_BYTES)


def _application_keys(prk: bytes, side: str, t4: bytes) -> DirectionKeys:
    key = derive(prk, f"{side} application key", t4)
    return DirectionKeys(key, derive(prk, f"{side} application iv", t4, IV_BYTES))


def expect(line: Line, kind: str, verb: str) -> None:
    """`line` must be this message; an `I ERROR` instead of it becomes a PeerError."""
    error = read_error(line)
    if error is not None:
        raise PeerError(*error)
    if line.kind != kind or line.verb != verb or line.sequence != 0:
        raise HandshakeError(OUT_OF_TURN)


def exactly(body: Mapping[str, Any], keys: Collection[str]) -> None:
    """`body` must have these members and no other."""
    if body.keys() != set(keys):
        raise HandshakeError(MALFORMED)


def clear_json(raw: bytes) -> dict[str, Any]:
    """The clear object of M1 or M2."""
    if len(raw) > MAX_CLEAR_BYTES:
        raise HandshakeError(MALFORMED)
    try:
        return from_json(raw)
    except ValueError:
        raise HandshakeError(MALFORMED) from None


def two_parts(payload: bytes) -> list[bytes]:
    """Clear and sealed part of M2."""
    try:
        return split_lp(payload, 2)
    except ValueError:
        raise HandshakeError(MALFORMED) from None


def decoded(text: Any, length: int | None = None) -> bytes:
    """The bytes of a base64url member, of this length if one is given."""
    try:
        data = unb64(text) if type(text) is str else None
    except ValueError:
        data = None
    if data is None or (length is not None and len(data) != length):
        raise HandshakeError(MALFORMED)
    return data
