"""The published vectors hold: what a stranger compares with is what this code does."""

import json
from pathlib import Path
from typing import Any

import pytest

from protocol.certificates import ROLES, Trust
from protocol.contract import (
    TYP_CARD,
    TYP_OPERATOR,
    TYP_POS,
    Contract,
    card_reference,
    contract_hash,
    encode_contract,
    items_hash,
    parse_contract,
    verify_detached,
)
from protocol.encoding import unb64
from protocol.errors import TEXTS, BodyError, HandshakeError, LineError, RecordError
from protocol.handshake import Fresh, Identity, Initiator, Responder
from protocol.key_schedule import derive, signed_content, transcript_2, transcript_next
from protocol.line import Line, encode, parse
from protocol.pin import open_pin, pin_block, pin_context, seal_pin
from protocol.record import Session
from protocol.sealed_track import open_track, seal_track
from protocol.signature import verifies
from tests.vectors.generate import everything
from tests.vectors.material import key
from tests.vectors.stranger import Self

FOLDER = Path(__file__).parents[2] / "vectors"
FILES = {path.name: json.loads(path.read_text("utf-8")) for path in FOLDER.glob("*.json")}
PARTIES = {each["role"]: each for each in FILES["parties.json"]["parties"]}
NOW_MS: int = FILES["parties.json"]["now_ms"]
ROOT = bytes.fromhex(FILES["parties.json"]["root"])
HANDSHAKES = {each["name"]: each for each in FILES["handshake.json"]["handshakes"]}


def chain(role: str) -> list[bytes]:
    return [bytes.fromhex(each) for each in PARTIES[role]["chain"]]


def identity(role: str, signature: bytes) -> Identity:
    """The party of that role, whose signature was made before."""
    return Identity(role, chain(role), lambda _: signature)


def random(end: dict[str, str]) -> Fresh:
    hexes = (end["ephemeral_private"], end["nonce"], end["name"])
    return Fresh(*map(bytes.fromhex, hexes))


def signature_in(proof: str) -> bytes:
    signature: str = json.loads(proof)["signature"]
    return unb64(signature)


def open_vector(vector: dict[str, Any]) -> tuple[Session, Session]:
    """Runs a handshake of the file; every line comes out as it is there."""
    left, right = vector["initiator"], vector["responder"]
    first = Initiator(
        identity(left["role"], signature_in(vector["m3_proof"])),
        Trust(ROOT),
        vector["to"],
        right["role"],
        NOW_MS,
        random=random(left),
    )
    second = Responder(
        identity(right["role"], signature_in(vector["m2_proof"])),
        Trust(ROOT),
        NOW_MS,
        status=vector["status"],
        random=random(right),
    )
    assert first.hello().decode() == vector["m1"]
    assert second.answer(parse(vector["m1"].encode())).decode() == vector["m2"]
    assert first.prove(parse(vector["m2"].encode())).decode() == vector["m3"]
    server = second.finish(parse(vector["m3"].encode()), {left["role"]})
    m4 = server.seal("I", "READY", "peer", vector["ready"].encode())
    assert m4.decode() == vector["m4"]
    client, ready = first.ready(parse(m4))
    assert ready == json.loads(vector["ready"])
    return client, server


def test_the_files_are_what_the_generator_makes() -> None:
    made = {name: json.loads(json.dumps(content)) for name, content in everything().items()}
    assert made == {name: FILES[name] for name in made}


@pytest.mark.parametrize("role", sorted(ROLES))
def test_every_party_has_a_good_certificate(role: str) -> None:
    peer = Trust(ROOT).verify(chain(role), NOW_MS)
    assert (peer.role, str(peer.subject_id), peer.kid) == (
        role,
        PARTIES[role]["subject_id"],
        PARTIES[role]["serial"],
    )


def test_the_pin_key_has_a_good_certificate() -> None:
    pin = FILES["parties.json"]["pin_key"]
    found = Trust(ROOT).verify_pin_key([bytes.fromhex(each) for each in pin["chain"]], NOW_MS)
    assert found == key("pin").public_key()


@pytest.mark.parametrize("case", FILES["lines.json"]["valid"], ids=lambda case: case["line"][:30])
def test_valid_lines(case: dict[str, Any]) -> None:
    raw = case["line"].encode()
    fields = {**case, "payload": bytes.fromhex(case["payload"])}
    del fields["line"]
    assert parse(raw) == Line(**fields) == parse(raw + b"\n")
    assert encode(parse(raw)) == raw + b"\n"


@pytest.mark.parametrize("case", FILES["lines.json"]["refused"])
def test_refused_lines(case: dict[str, Any]) -> None:
    raw = bytes.fromhex(case["hex"]) if "hex" in case else case["line"].encode()
    with pytest.raises(LineError) as caught:
        parse(raw)
    assert caught.value.code == case["code"]


def test_the_longest_line() -> None:
    long = FILES["lines.json"]["long"]
    for name in ("accepted", "refused"):
        raw = (long["line"] + "A" * long[name]["repeat"] + "\n").encode()
        assert len(raw) == long[name]["bytes"]
        if name == "accepted":
            assert parse(raw).verb == "AUTHORIZE"
        else:
            with pytest.raises(LineError) as caught:
                parse(raw)
            assert caught.value.code == long[name]["code"]


