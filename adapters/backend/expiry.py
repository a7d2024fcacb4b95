"""Books expired money as such, some time after each local midnight: a part of the backend.

Payments never wait for it: what has expired is not spent, booked or not. Each round looks through
all accounts, so whatever an earlier one missed, backend down or database away, is booked by the
next. The engine books from its own state, so a round over an old list books nothing twice.
"""

import logging
import threading
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from uuid import UUID

from application.background import SubmitLater
from application.expired_funds import BookExpiry
from application.ports import Clock, Unavailable
from application.work import Failed

log = logging.getLogger(__name__)
EVERY_S = 1_800.0
"""Local midnights of all time zones fall on a quarter of an hour."""
BATCH_ACCOUNTS = 100
_FIRST_S = 10.0
_ANSWER_S = 60.0
_AGAIN_S = 0.5
_PAUSE_S = 0.1


class Expiry:
    """A thread of its own. `due`: the accounts with something to book, as far as is known.

    It calls what it is given now and then, which waits: payments have the processor first.
    """

    def __init__(
        self,
        submit_later: SubmitLater,
        due: Callable[[Callable[[], None]], Iterable[UUID]],
        clock: Clock,
        issuer_id: UUID,
    ) -> None:
        self._submit_later, self._due = submit_later, due
        self._clock, self._issuer_id = clock, issuer_id
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="expiry", daemon=True)

    def start(self) -> None:
        """Starts the rounds."""
        self._thread.start()

    def stop(self) -> None:
        """Ends them; a batch that was given is still stored."""
        self._stopping.set()
        self._thread.join(timeout=5)

    def _run(self) -> None:
        wait_s = _FIRST_S
        while not self._stopping.wait(wait_s):
            wait_s = EVERY_S
            try:
                booked = self.book()
            except Unavailable:
                wait_s = _FIRST_S
            except Exception:  # the next round may go better; payments do not depend on it
                log.exception("booking expired money")
            else:
                if booked:
                    log.info("%d lots of expired money booked", booked)

    def book(self) -> int:
        """One round; how many lots it booked. Raises Unavailable for an engine without database."""
        return sum(self._book(some) for some in self._batches())

    def _batches(self) -> Iterator[tuple[UUID, ...]]:
        due = iter(self._due(self._pause))
        while (some := tuple(islice(due, BATCH_ACCOUNTS))) and not self._stopping.is_set():
            yield some

    def _pause(self) -> None:
        self._stopping.wait(_PAUSE_S)

    def _book(self, account_ids: tuple[UUID, ...]) -> int:
        answers: list[object] = []
        there = threading.Event()

        def done(answer: object) -> None:
            answers.append(answer)
            there.set()

        deadline_us = self._clock.now_us() + int(_ANSWER_S * 1_000_000)
        work = BookExpiry(account_ids, self._issuer_id, deadline_us)
        while not self._submit_later(work, done):
            if self._stopping.wait(_AGAIN_S):
                return 0
        while not there.wait(_AGAIN_S):
            if self._stopping.is_set():
                return 0
        if isinstance(answers[0], Failed):
            raise Unavailable("the ledger")
        return answers[0] if isinstance(answers[0], int) else 0
