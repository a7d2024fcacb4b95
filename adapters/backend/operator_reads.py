"""What operators and auditors read: lists, histories, settlements, proofs. Unsigned, in session.

Reads run in a thread. Long answers go out in parts that fit a line, as fast as they are taken.
"""

import asyncio
from collections.abc import Awaitable, Callable, Generator, Iterable, Iterator, Mapping, Sequence
from typing import Any
from uuid import UUID

from adapters.backend.carrying_out import CarryingOut
from adapters.backend.key_dates import dated
from adapters.backend.operator_ports import Chosen, Denied, Drain, Reply, Rows, Surroundings
from adapters.backend.past_reads import LISTS as PAST_LISTS
from adapters.backend.past_reads import past_list
from adapters.backend.programme_verbs import rehearsed
from adapters.backend.refill_reads import LISTS as REFILL_LISTS
from adapters.backend.revocations import Issued
from application import fields
from protocol.encoding import b64, to_json

PART_BYTES = 40_000
"""Of JSON in one answer: sealed and in base64url it stays under the 65,536 of a line."""
Body = Mapping[str, Any]
_LISTS = (
    *("certificates", "proposals", "proposal", "queue", "enrolments", "policy", "programme"),
    *("companies", "shops", "terminals", "cards", "accounts", "lots", "disputes"),
    *("hsm", "hsm-keys", "old-root"),
    *("alerts", "watch"),
    *PAST_LISTS,
    *REFILL_LISTS,
)
_STATES = ("valid", "expired", "revoked")
_HSM_LISTS = ("hsm", "hsm-keys")
PROOFS_AT_ONCE = 2
"""They may wait for a checkpoint; other reads must not wait for them."""


