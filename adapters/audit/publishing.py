"""Brings each new checkpoint off the machine, and never holds up who signs it.

Each place has a thread of its own and room for one note: the newest wins. A place that fails is
tried again after a pause that doubles to a minute, told once a kind of trouble, and shown in
`status`.
"""

import logging
import random
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, Protocol

import msgspec

from devices.durable import write_durably

log = logging.getLogger(__name__)
LONGEST_PAUSE_S: Final = 60.0
_STOP_WITHIN_S: Final = 4.0


class NotPublished(Exception):
    """The place did not take the note. The same kind of trouble has the same text."""


class Place(Protocol):
    """Where checkpoints are published. `name` shows no secret."""

    name: str
    every_s: float
    """The shortest pause between two notes."""

    def publish(self, note: str, within_s: float) -> None:
        """Returns once the place has it. Raises NotPublished."""


class Placed(msgspec.Struct, frozen=True, kw_only=True):
    """How far a place is: events in the checkpoint that it has (−1: none since the start), when it
    took it, and what is wrong there since when; `trouble` is empty while all is well."""

    name: str
    events: int = -1
    published_us: int = 0
    trouble: str = ""
    since_us: int = 0


class Publisher:
    """`offer` each note; it never waits. `start` and `stop` as a part of the backend.

    `file` is rewritten at each change, for `status` to read.
    """

    def __init__(self, places: Sequence[Place], file: Path, now_us: Callable[[], int]) -> None:
        self._couriers = [_Courier(place, now_us, self._write) for place in places]
        self._file = file
        self._writing = threading.Lock()

    def offer(self, note: str) -> None:
        """The newest note; one that still waits is forgotten."""
        for each in self._couriers:
            each.offer(note)

    def start(self) -> None:
        """Starts a thread for each place."""
        self._write()
        for each in self._couriers:
            each.start()

    def stop(self) -> None:
        """Gives each place that works a last moment to take the newest note."""
        for each in self._couriers:
            each.end()
        for each in self._couriers:
            each.wait(_STOP_WITHIN_S)

    @property
    def placed(self) -> list[Placed]:
        """How far each place is."""
        return [each.placed for each in self._couriers]

    def _write(self) -> None:
        with self._writing:
            try:
                self._file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                write_durably(self._file, msgspec.json.encode(self.placed))
            except OSError as error:
                log.error("%s cannot be written: %s", self._file, error.strerror)


def read_placed(file: Path) -> list[Placed]:
    """What the backend last said of the places; empty where it said nothing that can be read."""
    try:
        found: list[Placed] = msgspec.json.decode(file.read_bytes(), type=list[Placed])
    except (OSError, msgspec.DecodeError):
        return []
    return found


class _Courier:
    """The thread of one place."""

    def __init__(self, place: Place, now_us: Callable[[], int], told: Callable[[], None]) -> None:
        self.placed = Placed(name=place.name)
        self._place = place
        self._now_us = now_us
        self._told = told
        self._newest: str | None = None
        self._delivered: str | None = None
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"publish {place.name}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def offer(self, note: str) -> None:
        self._newest = note
        self._wake.set()

    def end(self) -> None:
        self._stopping.set()
        self._wake.set()

    def wait(self, within_s: float) -> None:
        if self._thread.is_alive():
            self._thread.join(within_s)

    def _run(self) -> None:
        failures = 0
        while not self._stopping.is_set():
            self._wake.wait()
            self._wake.clear()
            if self._deliver(within_s=15.0):
                failures = 0
                pause_s = self._place.every_s
            else:
                failures += 1
                pause_s = min(LONGEST_PAUSE_S, 2.0**failures) * random.uniform(0.5, 1.0)
                self._wake.set()  # again, with what is newest then
            self._stopping.wait(pause_s)
        if not failures:
            self._deliver(within_s=_STOP_WITHIN_S - 1)

    def _deliver(self, within_s: float) -> bool:
        """False if it failed; nothing to deliver is no failure."""
        note = self._newest
        if note is None or note == self._delivered:
            return True
        try:
            self._place.publish(note, within_s)
        except NotPublished as error:
            self._failed(str(error))
            return False
        except Exception:
            log.exception("publishing to %s", self._place.name)
            self._failed("an error of our own, see the backend's log")
            return False
        self._delivered = note
        if self.placed.trouble:
            log.info("checkpoints are published to %s again", self._place.name)
        self._tell(
            events=int(note.split("\n", 2)[1]),
            published_us=self._now_us(),
            trouble="",
            since_us=0,
        )
        return True

    def _failed(self, trouble: str) -> None:
        if trouble == self.placed.trouble:
            return
        log.error("checkpoints are not published to %s: %s", self._place.name, trouble)
        self._tell(trouble=trouble, since_us=self.placed.since_us or self._now_us())

    def _tell(self, **changed: Any) -> None:
        self.placed = msgspec.structs.replace(self.placed, **changed)
        self._told()
