"""An operator at one end, `Operators` at the other; engine, HSM and projections are doubles."""

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date
from hashlib import sha256
from typing import Any, cast
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric import ec

from adapters.backend.operator_ports import (
    Certified,
    Chosen,
    Denied,
    DrawnCard,
    Rows,
    Surroundings,
)
from adapters.backend.operators import Operators
from application.payment_reference import same_reference
from application.ports import Clock
from application.register import IssuedCertificate
from application.work import Work
from projections.directory import KINDS
from protocol.certificates import Peer
from protocol.detached import TYP_OPERATOR, sign_detached
from protocol.encoding import b64, to_json
from protocol.record import DirectionKeys, Session
from protocol.signature import software_signer
from tests.unit.application.ledger_double import ISSUER, NOW_MS, NOW_US, Ledger
from tests.unit.backend.books_double import BooksDouble
from tests.unit.backend.correction_double import CorrectionReadsDouble
from tests.unit.backend.past_double import PastDouble, ReadModelsDouble
from tests.unit.backend.refills_double import RefillsDouble
from tests.unit.backend.rotation_double import RotationDouble

CSR = b64(b"a request")
CHAIN = [b"leaf", b"issuing"]


class FixedClock:
    def now_us(self) -> int:
        return NOW_US


class LaneDouble:
    """Runs jobs at once, as the HSM's lane does later; with `later` so are they answered."""

    full = False
    later = False

    def submit(self, job: Callable[[], Any], done: Callable[[Any], None]) -> bool:
        if self.full:
            return False
        try:
            result = job()
        except Exception as error:
            result = error
        if self.later:
            asyncio.get_running_loop().call_later(0.01, done, result)
        else:
            done(result)
        return True


class HsmDouble:
    """Card numbers that count up from `next_number`, so that a test can make them collide."""

    def __init__(self) -> None:
        self.next_number = 1
        self.error: Exception | None = None
        self.key_rows: Rows = []
        self.asked_names: list[str] = []
        self.replaced = ""
        self.certified: list[UUID] = []

    def draw_card(self, first_name: str, last_name: str, now_us: int) -> DrawnCard:
        if self.error:
            raise self.error
        pan = f"984000{self.next_number:010}"
        self.next_number += 1
        digest = sha256(pan.encode()).digest()
        masked = f"984000******{pan[-4:]}"
        track1 = f"%B{pan}^{last_name}/{first_name}^2911727?"
        return DrawnCard(pan, digest, masked, "2911", track1, f";{pan}=2911727?")

    def employee_digests(self, company_id: UUID, email: str) -> tuple[bytes, ...]:
        if self.error:
            raise self.error
        return (sha256(f"{company_id} {email.casefold()}".encode()).digest(),)

    def certify(self, request_der: bytes, subject_id: UUID, role: str) -> Certified:
        if request_der != b"a request":
            raise Denied("bad-request", "The certificate request is refused.")
        self.certified.append(subject_id)
        record = IssuedCertificate(
            role=role, serial="2a", fingerprint=b"f" * 32, not_before_us=0, not_after_us=1
        )
        return Certified(CHAIN, record)

    def certify_tls(self, request_der: bytes, holder: str, names: Sequence[str]) -> Certified:
        self.asked_names = list(names)
        record = IssuedCertificate(
            role=f"tls:{holder}", serial=format(request_der[-1], "x"), fingerprint=b"f" * 32,
            not_before_us=0, not_after_us=1, key_hash=self.requested_key(request_der),
        )  # fmt: skip
        return Certified(CHAIN, record)

    def requested_key(self, request_der: bytes) -> bytes:
        if not request_der.startswith(b"a request"):
            raise Denied("bad-request", "The certificate request is refused.")
        return sha256(request_der).digest()

    def tls_chain(self, serial: str) -> list[bytes]:
        return [serial.encode(), b"authority"]

    def tls_authority(self) -> Certified:
        return self.certify(b"a request", UUID(int=0), "tls:authority")

    def next_tls_authority(self, replaces: str) -> Certified:
        self.replaced = replaces
        return self.certify(b"a request", UUID(int=0), "tls:authority")

    def pin_reference(
        self, ephemeral: bytes, block: bytes, t4: bytes, ms: int, pin_key: int
    ) -> bytes:
        return sha256(ephemeral + block + t4 + ms.to_bytes(8)).digest()

    def file_digests(self, company_id: UUID, content: str) -> tuple[bytes, ...]:
        return (sha256(f"{company_id} {content}".encode()).digest(),)

    def payment_digests(self, company_id: UUID, reference: str) -> tuple[bytes, ...]:
        return (sha256(f"{company_id} {same_reference(reference)}".encode()).digest(),)

    def enrolment_code(self, command_id: UUID) -> str:
        return f"ENROL-{command_id.hex[:8].upper()}"

    def code_digests(self, code: str) -> tuple[bytes, ...]:
        return (sha256(code.encode()).digest(),)

    def activation_code(self, command_id: UUID) -> str:
        return f"CODE-{command_id.hex[:4].upper()}"

    def status(self) -> Rows:
        return [
            {"provider": "software", "answers": True, "trouble": "", "module": "SoftHSM",
             "token": "ticketrestaurant", "serial": "a1b2", "slot": 7, "threads": 4,
             "overlaps": True, "waiting": 0}
        ]  # fmt: skip

    def keys(self) -> Rows:
        if self.error is not None:
            raise self.error
        return self.key_rows


