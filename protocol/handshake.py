"""The handshake TR-AKE/1: mutual proof of identity, fresh keys (TR-TPR section 5).

SIGMA-I in the shape of TLS 1.3. Each object serves one handshake; an exception ends it.
"""

from collections.abc import Collection, Mapping
from typing import Any

from protocol.certificates import ENROLLEE, ROLES, Peer, Trust
from protocol.encoding import b64, from_json, lp, to_json
from protocol.errors import (
    BAD_BODY,
    MALFORMED,
    REVOKED_CERTIFICATE,
    UNSUPPORTED_SUITE,
    UNSUPPORTED_VERSION,
    WRONG_CLASS,
    WRONG_PEER,
    WRONG_ROLE,
    WRONG_SESSION,
    HandshakeError,
)
from protocol.key_schedule import SUITE, VERSION, transcript_2, transcript_next
from protocol.line import Line, encode
from protocol.party import (
    NONCE_BYTES,
    Fresh,
    Identity,
    Party,
    clear_json,
    decoded,
    exactly,
    expect,
    fresh,
    two_parts,
)
from protocol.record import Session

__all__ = ["Fresh", "Identity", "Initiator", "Responder", "fresh"]
_CLAIMED = ROLES | {ENROLLEE}
"""What an initiator may say that it is."""


class Initiator(Party):
    """The end that calls: a device, the website, an operator.

    `to` is `backend` or the UUID of a terminal, which must then be the peer's subject id.
    `expected_role` is the role that the peer's certificate must have. All methods raise
    HandshakeError (CertificateError, PeerError) or LineError.
    """

    def __init__(
        self,
        identity: Identity,
        trust: Trust,
        to: str,
        expected_role: str,
        now_ms: int,
        *,
        random: Fresh | None = None,
    ) -> None:
        super().__init__(identity, trust, random or fresh(), now_ms)
        self._to = to
        self._expected_role = expected_role
        self._m1 = b""
        self._peer: Peer | None = None
        self.offer = self.own.name.hex()

    def hello(self) -> bytes:
        """M1, the first line to send."""
        self.take_turn(0)
        self._m1 = to_json({
            "version": VERSION,
            "suite": SUITE,
            "role": self.identity.role,
            "ephemeral": b64(self.public),
            "nonce": b64(self.own.nonce),
        })  # fmt: skip
        self.turn = 1
        return encode(Line("C", "HELLO", self._to, self.offer, 0, self._m1))

    def prove(self, line: Line) -> bytes:
        """M3, after the responder's M2 in `line` was verified."""
        self.take_turn(1)
        expect(line, "D", "HELLO")
        if line.to != "peer" or len(line.session) != 32 or line.session[:16] != self.offer:
            raise HandshakeError(WRONG_SESSION)
        clear, sealed = two_parts(line.payload)
        hello = clear_json(clear)
        exactly(hello, {"session", "role", "ephemeral", "nonce"})
        if hello["session"] != line.session:
            raise HandshakeError(WRONG_SESSION)
        if hello["role"] != self._expected_role:
            raise HandshakeError(WRONG_ROLE)
        decoded(hello["nonce"], NONCE_BYTES)
        self.session_id = line.session
        self.agree(decoded(hello["ephemeral"], 32))
        self.t2 = transcript_2(self._m1, clear)
        role = self._expected_role
        peer, proof = self.check_proof("responder", role, self.t2, sealed, {"status"})
        if self._to != "backend" and str(peer.subject_id) != self._to:
            raise HandshakeError(WRONG_PEER)
        _check_status(proof["status"])
        self._peer = peer
        self.t3 = transcript_next(self.t2, sealed)
        m3 = self.make_proof("initiator", self.t3, {})
        self.t4 = transcript_next(self.t3, m3)
        self.turn = 2
        return encode(Line("C", "PROVE", self._to, self.session_id, 0, m3))

    def ready(self, line: Line) -> tuple[Session, dict[str, Any]]:
        """The open session and the body of READY, from the responder's M4 in `line`.

        Raises RecordError too: M4 is the first record of the session.
        """
        self.take_turn(2)
        expect(line, "I", "READY")
        assert self._peer is not None
        session = self.open_session("initiator", "responder", self._peer)
        body = session.open(line)
        try:
            return session, from_json(body)
        except ValueError:
            raise HandshakeError(BAD_BODY) from None