class OperatorReads:
    """D QUERY, D AUDIT, D EXPORT, D PROOF, D REHEARSE."""

    def __init__(self, surroundings: Surroundings) -> None:
        self.outside = surroundings
        self._proving = asyncio.Semaphore(PROOFS_AT_ONCE)

    async def query(self, body: Body, reply: Reply, drain: Drain) -> None:
        """Rows of a list of the directory, or of what there is in the HSM."""
        what = fields.choice(body, "what", _LISTS)
        if what in _HSM_LISTS:  # it waits for nothing of the ledger: dates come where it answers
            hsm = self.outside.hsm
            rows = await asyncio.to_thread(hsm.status if what == "hsm" else hsm.keys)
            if what == "hsm-keys":
                rows = await dated(rows, CarryingOut(self.outside))
        else:
            rows = await self.in_thread(self._list(what, body))
        await send_rows("QUERY", body["id"], rows, reply, drain)

    async def answer(self, body: Body, rows: Awaitable[Rows], reply: Reply, drain: Drain) -> None:
        """The rows of a query that was answered elsewhere."""
        await send_rows("QUERY", body["id"], await rows, reply, drain)

    def _list(self, what: str, body: Body) -> Callable[[], Rows]:
        directory = self.outside.directory
        if what in PAST_LISTS:
            return past_list(what, body, self.outside.past, self.outside.read_models)
        if what in REFILL_LISTS:
            of = fields.uuid(body, "of") if "of" in body else None
            return lambda: self.outside.refill_reads.rows(what, of)
        if what == "old-root":
            return lambda: _under_old_root(self.outside.cut_off())
        if what == "companies":
            return directory.companies
        if what == "shops":
            return directory.shops
        if what == "proposals":
            return directory.proposals
        if what == "enrolments":
            return directory.enrolments
        if what == "disputes":
            return lambda: directory.disputes(self.outside.clock.now_us())
        if what in ("policy", "alerts", "watch"):
            return {
                "policy": directory.policy,
                "alerts": directory.alerts,
                "watch": directory.watch,
            }[what]
        if what == "certificates":
            chosen = self._chosen(body)
            return lambda: directory.certificates(chosen)
        if what == "lots":
            return self._lots(body)
        owner = fields.uuid(body, "of")
        if what == "proposal":
            return lambda: directory.proposal(owner)
        if what == "programme":
            now_us = self.outside.clock.now_us()
            return lambda: directory.programme(self._known("company", owner), now_us)
        if what == "terminals":
            return lambda: directory.terminals(self._known("shop", owner))
        if what == "cards":
            return lambda: directory.cards(self._known("company", owner))
        return lambda: directory.accounts(self._known("company", owner))

    def _lots(self, body: Body) -> Callable[[], Rows]:
        directory = self.outside.directory
        until_day = fields.last_day(body, "until_day")
        if "account" in body:
            account = fields.uuid(body, "account")
            return lambda: directory.lots(None, self._known("account", account), until_day)
        company = fields.uuid(body, "of")
        return lambda: directory.lots(self._known("company", company), None, until_day)

    def _known(self, kind: str, id: UUID) -> UUID:
        """That id. Raises Denied where it is of something else or of nothing: no empty answer."""
        if not self.outside.directory.has(kind, id):
            raise Denied(f"no-such-{kind}", f"There is no {kind} with that id.")
        return id

    def _chosen(self, body: Body) -> Chosen:
        return Chosen(
            holder=fields.uuid(body, "of") if "of" in body else None,
            serial=fields.serial(body, "serial") if "serial" in body else None,
            state=fields.choice(body, "state", _STATES) if "state" in body else None,
            until_us=body["until_ms"] * 1000 if "until_ms" in body else None,
            now_us=self.outside.clock.now_us(),
        )

    async def audit(self, body: Body, reply: Reply, drain: Drain) -> None:
        """The full history of a card, oldest first."""
        card_id = fields.uuid(body, "card")
        rows = await self.in_thread(lambda: self.outside.audit_history(card_id))
        if not rows:
            raise Denied("no-such-card", "There is no card with that id.")
        await send_rows("AUDIT", body["id"], rows, reply, drain)

    async def export(self, body: Body, reply: Reply, drain: Drain) -> None:
        """Settlements of calendar days, both included, as one text."""
        fields.choice(body, "what", ("settlements",))
        first, last = fields.day(body, "from"), fields.day(body, "to")
        if last < first:
            raise fields.Invalid("to", "lies before from. Give the earlier day first.")
        shop = fields.uuid(body, "shop") if "shop" in body else None
        form = fields.choice(body, "format", ("csv", "xml"))

        def begun() -> Iterator[str]:
            of = self._known("shop", shop) if shop else None
            return iter(self.outside.export_settlements(first, last, of, form))

        pieces = await self.in_thread(begun)
        parts = text_parts(pieces)
        try:
            await send_text("EXPORT", body["id"], parts, reply, drain)
        finally:
            await asyncio.to_thread(close, pieces)

    async def document(self, body: Body, reply: Reply, drain: Drain) -> None:
        """A receipt or an invoice as PDF, in base64url."""
        what, refill_id = body["what"], fields.uuid(body, "of")
        read = self.outside.refill_reads
        pdf = await self.in_thread(lambda: read.document(what, refill_id))
        await send_text("DOCUMENT", body["id"], text_parts([b64(pdf)]), reply, drain)

    async def proof(self, body: Body, reply: Reply, drain: Drain) -> None:
        """A proof file: of an event, of a stream's events, or that the log extends an older one."""
        make = self._proof(body)
        async with self._proving:
            text = await asyncio.to_thread(make)
        await send_text("PROOF", body["id"], text_parts([text]), reply, drain)

    async def rehearse(self, body: Body, reply: Reply, drain: Drain) -> None:
        """The last days of a company again, under a draft of its programme."""
        rows = await rehearsed(self.outside, body, reply)
        await send_rows("REHEARSE", body["id"], rows, reply, drain)

    def _proof(self, body: Body) -> Callable[[], str]:
        what, proofs = body["what"], self.outside.proofs
        if what == "stream":
            stream = fields.uuid(body, "stream")
            receipt = "receipt" in body and fields.flag(body, "receipt")
            return lambda: proofs.of_stream(stream, receipt)
        name, least = ("position", 1) if what == "event" else ("old_size", 0)
        number = body.get(name)
        if type(number) is not int or not least <= number < 2**63:
            raise fields.Invalid(name, f"must be a whole number from {least}.")
        if what == "event":
            return lambda: proofs.of_position(number)
        return lambda: proofs.extension_of(number)

    async def in_thread(self, read: Callable[[], Any]) -> Any:
        """What `read` returns, once the projections hold what was committed before."""

        def after_catching_up() -> Any:
            self.outside.catch_up()
            return read()

        return await asyncio.to_thread(after_catching_up)


