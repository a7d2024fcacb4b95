"""Contract, signatures, PIN block and sealed track: each holds for one purchase only."""

from typing import Any
from uuid import UUID

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol.contract import (
    TYP_CARD,
    TYP_OPERATOR,
    TYP_POS,
    Contract,
    card_reference,
    encode_contract,
    parse_contract,
    sign_detached,
    verify_detached,
)
from protocol.encoding import b64, unb64
from protocol.errors import BodyError
from protocol.pin import open_pin, pin_block, read_sealed_pin, seal_pin
from protocol.sealed_track import open_track, seal_track
from protocol.signature import software_signer, verifies
from tests.vectors.material import key, signer

PAN = "9840001234567892"
HASHES = st.binary(min_size=32, max_size=32)
CONTRACTS = st.builds(
    lambda times, **fields: Contract(ms=times[0], expires_ms=times[0] + times[1], **fields),
    times=st.tuples(st.integers(1, 2**47), st.integers(1, 2**40)),
    amount_cents=st.integers(1, 2**31 - 1),
    card=HASHES,
    counter=st.integers(1, 2**63 - 1),
    currency=st.just("USD"),
    items=HASHES,
    session=HASHES,
    shop=st.uuids(),
    terminal=st.uuids(),
)
PUBLIC = key("pos").public_key()
PAYLOAD = b'{"amount_cents":1250}'
JWS = sign_detached(PAYLOAD, TYP_POS, "5d0c", signer("pos"))
PLACE = (bytes(range(32)), 7, 1_795_521_600_000)


@given(CONTRACTS)
def test_a_contract_is_read_as_written(contract: Contract) -> None:
    assert parse_contract(encode_contract(contract)) == contract


@given(CONTRACTS, st.integers(0, 10**6), st.integers(1, 255))
def test_a_changed_contract_is_another_one(contract: Contract, at: int, change: int) -> None:
    raw = bytearray(encode_contract(contract))
    raw[at % len(raw)] ^= change
    try:
        found = parse_contract(bytes(raw))
    except BodyError:
        return
    assert found != contract


@given(CONTRACTS, st.permutations(range(10)))
def test_the_order_of_members_is_free(contract: Contract, order: list[int]) -> None:
    members = encode_contract(contract)[1:-1].split(b",")
    mixed = b"{" + b", ".join(members[each] for each in order) + b"}"
    assert parse_contract(mixed) == contract


def test_a_bad_contract_is_not_written() -> None:
    good = parse_contract(encode_contract(_example()))
    for changes in ({"amount_cents": 0}, {"card": b"x"}, {"currency": "EUR"}, {"ms": 10**15}):
        with pytest.raises(BodyError, match="bad-contract"):
            encode_contract(good._replace(**changes))


def _example() -> Contract:
    zero = UUID(int=0)
    return Contract(1, bytes(32), 1, "USD", 2, bytes(32), 1, bytes(32), zero, zero)


def test_a_card_reference_needs_its_salt() -> None:
    assert card_reference(bytes(16), PAN) != card_reference(b"\x01" + bytes(15), PAN)
    with pytest.raises(BodyError, match="bad-body"):
        card_reference(b"", PAN)
    for pan in ("", "63970112345678é0", "6397 0112 3456"):
        with pytest.raises(BodyError, match="bad-track"):
            card_reference(bytes(16), pan)


def code_of(**changes: Any) -> str:
    """How `verify_detached` refuses the signature with these arguments changed."""
    known: dict[str, Any] = {
        "payload": PAYLOAD,
        "jws": JWS,
        "typ": TYP_POS,
        "public_key": PUBLIC,
        "kid": "5d0c",
    }
    with pytest.raises(BodyError) as caught:
        verify_detached(**{**known, **changes})
    return caught.value.code


def test_a_signature_is_for_these_bytes_this_purpose_this_key() -> None:
    verify_detached(PAYLOAD, JWS, TYP_POS, PUBLIC, "5d0c")
    verify_detached(PAYLOAD, JWS, TYP_POS, PUBLIC)
    assert code_of(payload=PAYLOAD + b" ") == "bad-signature"
    assert code_of(public_key=key("card").public_key()) == "bad-signature"
    assert code_of(typ=TYP_CARD) == "wrong-signer"
    assert code_of(typ=TYP_OPERATOR) == "wrong-signer"
    assert code_of(kid="5d0d") == "wrong-signer"


@settings(deadline=None)
@given(st.integers(0, len(JWS) - 1), st.integers(1, 127))
def test_no_character_of_a_signature_can_change(at: int, change: int) -> None:
    jws = JWS[:at] + chr(ord(JWS[at]) ^ change) + JWS[at + 1 :]
    assert code_of(jws=jws) in ("bad-signature", "wrong-signer")


