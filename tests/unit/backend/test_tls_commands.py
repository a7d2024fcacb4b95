"""TLS as operators send it: nothing of it is one operator's decision."""

from hashlib import sha256
from typing import Any

import pytest

from domain.aggregates.certificate import CertificateIssued
from protocol.encoding import b64
from tests.unit.backend.operator_double import CHAIN, CSR, Scene, second_operator
from tests.unit.backend.test_operator_commands import done, refused

NEWEST = sha256(CHAIN[0]).hexdigest()
NEXT = {"what": "authority", "replaces": NEWEST}
RETIRE = {"what": "retire", "keeps": NEWEST}
GATEWAY = {"holder": "gateway", "csr": CSR, "names": ["localhost"]}
POS = {"holder": "pos", "csr": b64(b"a request of another key")}
BOTH = {"what": "certificate", "requests": [GATEWAY, POS]}


def approve(scene: Scene, told: dict[str, Any]) -> dict[str, Any]:
    """A second operator's yes; the scene goes on with him."""
    assert told["status"] == "waiting"
    second_operator(scene)
    yes = {
        "proposal": told["proposal"],
        "approve": True,
        "command_hash": told["command_hash"],
    }
    return done(scene, "APPROVE", yes)


def issued(scene: Scene) -> list[str]:
    return [each.role for each in scene.ledger.log.events if isinstance(each, CertificateIssued)]


def test_classes_get_their_certificates_once_a_second_operator_agreed() -> None:
    scene = Scene()
    told = done(scene, "TLS", BOTH)
    assert told["summary"] == "New TLS certificates, and keys, of gateway, pos"
    assert (scene.hsm.asked_names, issued(scene)) == ([], [])
    result = approve(scene, told)["result"]
    assert [each["holder"] for each in result["certificates"]] == ["gateway", "pos"]
    assert issued(scene) == ["tls:gateway", "tls:pos"]
    serials = {each["holder"]: each["serial"] for each in result["certificates"]}
    # Whoever has the keys asks again, under a new command.
    for each in done(scene, "TLS", {**BOTH, "proposal": told["proposal"]})["certificates"]:
        serial = serials[each["holder"]].encode()
        assert each["certificate"] == [b64(serial), b64(b"authority")]
    assert len(issued(scene)) == 2


def test_asked_again_it_waits_and_is_not_proposed_anew() -> None:
    for body in (BOTH, NEXT, RETIRE):
        scene = Scene()
        told = done(scene, "TLS", body)
        again = done(scene, "TLS", {**body, "proposal": told["proposal"]})
        assert (again["proposal"], again["status"]) == (told["proposal"], "waiting")
        second_operator(scene)
        no = {"proposal": told["proposal"], "approve": False, "why": "not today"}
        assert done(scene, "APPROVE", no)["status"] == "rejected"
        anew = done(scene, "TLS", {**body, "proposal": told["proposal"]})
        assert anew["proposal"] != told["proposal"]


def test_a_key_gets_one_certificate() -> None:
    scene = Scene()
    first, second = (done(scene, "TLS", BOTH) for _ in range(2))
    approve(scene, first)
    scene.hsm.asked_names = []
    yes = {
        "proposal": second["proposal"],
        "approve": True,
        "command_hash": second["command_hash"],
    }
    assert refused(scene, "APPROVE", yes)[0] == "key-in-use"
    assert scene.hsm.asked_names == [], "none was made for it either"
    other = {"what": "certificate", "requests": [{**GATEWAY, "holder": "backend"}]}
    assert refused(scene, "TLS", other)[0] == "key-in-use"


def test_who_knows_an_older_tls_authority_is_told_the_newest() -> None:
    scene = Scene()
    told = done(scene, "TLS", {"what": "authority", "replaces": "ab" * 32})
    assert told["certificate"] == [b64(der) for der in CHAIN]
    assert (scene.hsm.replaced, scene.ledger.log.events) == ("", [])


def test_a_new_tls_authority_is_made_by_two_operators_only() -> None:
    scene = Scene()
    told = done(scene, "TLS", NEXT)
    assert scene.hsm.replaced == ""
    assert approve(scene, told)["status"] == "approved"
    assert scene.hsm.replaced == NEWEST
    assert issued(scene) == ["tls:authority"]


def test_the_trust_in_older_authorities_ends_by_two_operators_only() -> None:
    scene = Scene()
    told = done(scene, "TLS", RETIRE)
    assert done(scene, "TLS", {**RETIRE, "proposal": told["proposal"]})["status"] == "waiting"
    assert approve(scene, told)["result"] == {"keeps": NEWEST, "agreed": True}
    scene.ledger.states.drop()
    assert done(scene, "TLS", RETIRE) == {"keeps": NEWEST, "agreed": True}
    assert refused(scene, "TLS", {**RETIRE, "keeps": "ab" * 32})[0] == "other-authority"


def one(**changed: Any) -> dict[str, Any]:
    return {"what": "certificate", "requests": [{**POS, **changed}]}


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"what": "root"}, "what"),
        ({"what": "authority"}, "replaces"),
        ({"what": "retire"}, "keeps"),
        ({"what": "certificate"}, "requests"),
        ({"what": "certificate", "requests": []}, "requests"),
        ({"what": "certificate", "requests": [POS, POS]}, "twice"),
        ({"what": "certificate", "requests": [POS, {**POS, "holder": "card"}]}, "twice"),
        (one(holder="operator"), "holder"),
        (one(csr=7), "csr"),
        (one(csr="!"), "csr"),
        (one(names="localhost"), "names"),
        (one(names=[1]), "names"),
        (one(names=["a"] * 17), "names"),
        (one(csr=b64(b"another")), "refused"),
        ({**BOTH, "proposal": "x"}, "proposal"),
    ],
)
def test_a_tls_command_at_fault_proposes_nothing(body: dict[str, Any], said: str) -> None:
    _, text = refused(Scene(), "TLS", body)
    assert said in text
