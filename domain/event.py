"""What every stored fact has in common, and the register of event topics.

An event is a frozen struct. Its class names a topic: a short stable name with a version
(`account.debited/1`), never a Python path, so that code can move without touching the past.
Times are integer microseconds since 1970-01-01 UTC; money is integer cents.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar, TypeVar
from uuid import UUID

import msgspec


class Context(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Who does what, when: handed to every decision, copied into every event.

    `actor` is `<role>:<subject id>:<certificate serial in hex>`, or `system:<part>`.
    """

    occurred_at_us: int
    recorded_at_us: int
    actor: str
    command_id: UUID
    correlation_id: UUID
    issuer_id: UUID


class Event(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A fact of one aggregate, never changed once stored."""

    TOPIC: ClassVar[str] = ""

    originator_id: UUID
    originator_version: int
    occurred_at_us: int
    recorded_at_us: int
    actor: str
    command_id: UUID
    correlation_id: UUID
    issuer_id: UUID


Facts = dict[str, Any]
_E = TypeVar("_E", bound=type[Event])
_CLASSES: dict[str, type[Event]] = {}
_UPCASTERS: dict[str, tuple[str, Callable[[Facts], Facts] | None]] = {}


def stored_as(topic: str) -> Callable[[_E], _E]:
    """Class decorator: events of this class are stored under `topic`, for ever."""

    def register(cls: _E) -> _E:
        if topic in _CLASSES or topic in _UPCASTERS:
            raise ValueError(f"topic {topic} is taken")
        cls.TOPIC = topic
        _CLASSES[topic] = cls
        return cls

    return register


def upcast(old_topic: str, new_topic: str, change: Callable[[Facts], Facts] | None = None) -> None:
    """Reads events stored under `old_topic` as `new_topic`: `change` maps fields to fields.

    None: the new version only added fields with defaults, and is read as fast as itself.
    """
    if old_topic in _CLASSES or old_topic in _UPCASTERS:
        raise ValueError(f"topic {old_topic} is taken")
    _UPCASTERS[old_topic] = (new_topic, change)


def topics() -> Mapping[str, type[Event]]:
    """Every topic that is written today, with its class."""
    return _CLASSES


def stored_topics(classes: Iterable[type[Event]]) -> frozenset[str]:
    """Every topic under which events of these classes were ever stored, today's and earlier."""
    names = {cls.TOPIC for cls in classes}
    older = {old for old in _UPCASTERS if _newest(old) in names}
    return frozenset(names | older)


def _newest(topic: str) -> str:
    while topic in _UPCASTERS:
        topic = _UPCASTERS[topic][0]
    return topic


_ENCODER = msgspec.msgpack.Encoder(uuid_format="bytes")
_DECODERS: dict[str, msgspec.msgpack.Decoder[Any]] = {}


def encode(event: Event) -> bytes:
    """The event as a MessagePack map by field name: the plaintext that is sealed."""
    return _ENCODER.encode(event)


def decode(topic: str, plaintext: bytes) -> Event:
    """The event that `encode` was given, of this or any earlier version.

    Raises KeyError for an unknown topic and msgspec.DecodeError for foreign bytes.
    """
    decoder = _DECODERS.get(topic)
    if decoder is not None:
        return decoder.decode(plaintext)  # type: ignore[no-any-return]
    newest = _newest(topic) if _only_grew(topic) else topic
    if newest in _UPCASTERS:
        facts = msgspec.msgpack.decode(plaintext)
        while topic in _UPCASTERS:
            topic, change = _UPCASTERS[topic]
            facts = change(facts) if change is not None else facts
        return msgspec.convert(facts, _CLASSES[topic], builtin_types=(bytes,))
    _DECODERS[topic] = msgspec.msgpack.Decoder(_CLASSES[newest])
    return decode(topic, plaintext)


def _only_grew(topic: str) -> bool:
    """Whether nothing but fields with defaults came since that version."""
    while topic in _UPCASTERS:
        topic, change = _UPCASTERS[topic]
        if change is not None:
            return False
    return True


def stamp(context: Context, originator_id: UUID, originator_version: int) -> dict[str, Any]:
    """The fields that every event carries, for its constructor."""
    return {
        "originator_id": originator_id,
        "originator_version": originator_version,
        "occurred_at_us": context.occurred_at_us,
        "recorded_at_us": context.recorded_at_us,
        "actor": context.actor,
        "command_id": context.command_id,
        "correlation_id": context.correlation_id,
        "issuer_id": context.issuer_id,
    }


def no_such_event(aggregate: str, event: Event) -> TypeError:
    """What `evolve` raises for an event of another aggregate."""
    return TypeError(f"no {aggregate} event: {type(event).__name__}")
