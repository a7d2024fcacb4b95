"""Tells the website what changed: a report every few seconds, one at a time, each acknowledged.

The website says how far it has come; a report begins there and is sent again until it is stored.
So nothing is kept here of what was told, and any number of websites may ask.
"""

import asyncio
import logging
from collections.abc import Callable, Hashable
from typing import Any, Final

from application.ports import Unavailable
from application.report_changes import MOST_ROWS, Changes, report_body

log = logging.getLogger(__name__)
EVERY_S: Final = 5.0
ACKNOWLEDGE_S: Final = 20.0
Send = Callable[[dict[str, Any]], None]


class Reports:
    """For the event loop. `changes(after, most)` and `number()` read, in a thread.

    `as_of_us`: everything that happened until then is in what `changes` reads after the call.
    `send` of `connected` gets bodies of D REPORT.
    """

    def __init__(
        self,
        changes: Callable[[int, int], Changes],
        number: Callable[[], int],
        as_of_us: Callable[[], int],
        *,
        every_s: float = EVERY_S,
        acknowledge_s: float = ACKNOWLEDGE_S,
    ) -> None:
        self._changes = changes
        self._number = number
        self._as_of_us = as_of_us
        self._every_s = every_s
        self._acknowledge_s = acknowledge_s
        self._websites: dict[Hashable, _Website] = {}

    def connected(self, session_key: Hashable, send: Send) -> None:
        """A website's session is open; nothing is sent until it says how far it is (`have`)."""
        self._websites[session_key] = _Website(send)

    def have(self, session_key: Hashable, upto: int, re: int | None = None) -> None:
        """How far the website is: said on connecting, or in answer to a report that left a gap."""
        website = self._websites.get(session_key)
        if website is None:
            return
        if website.task is None:
            website.upto = upto
            website.task = asyncio.get_running_loop().create_task(self._tell(website))
        elif re is not None:
            website.answered(re, upto)

    def acknowledged(self, session_key: Hashable, re: int, upto: int) -> None:
        """Report `re` is stored, up to `upto`. Anything but the report in hand is ignored."""
        website = self._websites.get(session_key)
        if website is not None:
            website.answered(re, upto)

    def refused(self, session_key: Hashable, re: int, code: str) -> None:
        """Report `re` was not stored: it comes again with the next turn."""
        website = self._websites.get(session_key)
        if website is not None and website.answered(re, website.upto):
            log.error("the website refuses report %d: %s", re, code)

    def gone(self, session_key: Hashable) -> None:
        """The session is over."""
        website = self._websites.pop(session_key, None)
        if website is not None and website.task is not None:
            website.task.cancel()

    async def _tell(self, website: "_Website") -> None:
        while True:
            more = False
            try:
                more = await self._report(website)
            except Unavailable as error:
                log.warning("no report: %s does not answer", error)
            except TimeoutError:
                log.warning("the website does not acknowledge a report")
            except Exception:
                log.exception("a report")
            if not more:
                await asyncio.sleep(self._every_s)

    async def _report(self, website: "_Website") -> bool:
        """One report, also without news: it says how current everything is. True: there is more."""
        as_of_us = self._as_of_us()
        changes, number = await asyncio.to_thread(self._read, website.upto)
        body = report_body(changes, id=website.next_id(), number=number, as_of_us=as_of_us)
        before, acknowledged = website.upto, website.expect()
        website.send(body)
        async with asyncio.timeout(self._acknowledge_s):
            website.upto = await acknowledged
        return before < website.upto < changes.known

    def _read(self, after: int) -> tuple[Changes, int]:
        return self._changes(after, MOST_ROWS), self._number()


class _Website:
    """One website's session."""

    def __init__(self, send: Send) -> None:
        self.send = send
        self.upto = 0
        self.task: asyncio.Task[None] | None = None
        self._id = 0
        self._acknowledged: asyncio.Future[int] | None = None

    def next_id(self) -> int:
        self._id += 1
        return self._id

    def expect(self) -> asyncio.Future[int]:
        """Done with the position that the website has after the report in hand."""
        self._acknowledged = asyncio.get_running_loop().create_future()
        return self._acknowledged

    def answered(self, re: int, upto: int) -> bool:
        """Whether that was about the report in hand."""
        future = self._acknowledged
        if re != self._id or future is None or future.done():
            return False
        future.set_result(upto)
        return True
