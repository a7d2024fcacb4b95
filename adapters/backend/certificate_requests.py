"""The devices' side of certificates: C ENROL with a one-time code, C RENEW with the one they have.

A certificate is made in the HSM only after the checks, and is in the ledger before anybody gets it.
"""

import asyncio
import logging
import secrets
from collections.abc import Coroutine, Mapping
from hashlib import sha256
from typing import Any, Protocol
from uuid import UUID

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from adapters.backend.carrying_out import CarryingOut
from adapters.backend.operator_ports import Certified, Denied
from adapters.backend.sessions import Peer
from application.command import Origin
from application.enrol import Enrol, Renew, Standing
from application.ports import Unavailable
from application.read import Read
from domain.aggregates import policy as policies
from domain.aggregates.certificate import ENROLLED, RENEWED
from domain.aggregates.policy import POLICY_ID, Policy, Profile
from domain.ids import make_id
from protocol import bodies, certificate_messages
from protocol.bodies import shape_of_request
from protocol.encoding import b64, unb64
from protocol.errors import (
    BAD_BODY,
    BUSY,
    EXPIRED_CERTIFICATE,
    INTERNAL,
    TEXTS,
    UNAVAILABLE,
    WRONG_SIGNER,
    ProtocolError,
)
from protocol.line import Line

log = logging.getLogger(__name__)
TRIES = 3
"""Codes that one connection may try; a code has 100 bits, this only keeps the log readable."""
CODE_MOST = 64
_DAY_US = 24 * 3600 * 1_000_000
QUEUED_TEXT = "A person has to look at this request. Ask again later with the same code."


class Certifier(Protocol):
    """What is asked of the HSM: `adapters.backend.personalisation.HsmPersonalisation`."""

    def certify(
        self,
        request_der: bytes,
        subject_id: UUID,
        role: str,
        valid_days: int = ...,
        how: str = ...,
        replaces: str = ...,
    ) -> Certified: ...

    def chain_of(self, serial: str) -> list[bytes]: ...

    def is_of_older_authority(self, certificate: x509.Certificate) -> bool: ...

    def code_digests(self, code: str) -> tuple[bytes, ...]: ...


