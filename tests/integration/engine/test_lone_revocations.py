"""What one operator revokes alone is counted by the one writer, from what the log holds."""

from typing import Any
from uuid import UUID, uuid4

from application.command import Origin, Refused
from application.record_certificate import RecordCertificate
from application.register import IssuedCertificate
from application.revoke import RevokeCertificates
from domain.aggregates.certificate import Certificate, CertificateIssued
from domain.aggregates.lone_revocation import EACH_MOST, LoneRevocationMade
from domain.ids import make_id
from tests.integration.engine.world import World

THIEF, HONEST = uuid4(), uuid4()


def origin(world: World, who: UUID) -> Origin:
    return Origin(
        command_id=uuid4(),
        issued_ms=world.clock.now_us() // 1000,
        actor=f"operator:{who}:1f",
        issuer_id=world.shop,
    )


def terminals(world: World, many: int) -> list[UUID]:
    """The certificates of so many terminals, on record."""
    now_us = world.clock.now_us()
    works = [
        RecordCertificate(
            origin(world, HONEST),
            now_us + 5_000_000,
            subject_id=make_id(now_us // 1000, number, number),
            certificate=IssuedCertificate(
                role="pos",
                serial=format(0x1000 + number, "x"),
                fingerprint=b"f" * 32,
                not_before_us=now_us,
                not_after_us=now_us + 10**12,
                key_hash=number.to_bytes(32),
            ),
        )
        for number in range(many)
    ]
    world.submit(*works)
    return [each.originator_id for each in world.events() if isinstance(each, CertificateIssued)]


def revoke(world: World, who: UUID, *ids: UUID) -> list[Any]:
    """The answers to one command for each, which arrive together."""
    return world.submit(
        *(
            RevokeCertificates(
                origin(world, who),
                world.clock.now_us() + 5_000_000,
                certificate_ids=[id],
                reason="keyCompromise",
                why="test",
                alone=who,
            )
            for id in ids
        )
    )


def test_of_many_that_arrive_together_no_more_are_done_than_one_operator_may(world: World) -> None:
    ids = terminals(world, EACH_MOST + 4)
    answers = revoke(world, THIEF, *ids[:-1])
    refused = [each for each in answers if isinstance(each, Refused)]
    assert [each.code for each in refused] == ["needs-two"] * 3
    counted = [each for each in world.events() if isinstance(each, LoneRevocationMade)]
    assert [each.operator_id for each in counted] == [THIEF] * EACH_MOST
    ended = {each.certificate_id for each in counted}
    states = [world.states.get(id, Certificate) for id in ids]
    assert {each.id for each in states if each is not None and each.revoked} == ended

    world.restart()
    (again,) = revoke(world, THIEF, ids[-2])
    assert isinstance(again, Refused), "a restart gives nobody new ones"
    (other,) = revoke(world, HONEST, ids[-1])
    assert len(other["revoked"]) == 1
