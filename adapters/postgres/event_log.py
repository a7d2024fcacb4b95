"""`application.ports.EventLog` over the shard's recorder and the sealing mapper."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from uuid import UUID

from adapters.postgres.mapper import PERSONAL, SealedMapper, event_place
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
        self._added: list[Row] = []
        self._encoded: list[bytes] = []
        self._sent: list[Row] = []
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
        self._settle_before_reading()
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
        self._settle_before_reading()
        return {
            (kind, bytes(digest)): owner for kind, digest, owner in self.recorder.claim_owners(keys)
        }

    def append(self, events: Iterable[Event], claims: Sequence[Claim] = ()) -> None:
        """All in one durable commit, which is waited for. What `events` raise rolls all back."""
        try:
            self.add(events)
        except BaseException:
            self._added, self._encoded = [], []
            raise
        self.send(claims)
        while not self.settle(1.0):
            pass

    def add(self, events: Iterable[Event]) -> None:
        """See the port."""
        recorder, added = self.recorder, self._added
        seal_at, encode_at = self.mapper.seal_at, recorder.encode_at
        note, note_encoded = added.append, self._encoded.append
        position = recorder.position + len(self._sent) + len(added)
        for event in events:
            position += 1
            id, version, topic = event.originator_id, event.originator_version, event.TOPIC
            place = event_place(id, version, topic)
            state = seal_at(place, event)
            note(Row(position, id, version, topic, state))
            note_encoded(encode_at(position, place, state))

    def send(self, claims: Sequence[Claim]) -> None:
        """See the port. Raises ValueError for a claim without an event."""
        if self._sent:
            raise ValueError("one commit at a time")
        if not self._added:
            if claims:
                raise ValueError("a claim belongs to an event")
            return
        self._sent, self._added = self._added, []
        encoded, self._encoded = self._encoded, []
        self.recorder.send(encoded, claims)

    def settle(self, wait_s: float) -> bool:
        """See the port."""
        if not self._sent:
            return True
        if not self.recorder.settle(wait_s):
            return False
        rows, self._sent = self._sent, []
        self._known = self.recorder.position
        self._tell(rows)
        return True

    @property
    def on_its_way(self) -> bool:
        """See the port."""
        return bool(self._sent)

    def _settle_before_reading(self) -> None:
        """The writer reads what it decided itself: never the log as it was before."""
        if self._sent and self.recorder.in_writers_thread:
            while not self.settle(1.0):
                pass

    def _tell(self, rows: list[Row]) -> None:
        for listener in self._listeners:
            listener(rows)

    def recover(self) -> bool:
        """See the port: whether the commit in doubt is stored after all."""
        attempted = self._sent
        self._added, self._encoded = [], []
        last = self.recorder.take()
        if self._known < 0 or last == self._known:
            self._known = last
            self._sent = []
            return False
        added = self._read(self._known, last)
        if last < self._known or not self._all_ours(added):
            self.recorder.release()
            raise Conflict("rows that this system did not seal")
        stored = bool(attempted) and added[: len(attempted)] == attempted
        if added:
            self._tell(added)
        self._known = last
        self._sent = []
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