READS: dict[str, Callable[[OperatorReads, Body, Reply, Drain], Awaitable[None]]] = {
    "QUERY": OperatorReads.query,
    "AUDIT": OperatorReads.audit,
    "EXPORT": OperatorReads.export,
    "PROOF": OperatorReads.proof,
    "REHEARSE": OperatorReads.rehearse,
    "DOCUMENT": OperatorReads.document,
}


def _under_old_root(cut_off: Mapping[str, Sequence[Issued]]) -> Rows:
    """Who has no certificate under the newest root."""
    return [
        {
            "root": root,
            "role": each.role,
            "holder": str(each.subject_id),
            "serial": format(each.serial, "x"),
            "not_after_ms": each.not_after_us // 1000,
        }
        for root, found in cut_off.items()
        for each in found
    ]


async def send_rows(verb: str, number: int, rows: Rows, reply: Reply, drain: Drain) -> None:
    """Rows as an answer. `part` counts the answers, so that a missing one is noticed."""
    parts = list(row_parts(rows))
    for part, some in enumerate(parts, start=1):
        more = part < len(parts)
        reply("D", verb, {"re": number, "rows": some, "part": part, "more": more})
        if more and not await drain():
            return


async def send_text(
    verb: str, number: int, parts: Iterator[str], reply: Reply, drain: Drain
) -> None:
    """A text as an answer: reads on in a thread while the operator takes what was read."""
    part, some = 1, await asyncio.to_thread(next, parts, None)
    while some is not None:
        following = await asyncio.to_thread(next, parts, None)
        more = following is not None
        reply("D", verb, {"re": number, "chunk": some, "part": part, "more": more})
        if more and not await drain():
            return
        part, some = part + 1, following


def close(pieces: Iterator[str]) -> None:
    """Lets go of what the text is read from, also where nobody wanted its end."""
    if isinstance(pieces, Generator):
        pieces.close()


def row_parts(rows: Rows, most_bytes: int = PART_BYTES) -> Iterator[Rows]:
    """The rows in order, each part of at most `most_bytes` of JSON; one part where there are none.

    A row longer than that is a part of its own.
    """
    some: Rows = []
    size = 0
    for row in rows:
        row_bytes = len(to_json(row)) + 1
        if some and size + row_bytes > most_bytes:
            yield some
            some, size = [], 0
        some.append(row)
        size += row_bytes
    yield some


def text_parts(pieces: Iterable[str], most_bytes: int = PART_BYTES) -> Iterator[str]:
    """The text in parts of at most `most_bytes` each as JSON; one part where it is empty.

    No more of it is held than two parts.
    """
    held = ""
    for piece in pieces:
        held += piece
        while len(held) > most_bytes:
            length = _fitting(held, most_bytes)
            yield held[:length]
            held = held[length:]
    while True:
        length = _fitting(held, most_bytes)
        yield held[:length]
        held = held[length:]
        if not held:
            return


def _fitting(text: str, most_bytes: int) -> int:
    """How many characters from the start make a part."""
    length = min(len(text), most_bytes)
    while len(to_json({"": text[:length]})) > most_bytes:
        length = length * 3 // 4
    return length
