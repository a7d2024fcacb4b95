"""What the operators' part of the backend needs from its surroundings: small injected ports."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Protocol
from uuid import UUID

from adapters.backend.book_ports import Books
from adapters.backend.revocations import Issued
from application.corrections import Credited
from application.ports import Clock
from application.refill import Terms
from application.register import IssuedCertificate
from application.work import Work
from domain.suspicion import Watch

Reply = Callable[[str, str, Mapping[str, Any]], None]
"""Sends one record (kind, verb, body) to the operator; does nothing once the session is gone."""
Drain = Callable[[], Awaitable[bool]]
"""Waits while the operator's connection takes no more; False: it is gone."""
Submit = Callable[[Work, Callable[[Any], None]], bool]
"""Queues a work in the engine; its answer comes in the event loop. False: the queue is full."""
Rows = list[dict[str, Any]]


class Lane(Protocol):
    """The thread that asks the HSM: `adapters.backend.hsm_lane.HsmLane`."""

    def submit(self, job: Callable[[], Any], done: Callable[[Any], None]) -> bool: ...


@dataclass(frozen=True, slots=True)
class DrawnCard:
    """What a new card carries, for its encoder. Its `repr` shows none of it.

    `digest` of its number is by that `generation` of the key, `older_digests` are by earlier ones.
    """

    pan: str = field(repr=False)
    digest: bytes = field(repr=False)
    masked_pan: str
    expiry: str
    track1: str = field(repr=False)
    track2: str = field(repr=False)
    generation: int = 1
    older_digests: tuple[bytes, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class Certified:
    """A new certificate: its chain in DER, leaf first, and what is recorded of it."""

    chain_der: list[bytes]
    record: IssuedCertificate


class Personalisation(Protocol):
    """What commands ask of the HSM. Every call may raise `application.ports.Unavailable`."""

    def draw_card(self, first_name: str, last_name: str, now_us: int) -> DrawnCard:
        """A card under a random number; whether it is free is for the engine to say."""

    def employee_digests(self, company_id: UUID, email: str) -> tuple[bytes, ...]:
        """The keyed hashes by which a company's employee is found, by the newest key first."""

    def certify(self, request_der: bytes, subject_id: UUID, role: str) -> Certified:
        """A certificate for the key of a PKCS#10 request. Raises Denied for a bad one."""

    def enrolment_code(self, command_id: UUID) -> str:
        """The one-time code of an enrolment: the same for the same command, or new person."""

    def code_digests(self, code: str) -> tuple[bytes, ...]:
        """The keyed hashes by which an enrolment is found by its code, however it was typed: by
        each generation of the key, newest first."""

    def certify_tls(self, request_der: bytes, holder: str, names: Sequence[str]) -> Certified:
        """A certificate of a TLS class, `names` beside its own. Raises Denied for a bad request."""

    def requested_key(self, request_der: bytes) -> bytes:
        """SHA-256 of the key (SPKI) of a PKCS#10 request. At once, without the HSM. Raises Denied
        for a bad request."""

    def tls_chain(self, serial: str) -> list[bytes]:
        """A TLS class's certificate that was issued before, and the authority that signed it, in
        DER. Raises Denied where it is not kept."""

    def tls_authority(self) -> Certified:
        """The newest TLS authority."""

    def next_tls_authority(self, replaces: str) -> Certified:
        """The TLS authority after the one with that SHA-256 of its certificate (hex): a new one
        where that is the newest, else the newest."""

    def pin_reference(
        self, ephemeral: bytes, block: bytes, t4: bytes, ms: int, pin_key: int
    ) -> bytes:
        """The reference of a PIN sealed in an operator's session, to that key. Raises Denied."""

    def file_digests(self, company_id: UUID, content: str) -> tuple[bytes, ...]:
        """The keyed hashes by which the content of a company's file of refills is known again: by
        each generation of the key, newest first."""

    def payment_digests(self, company_id: UUID, reference: str) -> tuple[bytes, ...]:
        """The same, by which the reference of a company's payment is known again."""

    def activation_code(self, command_id: UUID) -> str:
        """The one-time code with which a shop makes its log-in: the same for the same command."""


class Directory(Protocol):
    """The projection of what there is; may be a moment behind. Calls run in a thread."""

    def has(self, kind: str, id: UUID) -> bool:
        """Whether there is a `company`, a `shop` or an `account` with that id."""

    def companies(self) -> Rows: ...

    def shops(self) -> Rows: ...

    def terminals(self, shop: UUID) -> Rows: ...

    def cards(self, company: UUID) -> Rows: ...

    def accounts(self, company: UUID) -> Rows: ...

    def lots(self, company: UUID | None, account: UUID | None, until_day: str) -> Rows:
        """Of one of the two; with `until_day` those that expire by then or have expired."""

    def account_ids(self, company: UUID) -> Sequence[UUID]: ...

    def certificates(self, chosen: "Chosen") -> Rows: ...

    def proposals(self) -> Rows: ...

    def proposal(self, id: UUID) -> Rows:
        """The signed bytes of one, and what they are about. Raises Denied."""

    def enrolments(self) -> Rows: ...

    def states(self, kind: str) -> Iterable[Any]:
        """The aggregates of a kind of `projections.directory.KINDS`, as their events made them."""

    def policy(self) -> Rows: ...

    def disputes(self, now_us: int) -> Rows: ...

    def programme(self, company: UUID, now_us: int) -> Rows: ...
    def alerts(self) -> Rows: ...

    def watch(self) -> Rows: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """Which certificates a list shows: all, where nothing is given. `until_us`: expires by then."""

    holder: UUID | None = None
    serial: str | None = None
    state: str | None = None
    until_us: int | None = None
    now_us: int = 0


class HsmReads(Protocol):
    """What is told of the HSM; no key leaves it. Calls run in a thread."""

    def status(self) -> Rows:
        """One row; also where the token does not answer."""

    def keys(self) -> Rows:
        """A row for each generation of each key. Raises `application.ports.Unavailable`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InUse:
    """The generation of a key that makes what is new, whose certificate it was given, and which.

    `rotated`: each generation after the first has a record of its own; a TLS authority has its
    certificate's only.
    """

    name: str
    generation: int
    certificate: tuple[UUID, IssuedCertificate] | None = None
    rotated: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Rotated:
    """What a rotation made: certificates, and whose; the generations of further keys, by name."""

    certificates: tuple[tuple[UUID, IssuedCertificate], ...] = ()
    also: Mapping[str, int] = field(default_factory=dict)


class KeyRotation(Protocol):
    """New generations of keys, made in the HSM. Both raise Denied."""

    def check(self, name: str, generation: int, ceremony: str = "") -> None:
        """Whether `rotate` would do it; at once."""

    def rotate(self, name: str, generation: int, ceremony: str = "") -> Rotated:
        """Makes the generation and takes it into use. `ceremony`: see `domain.aggregates.key`.

        Nothing is made where that generation is in use already. Raises Unavailable.
        """


class Erasing(Protocol):
    """What is done once it is recorded that a person was erased. Calls run in a thread."""

    def erase(self, cardholder_id: UUID) -> None:
        """Lists the erasure and deletes the person's key. Raises Unavailable."""


class CorrectionReads(Protocol):
    """What corrections are decided and judged by. Calls run in a thread; both raise Unavailable."""

    def credited(self, wanted: Sequence[tuple[UUID, UUID]]) -> dict[tuple[UUID, UUID], Credited]:
        """What refills credited to accounts, by refill and account; only those that did."""

    def statements(self, changes: Sequence[tuple[UUID, int]], now_us: int) -> Rows:
        """What corrections of payments, given with the cents that their shops are owed more, do to
        the statements of shops: a row for each business day in which they would count now."""


class Proofs(Protocol):
    """Proof files of the log (TR-DBFS section 6). Calls run in a thread and may wait for the next
    checkpoint; they raise Denied and `application.ports.Unavailable`."""

    def of_position(self, position: int) -> str: ...

    def of_stream(self, stream: UUID, receipt: bool) -> str: ...

    def extension_of(self, old_size: int) -> str: ...


class Past(Protocol):
    """What once was, read from the log itself. Calls run in a thread."""

    def head(self) -> int:
        """The number of the log's last event, 0 for an empty log."""

    def balance(self, account_id: UUID, at_us: int | None, position: int | None) -> Rows:
        """One row: the account as of a moment or an event; none where it was not there yet."""

    def rehearse_watch(self, rules: Watch, days: int) -> Rows:
        """One row: what other rules would have done to the payments of the last days."""


class ReadModels(Protocol):
    """Projections by their short names. Calls run in a thread and raise Denied."""

    def rows(self) -> Rows:
        """Each with how far it is, and how far its copy is."""

    def rebuild(self, short: str) -> dict[str, Any]:
        """Begins a copy beside the one in use."""

    def rebuild_in_place(self, short: str) -> dict[str, Any]:
        """Empties the one in use; nothing is read from it until it is whole again."""

    def diff(self, short: str) -> dict[str, Any]:
        """The copy and the one in use, compared as of the same event; may take minutes."""

    def switch(self, short: str) -> dict[str, Any]:
        """The copy takes the place of the one in use."""

    def drop(self, short: str) -> dict[str, Any]:
        """Gives the copy up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """A draft of a company's programme, to be rehearsed over its last `days`.

    `changes` (`application.programme_fields.read_terms`) are made to the terms in force, or to
    the standard ones.
    """

    company_id: UUID
    days: int
    changes: Mapping[str, Any]
    from_standard: bool


Rehearse = Callable[[Tried, Callable[[int, int], None]], Rows]
"""Rehearses in the caller's thread and tells how many accounts are done, of how many. Raises
Denied, `application.ports.Unavailable`."""


class Refills(Protocol):
    """What goes on with refills beside the commands: `adapters.backend.refill_work.RefillWork`."""

    terms: Terms
    schedule_changed: Callable[[UUID], None]

    @property
    def processor_name(self) -> str:
        """Empty where no card can be charged."""

    def wake(self, refill_id: UUID) -> None:
        """Something happened to a refill: what can be done next is done."""

    async def poll(self, refill_id: UUID) -> dict[str, Any]:
        """Asks the processor what became of its charge. Raises Denied."""

    async def resend(self, refill_id: UUID) -> dict[str, Any]:
        """Has the processor tell it again. Raises Denied."""


class RefillReads(Protocol):
    """Lists of refills, schedules, groups and webhooks, and documents. Calls run in a thread."""

    def rows(self, what: str, of: UUID | None, most: int | None = None) -> Rows:
        """A list; of a refill's lines `most`, else all. Raises Denied for an owner that is not
        there."""

    def document(self, what: str, refill_id: UUID) -> bytes:
        """A receipt or an invoice, as PDF. Raises Denied."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """Everything that operators' commands and reads touch.

    `audit_history(card)` runs in a thread, and so does each step through the text that
    `export_settlements(first, last, shop, format)` gives in pieces.
    `catch_up()` waits, a moment at most, until the projections hold what was committed before
    the call, and says whether they do; it runs in a thread too (`projections.runner.wait_for`).
    `turn` is held from making a generation of a key to its record.
    `needed()` gives by serial (hex) what must be done before a certificate can be revoked;
    `is_revoked(serial)` whether it is; `cut_off()` by serial (hex) of a root that can be retired
    who cannot log in without it.
    """

    submit: Submit
    submit_later: Submit
    lane: Lane
    personalisation: Personalisation
    directory: Directory
    hsm: HsmReads
    audit_history: Callable[[UUID], Rows]
    export_settlements: Callable[[date, date, UUID | None, str], Iterable[str]]
    proofs: Proofs
    rotation: KeyRotation
    erasing: Erasing
    books: Books
    past: Past
    read_models: ReadModels
    corrections: CorrectionReads
    refills: Refills
    refill_reads: RefillReads
    clock: Clock
    issuer_id: UUID
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    catch_up: Callable[[], bool] = lambda: True
    rehearse: Rehearse = lambda tried, tell: []
    needed: Callable[[], Mapping[str, str]] = dict
    cut_off: Callable[[], Mapping[str, Sequence[Issued]]] = dict
    is_revoked: Callable[[int], bool] = lambda _: False


class Denied(Exception):
    """The answer to a request that is not carried out: `code` for programs, `text` for people."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(code)
        self.code = code
        self.text = text
