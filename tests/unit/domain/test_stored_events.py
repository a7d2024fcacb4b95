"""Stored events stay readable for ever: golden bytes of every topic and version.

A new topic or version is added to `tests/vectors/events.json` by running this file as a program;
a line that is there is never changed.
"""

import json
from pathlib import Path
from typing import Any, get_args, get_type_hints
from uuid import UUID

import msgspec
import pytest

import application.states  # noqa: F401 - registers every topic
from domain import event as events
from domain.event import Event
from tests.unit.domain.material import context, id_of

GOLDEN = Path(__file__).parents[2] / "vectors" / "events.json"


def _sample(kind: Any, name: str) -> Any:
    """A fixed value of a field's type."""
    if kind is int:
        return 1_250
    if kind is bool:
        return True
    if kind is str:
        return name
    if kind is bytes:
        return name.encode()
    if kind is UUID:
        return id_of(11)
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return kind(**{n: _sample(t, n) for n, t in get_type_hints(kind).items()})
    arguments = get_args(kind)
    if arguments and arguments[-1] is Ellipsis:
        return (_sample(arguments[0], name),)
    return _sample(arguments[0], name)


def sample(cls: type[Event]) -> Event:
    """An event with a value in every field."""
    hints = {n: t for n, t in get_type_hints(cls).items() if n != "TOPIC"}
    stamped = events.stamp(context(), id_of(10), 3)
    facts = {n: _sample(t, n) for n, t in hints.items() if n not in stamped}
    return cls(**stamped, **facts)


def golden() -> dict[str, str]:
    """Topic -> plaintext in hex, as stored by some version of this system."""
    found: dict[str, str] = json.loads(GOLDEN.read_text())
    return found


@pytest.mark.parametrize("topic", sorted(golden()))
def test_an_event_of_any_earlier_version_is_read(topic: str) -> None:
    event = events.decode(topic, bytes.fromhex(golden()[topic]))
    if topic == type(event).TOPIC:
        assert event == sample(type(event))


def test_every_topic_that_is_written_has_its_golden_bytes() -> None:
    assert events.topics().keys() <= golden().keys()


def test_what_is_written_today_is_what_the_golden_bytes_say() -> None:
    for topic, cls in events.topics().items():
        assert events.encode(sample(cls)).hex() == golden()[topic], topic


def test_an_old_version_is_read_as_the_new_one() -> None:
    old = events.stamp(context(), id_of(10), 3) | {"cents": 5, "refill_id": id_of(11)}
    events.upcast(
        "account.credited/0",
        "account.credited/1",
        lambda facts: {**facts, "amount_cents": facts.pop("cents")},
    )
    stored = msgspec.msgpack.Encoder(uuid_format="bytes").encode(old)
    event: Any = events.decode("account.credited/0", stored)
    assert event.amount_cents == 5
    assert event.refill_id == id_of(11)


def test_foreign_bytes_are_refused() -> None:
    with pytest.raises(msgspec.DecodeError):
        events.decode("account.credited/1", b"\x81\xa1x\x01")


if __name__ == "__main__":
    kept = json.loads(GOLDEN.read_text()) if GOLDEN.exists() else {}
    for topic, cls in events.topics().items():
        kept.setdefault(topic, events.encode(sample(cls)).hex())
    GOLDEN.write_text(json.dumps(kept, indent=1, sort_keys=True) + "\n")
