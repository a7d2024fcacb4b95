"""What a payment processor tells the website, brought here as it came: verified, then recorded.

The website passes on bytes and signature and decides nothing: a captured one can hold a message
back, and then the processor is asked, but it cannot make one.
"""

import asyncio
import logging
from collections import deque
from typing import Any
from uuid import UUID

from adapters.backend.carrying_out import CarryingOut
from adapters.backend.operator_ports import Denied
from adapters.backend.refill_work import RefillWork
from application.command import Origin
from application.payment_processor import OTHER, Forged, ProcessorFailed, RecordWebhook
from application.ports import Clock
from domain.aggregates.webhook import webhook_id
from domain.ids import derived_id

log = logging.getLogger(__name__)
REFUSED_KEPT = 100
"""Forged messages remembered, for operators; they are stored nowhere."""
FORGED, LATER = "forged-webhook", "try-later"


class Webhooks:
    """For the event loop."""

    def __init__(self, work: RefillWork, clock: Clock, issuer_id: UUID) -> None:
        self._work, self._clock, self._issuer_id = work, clock, issuer_id
        self.refused: deque[tuple[int, str, str]] = deque(maxlen=REFUSED_KEPT)
        self.refused_count = 0

    async def received(self, processor: str, body: bytes, signature: str) -> dict[str, Any]:
        """What the message came to. Raises Denied: FORGED, or LATER for a sender that may retry."""
        now_us = self._clock.now_us()
        by = self._work.processor
        if by is None or by.name != processor:
            raise Denied("no-processor", "No such payment processor is set up.")
        try:
            notice = by.verify(body, signature, now_us // 1000)
        except Forged as error:
            self.refused.append((now_us, processor, str(error)))
            self.refused_count += 1
            log.warning("a webhook of %s was refused: %s", processor, error)
            raise Denied(FORGED, f"The message is refused: {error}.") from None
        if notice.refill_id is None and notice.charge.state != OTHER and notice.charge.reference:
            try:
                found = await asyncio.to_thread(by.refill_of, notice.charge.reference)
            except ProcessorFailed:
                raise Denied(LATER, "The payment cannot be looked up now. Send it again.") from None
            notice = notice.about(found)
        message = webhook_id(processor, notice.event, notice.created_ms)
        works: CarryingOut = self._work.works
        answer = await works.carry_out(
            RecordWebhook(
                Origin(
                    command_id=derived_id("webhook", message, notice.created_ms, 0),
                    issued_ms=notice.created_ms,
                    actor=f"system:{processor}",
                    issuer_id=self._issuer_id,
                ),
                works.deadline_us(),
                processor=processor,
                notice=notice,
            )
        )
        if notice.refill_id is not None:
            self._work.wake(notice.refill_id)
        return answer
