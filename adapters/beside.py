"""A read model built anew beside the one in use, compared with it, and put into its place.

The live runner stands still only while the copy catches up with its last few events; readers wait
for the moment in which the tables change places.
"""

import logging
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Future
from contextlib import contextmanager
from typing import Any, Final

import msgspec
import psycopg

from adapters.backend.operator_ports import Denied
from adapters.postgres.beside import SCHEMA, BesideTables
from adapters.postgres.data_keys import DataKeys
from adapters.postgres.log_reader import Connect
from adapters.postgres.projection_store import ProjectionDatabase
from adapters.postgres.read_model_diff import Difference, differences, shapes
from application.ports import Conflict, Unavailable
from projections.ports import LogReader, Now, Projection
from projections.runner import Runner

log = logging.getLogger(__name__)
MOST_TOLD: Final = 100
"""Differences told one by one; all are counted."""
_WAIT_S: Final = 60.0
Make = Callable[[ProjectionDatabase], list[Projection]]


class Compared(msgspec.Struct, frozen=True, kw_only=True):
    """Both read models as they stood at `position`. `rows`: the first MOST_TOLD differences."""

    position: int
    total: int
    rows: list[Difference]


class Beside:
    """For threads other than the event loop's; one rebuild at a time. Methods raise Denied for
    what makes no sense now, and Unavailable."""

    def __init__(
        self,
        connect: Connect,
        keys: DataKeys,
        make: Make,
        read: Callable[[], LogReader],
        live: Runner,
        now_us: Now,
        *,
        share: Callable[[], float],
    ) -> None:
        """`make` gives all projections over a database; `read` a reader of the log of its own."""
        self._connect, self._keys, self._make, self._read = connect, keys, make, read
        self._live, self._now_us, self._share = live, now_us, share
        self._tables = BesideTables(connect)
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._runner: Runner | None = None
        self._name = ""

    def rows(self) -> list[dict[str, Any]]:
        """Every projection, how far it is, and how far its copy is, None where there is none."""
        beside = self._progress()
        return [
            {
                "projection": each.name.partition("/")[0],
                "version": each.name.partition("/")[2],
                "position": each.position,
                "as_of_us": each.as_of_us,
                "stuck": each.stuck,
                "rebuilding": self._live.is_rebuilding(each.name),
                "beside_position": beside.get(each.name, (None, ""))[0],
                "beside_stuck": beside.get(each.name, (None, ""))[1],
            }
            for each in self._live.progress()
        ]

    def rebuild(self, short: str) -> dict[str, Any]:
        """Begins a copy; one of the same projection that is under way goes on."""
        with self._alone():
            name = self._full(short)
            if self._runner is not None and self._name == name:
                return {"projection": short, "state": "under-way"}
            if self._runner is not None:
                raise Denied("busy", f"{_short(self._name)} is being rebuilt: switch or drop it.")
            # A copy of before a restart of the backend is begun anew: it may be of an older form.
            projection, database = self._projection(name)
            self._tables.prepare(name, projection.tables)
            self._name, self._runner = name, self._new_runner(projection, database)
            self._runner.start()
        log.info("a copy of %s is being built beside it", name)
        return {"projection": short, "state": "begun"}

    def rebuild_in_place(self, short: str) -> dict[str, Any]:
        """Empties the one in use and builds it anew; nothing is read from it meanwhile."""
        self._live.rebuild(self._full(short))
        return {"projection": short, "state": "begun"}

    def diff(self, short: str) -> dict[str, Any]:
        """Both, compared at the same event."""
        with self._alone():
            runner, name = self._at_hand(short)
            with self._connect() as connection:
                connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
                position = self._meet(runner, lambda: self._see(connection))
                compared = self._compare(connection, name, position)
        told: dict[str, Any] = msgspec.to_builtins(compared)
        return {**told, "projection": short}

    def switch(self, short: str) -> dict[str, Any]:
        """The copy takes the place of the one in use, which is dropped."""
        with self._alone():
            runner, name = self._at_hand(short)
            tables = self._projection(name)[0].tables

            def change_places() -> None:
                self._tables.switch(name, tables)
                # What it remembers is of the tables that it wrote, wrong where they were.
                self._live.forget(name)

            position = self._meet(runner, change_places)
            runner.stop()
            self._runner, self._name = None, ""
            self._tables.drop(name, tables)
        log.warning("projection %s was replaced at event %d by one built anew", name, position)
        return {"projection": short, "state": "switched", "position": position}

    def drop(self, short: str) -> dict[str, Any]:
        """Gives the copy up."""
        with self._alone():
            name = self._full(short)
            if self._runner is not None and self._name == name:
                self._runner.stop()
                self._runner, self._name = None, ""
            self._tables.drop(name, self._projection(name)[0].tables)
        return {"projection": short, "state": "dropped"}

    def start(self) -> None:
        """Nothing until somebody asks."""

    def stop(self) -> None:
        """Ends a rebuild that is under way; its copy is begun anew by the next one."""
        self._stopping.set()
        runner = self._runner
        if runner is not None:
            runner.stop()

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """A comparison takes minutes: whoever waited for it would hold a thread of the reads."""
        if not self._lock.acquire(blocking=False):
            text = "A rebuild, comparison or switch is under way. Try again when it is done."
            raise Denied("busy", text)
        try:
            yield
        finally:
            self._lock.release()

    def _meet(self, runner: Runner, then: Callable[[], None]) -> int:
        """Stops both at the same event, does `then`, lets both go on. The event's position."""
        if not runner.wait_for(self._name, self._live_position() - _NEARLY, _WAIT_S):
            raise Denied("not-ready", "The copy is still being built. See projections list.")

        def meeting() -> int:
            def both() -> int:
                self._catch_up(runner)
                then()
                return self._live_position()

            return _result(runner.between(both), _WAIT_S)

        try:
            return _result(self._live.between(meeting), 2 * _WAIT_S)
        except Conflict:
            raise Denied("not-ready", "The copy is still behind. Try again in a moment.") from None
        except (TimeoutError, CancelledError) as error:
            raise Unavailable("the projections") from error

    def _catch_up(self, runner: Runner) -> None:
        """Up to the event at which the one in use stands; runs in both runners' hands."""
        while not self._stuck(runner) and runner.as_far_as(self._name) < self._live_position():
            runner.run_once()

    def _stuck(self, runner: Runner) -> str:
        return next(each.stuck for each in runner.progress())

    def _see(self, connection: "psycopg.Connection[Any]") -> None:
        """From its first statement on the connection sees both as they are now."""
        connection.execute("SELECT 1 FROM projections")

    def _compare(self, connection: "psycopg.Connection[Any]", name: str, position: int) -> Compared:
        known, rows, total = shapes(self._keys), list[Difference](), 0
        for table in self._projection(name)[0].tables:
            for each in differences(connection, table, known[table], self._still_wanted):
                total += 1
                if len(rows) < MOST_TOLD:
                    rows.append(each)
        return Compared(position=position, total=total, rows=rows)

    def _still_wanted(self) -> None:
        """Between two pages. Raises Unavailable where the backend ends."""
        if self._stopping.is_set():
            raise Unavailable("the projections")

    def _new_runner(self, projection: Projection, database: ProjectionDatabase) -> Runner:
        return Runner(
            self._read(),
            database,
            [projection],
            self._now_us,
            share=self._share,
            upto=self._live_position,
        )

    def _projection(self, name: str) -> tuple[Projection, ProjectionDatabase]:
        database = ProjectionDatabase(self._connect, SCHEMA)
        made = next(each for each in self._make(database) if each.name == name)
        return made, database

    def _live_position(self) -> int:
        return self._live.as_far_as(self._name)

    def _progress(self) -> dict[str, tuple[int, str]]:
        runner = self._runner
        if runner is None:
            return {}
        return {each.name: (each.position, each.stuck) for each in runner.progress()}

    def _at_hand(self, short: str) -> tuple[Runner, str]:
        name = self._full(short)
        if self._runner is None or self._name != name:
            raise Denied("no-copy", f"There is no copy of {short}. Rebuild it first.")
        stuck = self._progress()[name][1]
        if stuck:
            raise Denied("not-ready", f"The copy stands still: {stuck}.")
        return self._runner, name

    def _full(self, short: str) -> str:
        """The name with its version. Raises Denied."""
        names = {_short(each.name): each.name for each in self._live.progress()}
        if short not in names:
            known = ", ".join(sorted(names))
            raise Denied("no-such-projection", f"There is no projection {short}: use {known}.")
        return names[short]


_NEARLY: Final = 20_000
"""Events that a copy may be behind when both stop to meet: a second's work or two."""


def _result(future: "Future[Any]", within_s: float) -> int:
    """What a job of `Runner.between` comes to; not in time: it is not begun any more."""
    try:
        return int(future.result(within_s))
    except TimeoutError:
        future.cancel()
        raise


def _short(name: str) -> str:
    return name.partition("/")[0]