@given(st.text(max_size=200))
def test_garbage_is_no_signature(jws: str) -> None:
    assert code_of(jws=jws) == "bad-signature"


def test_raw_signatures() -> None:
    private = ec.generate_private_key(ec.SECP256R1())
    signature = software_signer(private)(b"message")
    assert len(signature) == 64
    assert verifies(private.public_key(), signature, b"message")
    for bad in (b"", signature[:-1], signature + b"x", bytes(64), b"\xff" * 64):
        assert not verifies(private.public_key(), bad, b"message")
    with pytest.raises(ValueError, match="P-256"):
        software_signer(ec.generate_private_key(ec.SECP384R1()))


@settings(max_examples=30, deadline=None)
@given(st.text("0123456789", min_size=4, max_size=12), st.text("0123456789", min_size=12))
def test_the_hsm_gets_the_block(pin: str, pan: str) -> None:
    sealed = seal_pin(pin, pan, key("pin").public_key(), *PLACE)
    block = open_pin(sealed["ephemeral"], sealed["block"], key("pin"), *PLACE)
    assert block == pin_block(pin, pan)
    assert len(block) == 32
    assert pin.encode() not in unb64(sealed["block"])


def test_a_pin_block_is_for_one_session_counter_and_time() -> None:
    sealed = seal_pin("1234", PAN, key("pin").public_key(), *PLACE)
    t4, counter, ms = PLACE
    for place in ((bytes(32), counter, ms), (t4, counter + 1, ms), (t4, counter, ms + 1)):
        with pytest.raises(BodyError, match="bad-pin-block"):
            open_pin(sealed["ephemeral"], sealed["block"], key("pin"), *place)
    with pytest.raises(BodyError, match="bad-pin-block"):
        open_pin(sealed["ephemeral"], sealed["block"], key("other"), *PLACE)


def test_equal_pins_look_different() -> None:
    one, two = (seal_pin("1234", PAN, key("pin").public_key(), *PLACE) for _ in range(2))
    assert one["block"] != two["block"]
    assert one["ephemeral"] != two["ephemeral"]


def test_a_pin_block_is_checked_before_the_hsm_sees_it() -> None:
    sealed = seal_pin("1234", PAN, key("pin").public_key(), *PLACE)
    point, block = read_sealed_pin(sealed["ephemeral"], sealed["block"])
    assert (len(point), len(block)) == (65, 40)
    off_curve = b64(point[:-1] + bytes([point[-1] ^ 1]))
    compressed = b64(b"\x02" + point[1:33])
    for ephemeral, wrapped in (
        (off_curve, sealed["block"]),
        (compressed, sealed["block"]),
        ("", sealed["block"]),
        ("?", sealed["block"]),
        (sealed["ephemeral"], b64(block[:-8])),
        (sealed["ephemeral"], b64(block + bytes(8))),
        (sealed["ephemeral"], ""),
    ):
        with pytest.raises(BodyError, match="bad-pin-block"):
            read_sealed_pin(ephemeral, wrapped)


TRACK = f";{PAN}=29127250100112345678?"
SESSION = "0123456789abcdef" * 2
SALT = bytes(range(16))


def test_a_track_is_for_one_contract_in_one_session() -> None:
    sealed = seal_track(TRACK, SALT, PAYLOAD, SESSION, bytes(32))
    assert open_track(sealed, PAYLOAD, bytes(32)) == (TRACK, SALT)
    assert sealed != seal_track(TRACK, SALT, PAYLOAD, SESSION, bytes(32))
    for contract, export in ((PAYLOAD + b" ", bytes(32)), (PAYLOAD, b"\x01" * 32)):
        with pytest.raises(BodyError, match="bad-track"):
            open_track(sealed, contract, export)


@pytest.mark.parametrize(
    "changes",
    [{"nonce": ""}, {"nonce": "AAAA"}, {"box": ""}, {"box": "A" * 400}, {"session": "x"}],
)
def test_a_malformed_track_is_refused(changes: dict[str, str]) -> None:
    sealed: Any = seal_track(TRACK, SALT, PAYLOAD, SESSION, bytes(32))
    sealed.update(changes)
    with pytest.raises(BodyError, match="bad-track"):
        open_track(sealed, PAYLOAD, bytes(32))


@pytest.mark.parametrize("track", ["", "x" * 41, "é"])
def test_what_is_no_track_is_not_sealed(track: str) -> None:
    with pytest.raises(ValueError):
        seal_track(track, SALT, PAYLOAD, SESSION, bytes(32))