class DirectoryDouble:
    """Lists as given; `of` is what was last asked for."""

    def __init__(self) -> None:
        self.rows: Rows = []
        self.of: UUID | None = None
        self.chosen = Chosen()
        self.until_day = ""
        self.unknown: set[UUID] = set()
        self.ledger: Ledger | None = None

    def has(self, kind: str, id: UUID) -> bool:
        return id not in self.unknown

    def companies(self) -> Rows:
        return self.rows

    def shops(self) -> Rows:
        return self.rows

    def _of(self, owner: UUID) -> Rows:
        self.of = owner
        return self.rows

    terminals = cards = accounts = _of

    def lots(self, company: UUID | None, account: UUID | None, until_day: str) -> Rows:
        self.of, self.until_day = company or account, until_day
        return self.rows

    def account_ids(self, company: UUID) -> list[UUID]:
        return [UUID(str(row["account"])) for row in self._of(company)]

    def certificates(self, chosen: Chosen) -> Rows:
        self.chosen = chosen
        return self.rows

    def proposals(self) -> Rows:
        return self.rows

    def proposal(self, id: UUID) -> Rows:
        return self._of(id)

    def programme(self, company: UUID, now_us: int) -> Rows:
        return self._of(company)

    enrolments = policy = alerts = watch = proposals

    def disputes(self, now_us: int) -> Rows:
        return self.rows

    def states(self, kind: str) -> list[Any]:
        """What the ledger holds of a kind, as the projection would list it."""
        if self.ledger is None:
            return []
        ids = dict.fromkeys(event.originator_id for event in self.ledger.log.events)
        states = (self.ledger.states.get(id, KINDS[kind]) for id in ids)
        return [state for state in states if state is not None]


class ProofsDouble:
    """Says what was asked for."""

    error: Exception | None = None

    def of_position(self, position: int) -> str:
        return self._told(f"position {position}")

    def of_stream(self, stream: UUID, receipt: bool) -> str:
        return self._told(f"stream {stream} {receipt}")

    def extension_of(self, old_size: int) -> str:
        return self._told(f"extension of {old_size}")

    def _told(self, text: str) -> str:
        if self.error:
            raise self.error
        return text


class EraserDouble:
    """Notes whom it erased."""

    def __init__(self) -> None:
        self.erased: list[UUID] = []

    def erase(self, cardholder_id: UUID) -> None:
        self.erased.append(cardholder_id)


