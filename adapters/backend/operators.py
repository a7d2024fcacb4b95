"""Operators and auditors: their sessions' messages, answered.

A command is carried out only with the operator's signature over its exact bytes, verified here
with the certificate of the session; an auditor, and whoever merely holds a session, can read.
"""

import asyncio
import contextlib
import logging
from collections import Counter
from collections.abc import Awaitable, Mapping
from typing import Any

from adapters.backend.operator_commands import VERBS, OperatorCommands
from adapters.backend.operator_ports import Denied, Drain, Reply, Surroundings
from adapters.backend.operator_reads import READS, OperatorReads
from adapters.backend.queue import WHAT as QUEUE
from adapters.backend.queue import Queue
from adapters.backend.signed_command import Pieces, open_command
from adapters.backend.told import Told
from application.fields import CODE as INVALID
from application.fields import Invalid
from application.ports import Rebuilding, Unavailable
from protocol import bodies
from protocol.bodies import shape_of_request
from protocol.errors import BAD_BODY, BUSY, FORBIDDEN, INTERNAL, TEXTS, UNAVAILABLE, ProtocolError
from protocol.record import Session

log = logging.getLogger(__name__)
OUTSTANDING_MOST = 32
"""Requests that one session may have open at a time."""
WORKING_S = 1.0
REBUILDING = "rebuilding"
REBUILDING_TEXT = (
    "The read model did not fit the log and is being built anew; try again in a minute."
)


async def _never_full() -> bool:
    return True


class Operators:
    """For roles `operator` and `auditor`. Lives in the event loop; `handle` returns at once."""

    def __init__(self, surroundings: Surroundings) -> None:
        self._outside = surroundings
        self._commands = OperatorCommands(surroundings)
        self._reads = OperatorReads(surroundings)
        self._queue = Queue(surroundings)
        self._pieces = Pieces()
        self._open: Counter[str] = Counter()
        self._tasks: set[asyncio.Task[None]] = set()

    def handle(
        self,
        session: Session,
        kind: str,
        verb: str,
        body: Mapping[str, Any],
        reply: Reply,
        drain: Drain = _never_full,
    ) -> None:
        """One message; every request gets exactly one last answer by `reply`."""
        number = body.get("id")
        if type(number) is not int:
            _refuse(reply, None, BAD_BODY)
            return
        try:
            bodies.fitting(body, shape_of_request(session.peer.role, kind, verb))
            if self._open[session.id] >= OUTSTANDING_MOST:
                raise Denied(BUSY, TEXTS[BUSY])
            answering = self._answering(session, kind, verb, body, reply, drain)
        except (Denied, ProtocolError) as error:
            _refuse(reply, number, error.code, error.text)
            return
        if answering is not None:
            self._start(session.id, self._answer(number, verb, answering, reply))

    def _answering(
        self,
        session: Session,
        kind: str,
        verb: str,
        body: Mapping[str, Any],
        reply: Reply,
        drain: Drain,
    ) -> Awaitable[dict[str, Any] | None] | None:
        """What gives the answer: a result, or None after a read; itself None: more is to come."""
        if kind == "D" and verb == "QUERY" and body.get("what") == QUEUE:  # it depends on who asks
            return self._reads.answer(body, self._queue.rows(session.peer, body), reply, drain)
        if kind == "D":
            return READS[verb](self._reads, body, reply, drain)
        if session.peer.role != "operator":  # the shapes say so too; money hangs on this one
            raise Denied(FORBIDDEN, TEXTS[FORBIDDEN])
        raw = self._pieces.add(session.id, body)
        if raw is None:
            return None
        return self._carry_out(session, verb, raw, body["signature"])

    async def _carry_out(
        self, session: Session, verb: str, raw: bytes, signature: str
    ) -> dict[str, Any]:
        now_ms = self._outside.clock.now_us() // 1000
        command = open_command(raw, signature, verb, session, now_ms)
        told = Told(command, session, self._outside.issuer_id)
        async with self._commands.works.alone(told.command_id):
            result: dict[str, Any] = await VERBS[verb](self._commands, told)
        return result

    def _start(self, session_id: str, answer: Any) -> None:
        self._open[session_id] += 1
        task = asyncio.get_running_loop().create_task(answer)
        self._tasks.add(task)

        def ended(ended_task: "asyncio.Task[None]") -> None:
            self._tasks.discard(ended_task)
            self._open[session_id] -= 1
            if self._open[session_id] <= 0:
                del self._open[session_id]

        task.add_done_callback(ended)

    async def _answer(
        self, number: int, verb: str, answering: Awaitable[dict[str, Any] | None], reply: Reply
    ) -> None:
        """Awaits the answer and sends it; until then a sign of life every second."""
        ticking = asyncio.get_running_loop().create_task(_tick(number, reply))
        try:
            result = await answering
        except (Denied, ProtocolError) as error:
            code, text = error.code, error.text
        except Invalid as error:
            code, text = INVALID, error.text
        except Rebuilding:
            code, text = REBUILDING, REBUILDING_TEXT
        except Unavailable:
            code, text = UNAVAILABLE, TEXTS[UNAVAILABLE]
        except Exception:
            log.exception("an operator's %s", verb)
            code, text = INTERNAL, TEXTS[INTERNAL]
        else:
            code = text = ""
        finally:
            ticking.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await ticking
        if code:
            _refuse(reply, number, code, text)
        elif result is not None:
            reply("I", "STATUS", {"re": number, "state": "done", "result": result})

    def forget(self, session: Session) -> None:
        """The session ended: what it began to send is dropped; what it commanded goes on."""
        self._pieces.forget(session.id)


async def _tick(number: int, reply: Reply) -> None:
    """`of` 0: how much there is to do is not known."""
    seconds = 0
    while True:
        await asyncio.sleep(WORKING_S)
        seconds += 1
        reply("I", "STATUS", {"re": number, "state": "working", "done": seconds, "of": 0})


def _refuse(reply: Reply, number: int | None, code: str, text: str = "") -> None:
    body: dict[str, Any] = {"code": code, "text": text or TEXTS.get(code, code)}
    if number is not None:
        body["re"] = number
    reply("I", "ERROR", body)