class CertificateRequests:
    """`sessions.Service` for the role `enrollee`, and for RENEW of all others."""

    def __init__(self, works: CarryingOut, certifier: Certifier, issuer_id: UUID) -> None:
        self._works = works
        self._certifier = certifier
        self._issuer_id = issuer_id
        self._busy: set[Peer] = set()
        self._tries: dict[Peer, int] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def opened(self, peer: Peer) -> None:
        """It will ask."""

    def closed(self, peer: Peer) -> None:
        """What it asked for goes on, for it may come again."""
        self._tries.pop(peer, None)

    def received(self, peer: Peer, line: Line, body: bytes) -> None:
        """C ENROL or C RENEW; one at a time. Raises ProtocolError."""
        shape_of_request(peer.role, line.kind, line.verb)
        if line.verb == "RENEW":
            renewal = bodies.read(body, certificate_messages.Renew)
            self._start(peer, renewal["id"], self._renew(peer, renewal))
            return
        request = bodies.read(body, certificate_messages.Enrol)
        tries = self._tries[peer] = self._tries.get(peer, 0) + 1
        if tries > TRIES:
            peer.error("too-many-tries", request["id"], "Connect again to try another code.")
            return
        self._start(peer, request["id"], self._enrol(peer, request))

    def _start(self, peer: Peer, number: int, work: Coroutine[Any, Any, Mapping[str, Any]]) -> None:
        if peer in self._busy:
            work.close()
            peer.error(BUSY, number)
            return
        self._busy.add(peer)
        task = asyncio.get_running_loop().create_task(self._answer(peer, number, work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answer(
        self, peer: Peer, number: int, work: Coroutine[Any, Any, Mapping[str, Any]]
    ) -> None:
        try:
            answer = await work
        except (Denied, ProtocolError) as error:
            peer.error(error.code, number, error.text)
        except Unavailable:
            peer.error(UNAVAILABLE, number)
        except Exception:
            log.exception("a certificate request")
            peer.error(INTERNAL, number)
        else:
            peer.reply("I", "STATUS", {"re": number, **answer})
        finally:
            self._busy.discard(peer)

    # Enrolment

    async def _enrol(self, peer: Peer, request: certificate_messages.Enrol) -> Mapping[str, Any]:
        der, key_hash = _request_of(request["csr"])
        if key_hash != _key_hash(peer.session.peer.certificate):
            raise ProtocolError(WRONG_SIGNER, "the request is for another key than this session's")
        code = request["code"]
        if len(code) > CODE_MOST:
            raise ProtocolError(BAD_BODY)
        digests = await self._works.in_lane(lambda: self._certifier.code_digests(code))

        def enrol(certified: Certified | None) -> Enrol:
            return Enrol(
                self._origin(peer),
                self._works.deadline_us(),
                code_digests=digests,
                key_hash=key_hash,
                certificate=certified.record if certified else None,
            )

        found = await self._works.through_engine(enrol(None))
        if isinstance(found, Standing) and not found.serial:
            of, profile = found.enrolment, found.profile
            assert of is not None and profile is not None
            certified = await self._works.in_lane(
                lambda: self._certifier.certify(
                    der, of.subject_id, of.role, profile.valid_days, ENROLLED
                )
            )
            found = await self._works.through_engine(enrol(certified))
        if not isinstance(found, Standing):
            return {"state": found["state"], "text": QUEUED_TEXT}
        return await self._done(found)

    async def _done(self, found: Standing) -> Mapping[str, Any]:
        chain = await self._works.in_lane(lambda: self._certifier.chain_of(found.serial))
        assert found.enrolment is not None
        result: dict[str, Any] = {
            "certificate": [b64(der) for der in chain],
            "subject": str(found.enrolment.subject_id),
            "role": found.enrolment.role,
        }
        if found.shop is not None:
            result |= {"shop": str(found.shop), "shop_name": found.shop_name}
        return {"state": "done", "result": result}

    # Renewal

    async def _renew(self, peer: Peer, request: certificate_messages.Renew) -> Mapping[str, Any]:
        der, key_hash = _request_of(request["csr"])
        holder = peer.session.peer
        profile = await self._profile(peer.role)
        older = self._certifier.is_of_older_authority(holder.certificate)
        _check_time(holder.certificate, profile, self._now_us(), early=older)

        def renew(certified: Certified | None) -> Renew:
            return Renew(
                self._origin(peer),
                self._works.deadline_us(),
                subject_id=peer.subject_id,
                role=peer.role,
                key_hash=key_hash,
                certificate=certified.record if certified else None,
            )

        told = await self._works.carry_out(renew(None))
        if not told["serial"]:
            certified = await self._works.in_lane(
                lambda: self._certifier.certify(
                    der, peer.subject_id, peer.role, profile.valid_days, RENEWED, holder.kid
                )
            )
            told = await self._works.carry_out(renew(certified))
        serial = str(told["serial"])
        chain = await self._works.in_lane(lambda: self._certifier.chain_of(serial))
        return {"state": "done", "result": {"certificate": [b64(each) for each in chain]}}

    async def _profile(self, role: str) -> Profile:
        read = Read(
            POLICY_ID,
            lambda states, _: policies.profile_of(states.get(POLICY_ID, Policy), role),
            self._works.deadline_us(),
        )
        found: Profile = await self._works.through_engine(read)
        return found

    def _origin(self, peer: Peer) -> Origin:
        now_ms = self._now_us() // 1000
        return Origin(
            command_id=make_id(now_ms, 0, secrets.randbits(62)),
            issued_ms=now_ms,
            actor=peer.who,
            issuer_id=self._issuer_id,
        )

    def _now_us(self) -> int:
        return self._works.now_us()


def _check_time(
    certificate: x509.Certificate, profile: Profile, now_us: int, *, early: bool
) -> None:
    """Not long after the end; and, unless `early`, not long before it. Raises Denied."""
    end_us = int(certificate.not_valid_after_utc.timestamp()) * 1_000_000
    if now_us < end_us - profile.renew_days * _DAY_US and not early:
        day = certificate.not_valid_after_utc.date().isoformat()
        raise Denied("too-early", f"The certificate is good until {day}. Renew it later.")
    if now_us > end_us + profile.grace_days * _DAY_US:
        raise Denied(EXPIRED_CERTIFICATE, TEXTS[EXPIRED_CERTIFICATE])


def _request_of(text: str) -> tuple[bytes, bytes]:
    """The DER of a request and SHA-256 of its key. What is wrong with it the authority says."""
    try:
        der = unb64(text)
        key = x509.load_der_x509_csr(der).public_key()
    except Exception:  # whatever a hostile request makes the parser say
        raise Denied("bad-request", "The certificate request cannot be read.") from None
    spki = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return der, sha256(spki).digest()


def _key_hash(certificate: x509.Certificate) -> bytes:
    spki = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return sha256(spki).digest()
