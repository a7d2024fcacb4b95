"""Nothing is carried out but what an operator signed, for this session, now."""

import asyncio
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from protocol.detached import TYP_OPERATOR, TYP_POS, sign_detached
from protocol.encoding import b64
from protocol.signature import software_signer
from tests.unit.application.ledger_double import NOW_MS
from tests.unit.backend.operator_double import Scene

COMPANY = {
    "what": "company",
    "name": "Acme",
    "timezone": "America/New_York",
    "daily_limit_cents": None,
}


def codes_and_events(scene: Scene, kind: str, verb: str, body: dict[str, Any]) -> tuple[str, int]:
    _, answer = asyncio.run(scene.send(kind, verb, body))
    return answer.get("code", ""), len(scene.ledger.log.events)


def test_a_signed_command_is_carried_out_under_the_operators_name() -> None:
    scene = Scene()
    _, answer = asyncio.run(scene.command("REGISTER", COMPANY))
    assert answer["state"] == "done"
    (event,) = scene.ledger.log.events
    assert event.actor == f"operator:{scene.session.peer.subject_id}:1f"
    assert str(event.originator_id) == answer["result"]["id"]


def test_bytes_changed_after_signing_are_refused() -> None:
    scene = Scene()
    request, raw = scene.signed("REGISTER", COMPANY)
    request["command"] = b64(raw.replace(b"Acme", b"Evil"))
    assert codes_and_events(scene, "C", "REGISTER", request) == ("bad-signature", 0)


@pytest.mark.parametrize(
    ("typ", "kid", "code"),
    [(TYP_POS, "1f", "wrong-signer"), (TYP_OPERATOR, "20", "wrong-signer")],
)
def test_a_signature_for_another_purpose_or_certificate_is_refused(
    typ: str, kid: str, code: str
) -> None:
    scene = Scene()
    request, raw = scene.signed("REGISTER", COMPANY)
    request["signature"] = sign_detached(raw, typ, kid, software_signer(scene.key))
    assert codes_and_events(scene, "C", "REGISTER", request) == (code, 0)


def test_another_key_is_refused() -> None:
    scene = Scene()
    request, raw = scene.signed("REGISTER", COMPANY)
    signer = software_signer(ec.generate_private_key(ec.SECP256R1()))
    request["signature"] = sign_detached(raw, TYP_OPERATOR, "1f", signer)
    assert codes_and_events(scene, "C", "REGISTER", request) == ("bad-signature", 0)


@pytest.mark.parametrize("off_ms", [-300_001, 300_001])
def test_a_command_signed_long_ago_or_ahead_is_refused(off_ms: int) -> None:
    scene = Scene()
    request, _ = scene.signed("REGISTER", COMPANY, issued_ms=NOW_MS + off_ms)
    assert codes_and_events(scene, "C", "REGISTER", request) == ("stale-command", 0)


def test_a_command_under_another_verb_is_refused() -> None:
    scene = Scene()
    request, _ = scene.signed("MENU", COMPANY)
    assert codes_and_events(scene, "C", "REGISTER", request) == ("bad-body", 0)


@pytest.mark.parametrize("command_id", ["x", 5, "", "0192F0C1-0000-8000-8000-000000000001"])
def test_a_command_without_a_proper_id_is_refused(command_id: Any) -> None:
    scene = Scene()
    request, _ = scene.signed("REGISTER", COMPANY, command_id=command_id)
    assert codes_and_events(scene, "C", "REGISTER", request)[1] == 0


def test_an_auditor_reads_and_commands_nothing() -> None:
    scene = Scene("auditor")
    request, _ = scene.signed("REGISTER", COMPANY)
    assert codes_and_events(scene, "C", "REGISTER", request) == ("forbidden", 0)
    scene.directory.rows = [{"company": "x"}]
    assert asyncio.run(scene.read("QUERY", what="companies"))[1]["rows"] == [{"company": "x"}]


@pytest.mark.parametrize("verb", ["AUTHORIZE", "FLY"])
def test_other_verbs_are_refused(verb: str) -> None:
    scene = Scene()
    request, _ = scene.signed(verb, {})
    assert codes_and_events(scene, "C", verb, request)[0] in ("forbidden", "unknown-verb")


@pytest.mark.parametrize("body", [{}, {"id": "1"}, {"id": 1}, {"id": 1, "command": "e30"}])
def test_a_request_without_its_members_is_refused(body: dict[str, Any]) -> None:
    assert codes_and_events(Scene(), "C", "REGISTER", body) == ("bad-body", 0)


def test_a_repeated_command_is_answered_and_changes_nothing() -> None:
    scene = Scene()
    request, _ = scene.signed("REGISTER", COMPANY)
    _, first = asyncio.run(scene.send("C", "REGISTER", request))
    _, again = asyncio.run(scene.send("C", "REGISTER", request))
    assert again["result"] == {**first["result"], "repeated": True}
    assert len(scene.ledger.log.events) == 1


def in_pieces(scene: Scene, size: int) -> list[dict[str, Any]]:
    request, raw = scene.signed("REGISTER", COMPANY)
    pieces = [raw[at : at + size] for at in range(0, len(raw), size)]
    return [
        {**request, "command": b64(piece), "piece": number, "pieces": len(pieces)}
        for number, piece in enumerate(pieces, start=1)
    ]


def send_all(scene: Scene, requests: list[dict[str, Any]]) -> dict[str, Any]:
    async def all_of_them() -> dict[str, Any]:
        for request in requests[:-1]:
            scene.operators.handle(scene.session, "C", "REGISTER", request, scene._reply)
        return (await scene.send("C", "REGISTER", requests[-1]))[1]

    return asyncio.run(all_of_them())


def test_a_long_command_comes_in_pieces_and_is_answered_once() -> None:
    scene = Scene()
    answer = send_all(scene, in_pieces(scene, 40))
    assert answer["state"] == "done"
    assert len(scene.replies) == 1


@pytest.mark.parametrize("fault", ["missing", "swapped", "foreign", "too many", "too long"])
def test_pieces_at_fault_are_refused(fault: str) -> None:
    scene = Scene()
    requests = in_pieces(scene, 40)
    if fault == "missing":
        del requests[1]
    elif fault == "swapped":
        requests[1], requests[2] = requests[2], requests[1]
    elif fault == "foreign":
        requests[2] = {**requests[2], "signature": requests[2]["signature"] + "x"}
    elif fault == "too many":
        requests = in_pieces(scene, 4)
    else:
        requests = [{**requests[0], "pieces": 2}, {**requests[1], "piece": 2, "pieces": 2}]
        requests[1]["command"] = b64(b" " * (1 << 20))
    assert send_all(scene, requests)["code"] == "bad-body"
    assert scene.ledger.log.events == []


def test_a_session_with_too_much_open_is_told_so() -> None:
    scene = Scene()

    async def flood() -> list[str]:
        for number in range(40):
            scene.operators.handle(
                scene.session, "D", "QUERY", {"id": number, "what": "shops"}, scene._reply
            )
        await asyncio.gather(*scene.operators._tasks)
        return [body.get("code", "") for _, _, body in scene.replies]

    codes = asyncio.run(flood())
    assert codes.count("busy") == 8
    assert len(codes) == 40