class Outside:
    """Everything around `Operators`, as doubles that a test sets and looks at."""

    def __init__(self) -> None:
        self.ledger = Ledger()
        self.hsm = HsmDouble()
        self.lane = LaneDouble()
        self.directory = DirectoryDouble()
        self.proofs = ProofsDouble()
        self.rotation = RotationDouble()
        self.eraser = EraserDouble()
        self.books = BooksDouble()
        self.past = PastDouble()
        self.read_models = ReadModelsDouble()
        self.directory.ledger = self.ledger
        self.corrections = CorrectionReadsDouble(self.ledger)
        self.refills = RefillsDouble()
        self.clock: Clock = FixedClock()
        self.failure: Any = None
        self.queue_full = False
        self.caught_up = True
        self.history: Rows = []
        self.exported = "date,shop\n"
        self.asked: list[Any] = []

    def surroundings(self) -> Surroundings:
        """The ports, all leading here."""
        return Surroundings(
            submit=self._submit,
            submit_later=self._submit,
            lane=self.lane,
            personalisation=self.hsm,
            directory=self.directory,
            hsm=self.hsm,
            audit_history=self._history,
            export_settlements=self._export,
            proofs=self.proofs,
            rotation=self.rotation,
            erasing=self.eraser,
            books=self.books,
            past=self.past,
            read_models=self.read_models,
            corrections=self.corrections,
            refills=self.refills,
            refill_reads=self.refills,
            clock=self.clock,
            issuer_id=ISSUER,
            catch_up=lambda: self.caught_up,
        )

    def _submit(self, work: Work, done: Callable[[Any], None]) -> bool:
        if self.queue_full:
            return False
        done(self.failure or self.ledger.when(cast(Any, work))[0])
        return True

    def _history(self, card_id: UUID) -> Rows:
        self.asked.append(card_id)
        return self.history

    def _export(self, first: date, last: date, shop: UUID | None, form: str) -> Iterator[str]:
        self.asked.append((str(first), str(last), shop, form))
        yield from self.exported.splitlines(keepends=True)


class Scene(Outside):
    """`await scene.command(…)` or `await scene.read(…)` gives the last answer (verb, body)."""

    def __init__(self, role: str = "operator") -> None:
        super().__init__()
        self.replies: list[tuple[str, str, dict[str, Any]]] = []
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.session = _session(role, self.key.public_key(), b"\x01")
        self.operators = Operators(self.surroundings())
        self._next = 0

    def signed(
        self, verb: str, body: Mapping[str, Any], **changed: Any
    ) -> tuple[dict[str, Any], bytes]:
        """The request and the command bytes; `changed` replaces parts of the command."""
        self._next += 1
        command_id = UUID(int=(self._next << 64) | (8 << 76) | (2 << 62))
        raw = to_json(
            {"verb": verb, "command_id": str(command_id), "issued_ms": NOW_MS, "body": dict(body)}
            | changed
        )
        signature = sign_detached(
            raw, TYP_OPERATOR, self.session.peer.kid, software_signer(self.key)
        )
        return {"id": self._next, "command": b64(raw), "signature": signature}, raw

    async def command(
        self, verb: str, body: Mapping[str, Any], **changed: Any
    ) -> tuple[str, dict[str, Any]]:
        """Signs and sends a command."""
        request, _ = self.signed(verb, body, **changed)
        return await self.send("C", verb, request)

    async def read(self, verb: str, **body: Any) -> tuple[str, dict[str, Any]]:
        """Asks for a read."""
        self._next += 1
        return await self.send("D", verb, {"id": self._next, **body})

    async def send(self, kind: str, verb: str, body: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        """Sends and waits until all that was begun is answered."""
        self.operators.handle(self.session, kind, verb, body, self._reply)
        while self.operators._tasks:
            await asyncio.gather(*self.operators._tasks)
        _, answered, last = self.replies[-1]
        return answered, last

    def _reply(self, kind: str, verb: str, body: Mapping[str, Any]) -> None:
        self.replies.append((kind, verb, dict(body)))


def _session(role: str, public_key: ec.EllipticCurvePublicKey, mark: bytes) -> Session:
    keys = DirectionKeys(mark * 32, mark * 12)
    peer = Peer(UUID(int=5 | (8 << 76) | (2 << 62)), role, 0x1F, cast(Any, None), public_key)
    return Session(
        session_id=mark.hex() * 16,
        outgoing=keys,
        incoming=keys,
        t4=mark * 32,
        pin=b"",
        export=b"",
        peer=peer,
        opened_ms=NOW_MS,
    )


def second_operator(made: Scene) -> None:
    """From now on another person sits at the desk."""
    key = ec.generate_private_key(ec.SECP256R1())
    made.key = key
    session: Session = _session("operator", key.public_key(), b"\x02")
    object.__setattr__(session.peer, "subject_id", UUID(int=6 | (8 << 76) | (2 << 62)))
    made.session = session