@pytest.mark.parametrize("name", HANDSHAKES)
def test_handshakes(name: str) -> None:
    vector = HANDSHAKES[name]
    client, server = open_vector(vector)
    secrets = vector["secrets"]
    for session in (client, server):
        assert session.id == parse(vector["m2"].encode()).session
        assert session.t4.hex() == vector["t4"]
        assert session.pin.hex() == secrets["pin"]
        assert session.export.hex() == secrets["export"]
    assert client.peer.role == vector["responder"]["role"]
    assert server.peer.role == vector["initiator"]["role"]


@pytest.mark.parametrize("name", HANDSHAKES)
def test_transcripts_and_secrets(name: str) -> None:
    vector = HANDSHAKES[name]
    payload = bytes.fromhex(vector["m2_payload"])
    end = 4 + int.from_bytes(payload[:4], "big")
    t2 = transcript_2(bytes.fromhex(vector["m1_payload"]), payload[4:end])
    t3 = transcript_next(t2, payload[end + 4 :])
    t4 = transcript_next(t3, bytes.fromhex(vector["m3_payload"]))
    assert [each.hex() for each in (t2, t3, t4)] == [vector[each] for each in ("t2", "t3", "t4")]
    prk = bytes.fromhex(vector["prk"])
    for label, expected in vector["secrets"].items():
        of = t2 if label.startswith("responder handshake") or label == "responder mac" else t3
        if "application" in label or label in ("pin", "export"):
            of = t4
        assert derive(prk, label, of, len(expected) // 2).hex() == expected


def refusing_trust() -> Trust:
    """Trust that knows which certificates of the vectors are revoked."""
    file = FILES["handshake-refused.json"]
    revoked = {int(file["revoked"], 16), int(file["also_revoked"], 16)}
    return Trust(ROOT, revoked=revoked.__contains__)


def refusing_responder() -> Responder:
    file = FILES["handshake-refused.json"]
    return Responder(
        identity("backend", signature_in(open_m2(file))),
        refusing_trust(),
        NOW_MS,
        status=file["status"],
        random=random(file["responder"]),
    )


def open_m2(file: dict[str, Any]) -> str:
    """The proof inside the file's M2."""
    right, payload = random(file["responder"]), parse(file["m2"].encode()).payload
    m1 = parse(file["m1"].encode()).payload
    end = 4 + int.from_bytes(payload[:4], "big")
    me = Self("backend", [], bytes, right.ephemeral_private, right.nonce, right.name)
    me.agree(unb64(json.loads(m1)["ephemeral"]))
    t2 = transcript_2(m1, payload[4:end])
    return me.open_proof("responder", t2, payload[end + 4 :]).decode()


def cases(name: str) -> pytest.MarkDecorator:
    found = FILES["handshake-refused.json"][name]
    return pytest.mark.parametrize("case", found, ids=[f"{each['name']}" for each in found])


@cases("bad_m1")
def test_refused_m1(case: dict[str, Any]) -> None:
    with pytest.raises(HandshakeError) as caught:
        refusing_responder().answer(parse(case["line"].encode()))
    assert caught.value.code == case["code"]


@cases("bad_m2")
def test_refused_m2(case: dict[str, Any]) -> None:
    file = FILES["handshake-refused.json"]
    initiator = Initiator(
        identity("pos", bytes(64)),
        refusing_trust(),
        "backend",
        "backend",
        NOW_MS,
        random=random(file["initiator"]),
    )
    assert initiator.hello().decode() == file["m1"]
    with pytest.raises(HandshakeError) as caught:
        initiator.prove(parse(case["line"].encode()))
    assert caught.value.code == case["code"]


@cases("bad_m3")
def test_refused_m3(case: dict[str, Any]) -> None:
    file = FILES["handshake-refused.json"]
    responder = refusing_responder()
    assert responder.answer(parse(file["m1"].encode())).decode() == file["m2"]
    with pytest.raises(HandshakeError) as caught:
        responder.finish(parse(case["line"].encode()), ROLES)
    assert caught.value.code == case["code"]


@pytest.mark.parametrize("name", HANDSHAKES)
def test_what_is_signed(name: str) -> None:
    vector = HANDSHAKES[name]
    for side, message, of in (("responder", "m2", "t2"), ("initiator", "m3", "t3")):
        proof, role = json.loads(vector[f"{message}_proof"]), vector[side]["role"]
        content = signed_content(role, bytes.fromhex(vector[of]), chain(role))
        assert content.hex() == vector[f"{message}_signed"]
        peer = Trust(ROOT).verify(chain(role), NOW_MS)
        assert verifies(peer.public_key, unb64(proof["signature"]), content)


def test_records() -> None:
    client, server = open_vector(HANDSHAKES["pos to backend"])
    ends = {"initiator": (client, server), "responder": (server, client)}
    for record in FILES["records.json"]["records"]:
        sender, receiver = ends[record["from"]]
        line = parse(record["line"].encode())
        body = record["body"].encode()
        assert sender.seal(line.kind, line.verb, line.to, body).decode() == record["line"]
        assert receiver.open(line) == body


REFUSED_RECORDS = FILES["records.json"]["refused_instead_of_the_second"]


@pytest.mark.parametrize("case", REFUSED_RECORDS, ids=lambda case: case["name"])
def test_refused_records(case: dict[str, Any]) -> None:
    _, server = open_vector(HANDSHAKES["pos to backend"])
    server.open(parse(FILES["records.json"]["records"][0]["line"].encode()))
    with pytest.raises(RecordError) as caught:
        server.open(parse(case["line"].encode()))
    assert caught.value.code == case["code"]


def test_contract() -> None:
    file = FILES["contract.json"]
    raw = file["contract"].encode()
    contract = parse_contract(raw)
    assert isinstance(contract, Contract)
    assert encode_contract(contract) == raw
    assert contract_hash(raw).hex() == file["contract_hash"]
    assert contract.session.hex() == HANDSHAKES["pos to backend"]["t4"]
    assert contract.card.hex() == file["card_reference"]
    assert card_reference(bytes.fromhex(file["salt"]), file["pan"]) == contract.card
    assert items_hash(file["items"]) == contract.items
    pos, card = (Trust(ROOT).verify(chain(role), NOW_MS) for role in ("pos", "card"))
    verify_detached(raw, file["pos_signature"], TYP_POS, pos.public_key, pos.kid)
    verify_detached(raw, file["card_signature"], TYP_CARD, card.public_key, card.kid)


REFUSED_CONTRACTS = FILES["contract.json"]["refused_contracts"]


@pytest.mark.parametrize("case", REFUSED_CONTRACTS, ids=lambda case: case["name"])
def test_refused_contracts(case: dict[str, Any]) -> None:
    with pytest.raises(BodyError, match="bad-contract"):
        parse_contract(case["contract"].encode())


REFUSED_SIGNATURES = FILES["contract.json"]["refused_as_pos_signature"]


@pytest.mark.parametrize("case", REFUSED_SIGNATURES, ids=lambda case: case["name"])
def test_refused_signatures(case: dict[str, Any]) -> None:
    pos = Trust(ROOT).verify(chain("pos"), NOW_MS)
    raw = FILES["contract.json"]["contract"].encode()
    with pytest.raises(BodyError) as caught:
        verify_detached(raw, case["jws"], TYP_POS, pos.public_key, pos.kid)
    assert caught.value.code == case["code"]


@pytest.mark.parametrize("case", FILES["pin.json"]["cases"], ids=lambda case: case["pin"])
def test_pins(case: dict[str, Any]) -> None:
    file = FILES["pin.json"]
    place = (bytes.fromhex(file["t4"]), file["counter"], file["ms"])
    assert pin_context(*place).hex() == file["context"]
    assert pin_block(case["pin"], file["pan"]).hex() == case["clear_block"]
    public = key("pin").public_key()
    own = key("pin ephemeral")
    assert own.private_numbers().private_value == int(file["ephemeral_private"], 16)
    sealed = seal_pin(case["pin"], file["pan"], public, *place, ephemeral=own)
    assert sealed == case["sealed"]
    assert open_pin(**sealed, private_key=key("pin"), **_place(place)).hex() == case["clear_block"]


def _place(place: tuple[bytes, int, int]) -> dict[str, Any]:
    return dict(zip(("t4", "counter", "ms"), place, strict=True))


@pytest.mark.parametrize("pin", FILES["pin.json"]["refused_pins"])
def test_refused_pins(pin: str) -> None:
    with pytest.raises(ValueError, match="4 to 12 digits"):
        pin_block(pin, FILES["pin.json"]["pan"])


def test_track() -> None:
    file = FILES["track.json"]
    contract = FILES["contract.json"]["contract"].encode()
    phone, _ = open_vector(HANDSHAKES["card to backend"])
    assert phone.export.hex() == file["export"]
    nonce = bytes.fromhex(file["nonce"])
    track2, salt = file["track2"], bytes.fromhex(file["salt"])
    sealed = seal_track(track2, salt, contract, phone.id, phone.export, nonce=nonce)
    assert sealed == file["sealed"]
    assert open_track(sealed, contract, phone.export) == (track2, salt)


def test_command() -> None:
    file = FILES["command.json"]
    operator = Trust(ROOT).verify(chain("operator"), NOW_MS)
    raw = file["command"].encode()
    verify_detached(raw, file["signature"], TYP_OPERATOR, operator.public_key, operator.kid)
    body = json.loads(file["body"])
    assert unb64(body["command"]) == raw
    assert body["signature"] == file["signature"]


def test_every_code_is_a_known_one() -> None:
    def codes(value: Any) -> set[str]:
        if isinstance(value, list):
            return set().union(*map(codes, value))
        if isinstance(value, dict):
            own = {value["code"]} if isinstance(value.get("code"), str) else set()
            return own.union(*map(codes, value.values()))
        return set()

    assert codes(list(FILES.values())) <= TEXTS.keys()
