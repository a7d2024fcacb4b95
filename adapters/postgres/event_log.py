"""`application.ports.EventLog` over the shard's recorder and the sealing mapper."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from uuid import UUID

from adapters.postgres.mapper import PERSONAL, SealedMapper
from adapters.postgres.recorder import ShardRecorder
from adapters.postgres.sealing import NotSealedHere
from application.ports import Claim, Conflict, Row, Unavailable
from domain.event import Event

_FROM_THE_FIRST: Mapping[UUID, int] = MappingProxyType({})


class SealedEventLog:
    """Seals what is appended, opens what is loaded; tells listeners what was committed."""

    def __init__(
        self,
        recorder: ShardRecorder,
        mapper: SealedMapper,
    ) -> None:
        self.recorder = recorder
        self.mapper = mapper
        self._listeners: list[Callable[[list[Row]], None]] = []
        self._attempted: list[Row] = []
        self._known = -1

    def on_stored(self, listener: Callable[[list[Row]], None]) -> None:
        """Has `listener` told, in the writer's thread, of all rows that were committed."""
        self._listeners.append(listener)

    def load(
        self, ids: Sequence[UUID], after: Mapping[UUID, int] = _FROM_THE_FIRST
    ) -> dict[UUID, list[Event]]:
        """See the port: of an erased person without what cannot be read any more. `after`: the
        version that is known already, by stream.

        Raises NotSealedHere for a row that was tampered with.
        """
        found: dict[UUID, list[Event]] = {}
        for id, version, topic, state in self.recorder.streams(ids, after):
            try:
                event = self.mapper.open(id, version, topic, state)
            except KeyError:
                if not topic.startswith(PERSONAL):
                    raise
            else:
                found.setdefault(id, []).append(event)
        return found

    def transactions_since(self, ms: int) -> Iterable[UUID]:
        """See the port."""
        return self.recorder.ids_since(ms)

    def owners(self, keys: Sequence[tuple[str, bytes]]) -> dict[tuple[str, bytes], UUID]:
        """See the port."""
        return {
            (kind, bytes(digest)): owner for kind, digest, owner in self.recorder.claim_owners(keys)
        }

    def append(self, events: Iterable[Event], claims: Sequence[Claim] | None) -> None:
        """See the port."""
        attempted = self._attempted = []
        self.recorder.append(self._rows(events, attempted), claims)
        self._stored(attempted)

    def _rows(self, events: Iterable[Event], attempted: list[Row]) -> Iterator[Row]:
        position, seal, note = self.recorder.position, self.mapper.seal, attempted.append
        for event in events:
            position += 1
            row = Row(
                position, event.originator_id, event.originator_version, event.TOPIC, seal(event)
            )
            note(row)
            yield row

    def _stored(self, rows: list[Row]) -> None:
        self._known = self.recorder.position
        self._attempted = []
        if rows:
            self._tell(rows)

    def _tell(self, rows: list[Row]) -> None:
        for listener in self._listeners:
            listener(rows)

    def recover(self) -> bool:
        """See the port: whether the append in doubt is stored after all."""
        attempted = self._attempted
        last = self.recorder.take()
        if self._known < 0 or last == self._known:
            self._known = last
            self._attempted = []
            return False
        added = self._read(self._known, last)
        if last < self._known or not self._all_ours(added):
            self.recorder.release()
            raise Conflict("rows that this system did not seal")
        stored = bool(attempted) and added[: len(attempted)] == attempted
        if added:
            self._tell(added)
        self._known = last
        self._attempted = []
        return stored

    def _read(self, after: int, upto: int) -> list[Row]:
        rows: list[Row] = []
        while after < upto:
            page = self.recorder.rows(after, 5_000, upto)
            if not page:
                raise Unavailable("the ledger database")
            rows += [row._replace(state=bytes(row.state)) for row in page]
            after = page[-1].position
        return rows

    def _all_ours(self, rows: list[Row]) -> bool:
        for _, id, version, topic, state in rows:
            try:
                self.mapper.open(id, version, topic, state)
            except (NotSealedHere, KeyError):
                return False
        return True
