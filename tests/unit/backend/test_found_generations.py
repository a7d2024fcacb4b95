"""A generation that is in use in the HSM gets its record, also where the rotation was killed."""

import asyncio
from uuid import UUID

from adapters.backend.carrying_out import CarryingOut
from adapters.backend.found_generations import ACTOR, FoundGenerations
from adapters.backend.operator_ports import InUse
from application.register import IssuedCertificate
from application.work import UNAVAILABLE
from domain.aggregates.key import KeyRotated
from tests.unit.application.ledger_double import ISSUER
from tests.unit.backend.operator_double import Scene
from tests.unit.backend.test_rotating import ONE, give_as
from tests.unit.backend.test_two_persons import give

CERTIFICATE = IssuedCertificate(
    role="authority:issuing",
    serial="2b",
    fingerprint=b"f" * 32,
    not_before_us=0,
    not_after_us=1,
    key_hash=b"k" * 32,
)


def looking(made: Scene, *found: InUse) -> FoundGenerations:
    outside = made.surroundings()
    return FoundGenerations(CarryingOut(outside), outside.turn, ISSUER, lambda: found)


def rotated(made: Scene) -> list[tuple[str, int]]:
    return [(e.name, e.generation) for e in made.ledger.log.events if isinstance(e, KeyRotated)]


def test_what_was_killed_before_its_record_is_recorded_at_the_start() -> None:
    made = Scene()
    found = [InUse(name="K_PVV", generation=3), InUse(name="LOG", generation=1)]
    asyncio.run(looking(made, *found).look())
    assert rotated(made) == [("K_PVV", 2), ("K_PVV", 3)]
    assert {event.actor for event in made.ledger.log.events} == {ACTOR}
    assert all("found in the HSM" in event.why for event in made.ledger.log.events)  # type: ignore[attr-defined]
    asyncio.run(looking(made, *found).look())
    assert len(made.ledger.log.events) == 2, "once"


def test_what_is_on_record_stays_as_it_is() -> None:
    made = Scene()
    give(made, "ROTATE", ONE)
    asyncio.run(looking(made, InUse(name="K_CVV", generation=2)).look())
    assert len(made.ledger.log.events) == 1


def test_the_certificate_that_went_with_it_is_recorded_once() -> None:
    made = Scene()
    authority = InUse(name="CA-ISSUING", generation=2, certificate=(UUID(int=9), CERTIFICATE))
    for _ in range(2):
        asyncio.run(looking(made, authority).look())
    assert [event.TOPIC for event in made.ledger.log.events] == [
        "key.rotated/1",
        "certificate.issued/2",
    ]


def test_a_warning_stands_until_it_is_recorded() -> None:
    made = Scene()
    look = looking(made, InUse(name="LOG", generation=2))
    made.failure = UNAVAILABLE
    asyncio.run(look.look())
    assert look.unrecorded == ["LOG/2"]
    made.failure = None
    asyncio.run(look.look())
    assert look.unrecorded == []
    assert rotated(made) == [("LOG", 2)]


def test_a_rotation_that_is_under_way_is_not_taken_for_a_lost_one() -> None:
    made = Scene()
    outside = made.surroundings()

    async def both() -> None:
        found = FoundGenerations(
            CarryingOut(outside), outside.turn, ISSUER, lambda: [InUse(name="LOG", generation=2)]
        )
        async with outside.turn:
            found.start()
            await asyncio.sleep(0.01)
            assert rotated(made) == []
        await asyncio.sleep(0.01)
        assert rotated(made) == [("LOG", 2)]
        found.stop()
        await asyncio.sleep(0)

    asyncio.run(both())


def test_the_next_rotation_follows_the_found_one() -> None:
    made = Scene()
    made.rotation.made.append(("K_CVV", 2))
    asyncio.run(looking(made, InUse(name="K_CVV", generation=2)).look())
    give_as(made, 5, "ROTATE", {**ONE, "generation": 3})
    assert rotated(made) == [("K_CVV", 2), ("K_CVV", 3)]