class Responder(Party):
    """The end that is called: the backend, or a POS called by a card.

    `status` goes to the initiator inside M2: `{}`, or what is known of the own certificate's
    revocation, `{"state": "good", …}`.
    """

    def __init__(
        self,
        identity: Identity,
        trust: Trust,
        now_ms: int,
        *,
        status: Mapping[str, Any] | None = None,
        random: Fresh | None = None,
    ) -> None:
        super().__init__(identity, trust, random or fresh(), now_ms)
        self._status = dict(status or {})
        self.claimed_role = ""
        """The role that M1 claims: unproven until `finish`."""

    def answer(self, line: Line) -> bytes:
        """M2, the answer to the initiator's M1 in `line`."""
        self.take_turn(0)
        expect(line, "C", "HELLO")
        if len(line.session) != 16 or line.to == "peer":
            raise HandshakeError(WRONG_SESSION)
        if (line.to == "backend") != (self.identity.role == "backend"):
            raise HandshakeError(WRONG_PEER)
        hello = clear_json(line.payload)
        _check_version(hello)
        exactly(hello, {"version", "suite", "role", "ephemeral", "nonce"})
        role = hello["role"]
        # Two ends of one role could be played against each other; no pair in TR-TPR is so.
        if type(role) is not str or role not in _CLAIMED or role == self.identity.role:
            raise HandshakeError(WRONG_ROLE)
        decoded(hello["nonce"], NONCE_BYTES)
        self.claimed_role = role
        self.agree(decoded(hello["ephemeral"], 32))
        self.session_id = line.session + self.own.name.hex()
        clear = to_json({
            "session": self.session_id,
            "role": self.identity.role,
            "ephemeral": b64(self.public),
            "nonce": b64(self.own.nonce),
        })  # fmt: skip
        self.t2 = transcript_2(line.payload, clear)
        sealed = self.make_proof("responder", self.t2, {"status": self._status})
        self.t3 = transcript_next(self.t2, sealed)
        self.turn = 1
        return encode(Line("D", "HELLO", "peer", self.session_id, 0, lp(clear) + lp(sealed)))

    def finish(self, line: Line, allowed_roles: Collection[str]) -> Session:
        """The open session, after the initiator's M3 in `line` was verified.

        `allowed_roles`: what the TLS class of the connection admits
        (`certificates.ROLES_OF_TLS_CLASS`). Answer with
        `session.seal("I", "READY", "peer", body)`.
        """
        self.take_turn(1)
        expect(line, "C", "PROVE")
        if line.session != self.session_id or line.to == "peer":
            raise HandshakeError(WRONG_SESSION)
        role = self.claimed_role
        peer, _ = self.check_proof("initiator", role, self.t3, line.payload, ())
        if peer.role not in allowed_roles:
            raise HandshakeError(WRONG_CLASS)
        self.t4 = transcript_next(self.t3, line.payload)
        return self.open_session("responder", "initiator", peer)


def _check_version(hello: Mapping[str, Any]) -> None:
    if type(hello.get("version")) is not int or hello["version"] != VERSION:
        raise HandshakeError(UNSUPPORTED_VERSION)
    if hello.get("suite") != SUITE:
        raise HandshakeError(UNSUPPORTED_SUITE)


def _check_status(status: Any) -> None:
    if type(status) is not dict:
        raise HandshakeError(MALFORMED)
    if status.get("state", "good") != "good":
        raise HandshakeError(REVOKED_CERTIFICATE)
