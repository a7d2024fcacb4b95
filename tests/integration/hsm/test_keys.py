"""The backend's own keys do what they are for, bound to their place, and nothing else."""

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from adapters.hsm.keys import Hsm
from adapters.hsm.token import HsmRefused, HsmUnavailable, Token

SECRET = bytes(range(32))
SUBJECT = b"cardholder 16 by"


@pytest.fixture
def hsm(token: Token) -> Hsm:
    return Hsm(token)


def test_a_sealed_data_key_opens_at_its_own_place(hsm: Hsm) -> None:
    sealed = hsm.seal_data_key(1, 7, SUBJECT, SECRET)
    assert hsm.open_data_key(1, 7, SUBJECT, sealed) == SECRET
    assert SECRET not in sealed
    assert sealed != hsm.seal_data_key(1, 7, SUBJECT, SECRET)


@pytest.mark.parametrize(
    ("key_id", "subject"), [(8, SUBJECT), (7, b""), (7, SUBJECT + b"\0"), (7, b"cardholder 16 bz")]
)
def test_it_opens_nowhere_else(hsm: Hsm, key_id: int, subject: bytes) -> None:
    sealed = hsm.seal_data_key(1, 7, SUBJECT, SECRET)
    with pytest.raises(HsmRefused):
        hsm.open_data_key(1, key_id, subject, sealed)


@pytest.mark.parametrize("position", [0, 11, 12, 43, 44, 59])
def test_no_bit_of_it_may_change(hsm: Hsm, position: int) -> None:
    sealed = bytearray(hsm.seal_data_key(1, 7, SUBJECT, SECRET))
    sealed[position] ^= 1
    with pytest.raises(HsmRefused):
        hsm.open_data_key(1, 7, SUBJECT, bytes(sealed))
    hsm.heartbeat()


@pytest.mark.parametrize("length", [0, 1, 12, 27, 59])
def test_a_shortened_one_is_refused(hsm: Hsm, length: int) -> None:
    sealed = hsm.seal_data_key(1, 7, SUBJECT, SECRET)
    with pytest.raises(HsmRefused):
        hsm.open_data_key(1, 7, SUBJECT, sealed[:length])


def test_a_generation_that_does_not_exist_fails_closed_and_disturbs_nobody(hsm: Hsm) -> None:
    for _ in range(3):
        with pytest.raises(HsmUnavailable):
            hsm.open_data_key(2, 7, SUBJECT, bytes(60))
        hsm.heartbeat()


def test_an_index_is_the_same_again_and_another_for_each_kind_and_value(hsm: Hsm) -> None:
    found = {
        hsm.index(kind, value)
        for kind, value in [("pan", "1"), ("pan", "2"), ("email", "1"), ("pa", "n1"), ("pan1", "")]
    }
    assert len(found) == 5
    assert hsm.index("pan", "1") in found
    assert all(len(digest) == 32 for digest in found)


def test_a_checkpoint_is_signed_with_the_log_key(hsm: Hsm) -> None:
    public = hsm.log_public_key()
    public.verify(hsm.sign_log(b"checkpoint"), b"checkpoint")
    with pytest.raises(InvalidSignature):
        public.verify(hsm.sign_log(b"checkpoint"), b"another")


def test_the_backend_signs_es256_over_the_message(hsm: Hsm) -> None:
    signature = hsm.sign_identity(b"transcript")
    assert len(signature) == 64
    der = encode_dss_signature(int.from_bytes(signature[:32]), int.from_bytes(signature[32:]))
    hsm.identity_public_key().verify(der, b"transcript", ec.ECDSA(SHA256()))
