"""What the website's session carries: reports to it, acknowledgements and webhooks back."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from adapters.backend.operator_ports import Denied
from adapters.backend.reports import Reports
from adapters.backend.sessions import Peer
from protocol import bodies, certificate_messages, messages
from protocol.bodies import shape_of_request
from protocol.encoding import unb64
from protocol.errors import BAD_BODY, BUSY, INTERNAL, BodyError
from protocol.line import Line
from protocol.refill_bodies import Webhook

log = logging.getLogger(__name__)
WEBHOOKS_MOST = 32
"""Messages of processors that are being recorded at a time; a processor sends others again."""
Received = Callable[[str, bytes, str], Awaitable[dict[str, Any]]]


class WebsiteService:
    """`sessions.Service` for the role `website`. `webhook(processor, body, signature)` records what
    a processor told. Raises Denied."""

    def __init__(self, reports: Reports, webhook: Received) -> None:
        self._reports = reports
        self._webhook = webhook
        self._tasks: set[asyncio.Task[None]] = set()

    def opened(self, peer: Peer) -> None:
        """It will say how far it is."""
        self._reports.connected(peer, lambda body: peer.reply("D", "REPORT", body))

    def received(self, peer: Peer, line: Line, body: bytes) -> None:
        """I STATUS, I ERROR or C WEBHOOK."""
        shape_of_request(peer.role, line.kind, line.verb)
        if line.verb == "WEBHOOK":
            self._take(peer, bodies.read(body, Webhook))
            return
        if line.verb == "ERROR":
            error = bodies.read(body, messages.ErrorBody)
            if (re := error.get("re")) is not None:
                self._reports.refused(peer, re, error["code"])
            return
        status = bodies.read(body, certificate_messages.WebsiteStatus)
        re, upto = status.get("re"), status["upto"]
        if status["state"] == "stored" and re is not None:
            self._reports.acknowledged(peer, re, upto)
        else:
            self._reports.have(peer, upto, re)

    def closed(self, peer: Peer) -> None:
        """The next session begins where the website then is."""
        self._reports.gone(peer)

    def _take(self, peer: Peer, told: Webhook) -> None:
        try:
            raw = unb64(told["body"])
        except ValueError:
            raise BodyError(BAD_BODY) from None
        if len(self._tasks) >= WEBHOOKS_MOST:
            peer.error(BUSY, told["id"])
            return
        task = asyncio.get_running_loop().create_task(self._record(peer, told, raw))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _record(self, peer: Peer, told: Webhook, raw: bytes) -> None:
        try:
            result = await self._webhook(told["processor"], raw, told["signature"])
        except Denied as denied:
            peer.error(denied.code, told["id"], denied.text)
        except Exception:
            log.exception("a webhook")
            peer.error(INTERNAL, told["id"])
        else:
            peer.reply("I", "STATUS", {"re": told["id"], "state": "done", "result": result})
