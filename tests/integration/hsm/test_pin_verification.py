"""The right PIN of the right card in the right session, and nothing else, matches.

The blocks are made here from TR-TPR section 8 with cryptography alone, not with protocol/pin.py.
"""

import statistics
import time
from collections.abc import Callable
from hashlib import sha256
from typing import NamedTuple

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.keywrap import aes_key_wrap_with_padding
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from adapters.hsm.pin_verification import PinBlockInvalid, PinVerification
from adapters.hsm.token import Token
from protocol.encoding import unb64
from protocol.pin import seal_pin

PAN = "5089001234567890"
T4 = sha256(b"a session").digest()
COUNTER, MS = 42, 1_790_000_000_000


class Block(NamedTuple):
    ephemeral: bytes
    block: bytes
    t4: bytes = T4
    counter: int = COUNTER
    ms: int = MS


def plain(pin: bytes, pan: str = PAN) -> bytes:
    card = sha256(b"TR-PIN/1" + pan.encode()).digest()[:16]
    return b"\x01" + bytes([len(pin)]) + pin.ljust(14, b"\xff") + card


def sealed(public: ec.EllipticCurvePublicKey, content: bytes) -> Block:
    ephemeral = ec.generate_private_key(ec.SECP256R1())
    shared = ephemeral.exchange(ec.ECDH(), public)
    context = sha256(b"TR-PIN/1" + T4 + COUNTER.to_bytes(8) + MS.to_bytes(8)).digest()
    encryptor = Cipher(algorithms.AES(shared), modes.ECB()).encryptor()
    key = encryptor.update(context) + encryptor.finalize()
    point = ephemeral.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    return Block(point, aes_key_wrap_with_padding(key, content))


@pytest.fixture
def pins(token: Token) -> PinVerification:
    return PinVerification(token)


@pytest.fixture
def public(pins: PinVerification) -> ec.EllipticCurvePublicKey:
    return pins.pin_public_key()


@pytest.fixture
def reference(pins: PinVerification, public: ec.EllipticCurvePublicKey) -> bytes:
    return pins.set_pin(*sealed(public, plain(b"1234")))


def test_the_right_pin_matches_every_time(
    pins: PinVerification, public: ec.EllipticCurvePublicKey, reference: bytes
) -> None:
    for _ in range(3):
        assert pins.verify_pin(*sealed(public, plain(b"1234")), reference)


@pytest.mark.parametrize("pin", [b"1235", b"12345", b"0000", b"123456789012"])
def test_a_wrong_pin_does_not(
    pins: PinVerification, public: ec.EllipticCurvePublicKey, reference: bytes, pin: bytes
) -> None:
    assert not pins.verify_pin(*sealed(public, plain(pin)), reference)


def test_the_same_pin_of_another_card_does_not(
    pins: PinVerification, public: ec.EllipticCurvePublicKey, reference: bytes
) -> None:
    other = sealed(public, plain(b"1234", "5089001234567908"))
    assert not pins.verify_pin(*other, reference)
    assert pins.set_pin(*other) != reference


def test_the_blocks_of_the_devices_open(pins: PinVerification, reference: bytes) -> None:
    made = seal_pin("1234", PAN, pins.pin_public_key(), T4, COUNTER, MS)
    block = Block(unb64(made["ephemeral"]), unb64(made["block"]))
    assert pins.verify_pin(*block, reference)


@pytest.mark.parametrize(
    "change", [{"t4": bytes(32)}, {"counter": COUNTER + 1}, {"ms": MS + 1}], ids=str
)
def test_a_block_serves_in_its_session_and_purchase_only(
    pins: PinVerification,
    public: ec.EllipticCurvePublicKey,
    reference: bytes,
    change: dict[str, object],
) -> None:
    block = sealed(public, plain(b"1234"))
    moved = Block(**{**block._asdict(), **change})
    assert not pins.verify_pin(*moved, reference)


MALFORMED: list[Callable[[Block], Block]] = [
    lambda b: b._replace(ephemeral=b""),
    lambda b: b._replace(ephemeral=b"\0"),
    lambda b: b._replace(ephemeral=bytes(65)),
    lambda b: b._replace(ephemeral=b"\x04" + bytes(63) + b"\x01"),
    lambda b: b._replace(ephemeral=b"\x02" + b.ephemeral[1:33]),
    lambda b: b._replace(ephemeral=b.ephemeral[:-1] + bytes([b.ephemeral[-1] ^ 1])),
    lambda b: b._replace(block=b""),
    lambda b: b._replace(block=b.block[:-1]),
    lambda b: b._replace(block=b.block[:32]),
    lambda b: b._replace(block=b.block + bytes(8)),
    lambda b: b._replace(block=bytes(40)),
    lambda b: b._replace(block=b.block[:-1] + bytes([b.block[-1] ^ 1])),
]


@pytest.mark.parametrize("change", MALFORMED)
def test_a_malformed_block_is_refused_without_a_hint(
    pins: PinVerification,
    public: ec.EllipticCurvePublicKey,
    reference: bytes,
    change: Callable[[Block], Block],
) -> None:
    block = change(sealed(public, plain(b"1234")))
    assert not pins.verify_pin(*block, reference)
    with pytest.raises(PinBlockInvalid) as refusal:
        pins.set_pin(*block)
    assert str(refusal.value) == ""
    assert refusal.value.__cause__ is None
    assert pins.verify_pin(*sealed(public, plain(b"1234")), reference)


@pytest.mark.parametrize("reference_of_none", [b"", bytes(33), b"\x01"])
def test_no_pin_matches_a_reference_that_is_none(
    pins: PinVerification, public: ec.EllipticCurvePublicKey, reference_of_none: bytes
) -> None:
    assert not pins.verify_pin(*sealed(public, plain(b"1234")), reference_of_none)


def test_a_reference_tells_nothing_by_itself(reference: bytes) -> None:
    assert len(reference) == 33
    assert b"1234" not in reference
    assert sha256(plain(b"1234")).digest() not in reference


def test_nothing_of_it_stays_in_the_token(
    token: Token, pins: PinVerification, public: ec.EllipticCurvePublicKey, reference: bytes
) -> None:
    def objects() -> int:
        return token.run(lambda keys: len(list(keys.pkcs11.get_objects())))

    before = objects()
    good = sealed(public, plain(b"1234"))
    for block in (good, good._replace(block=bytes(40)), good._replace(counter=1)):
        pins.verify_pin(*block, reference)
    assert objects() == before


def test_verifying_takes_less_than_five_milliseconds(
    pins: PinVerification, public: ec.EllipticCurvePublicKey, reference: bytes
) -> None:
    block = sealed(public, plain(b"1234"))
    took_us = []
    for _ in range(50):
        begin = time.perf_counter_ns()
        assert pins.verify_pin(*block, reference)
        took_us.append((time.perf_counter_ns() - begin) // 1000)
    print(f"verify_pin: median {statistics.median(took_us):.0f} µs, most {max(took_us)} µs")
    assert statistics.median(took_us) < 5000
