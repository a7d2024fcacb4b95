"""Checkpoints in the C2SP formats: what is signed, and what is believed."""

import base64

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from adapters.audit.note import BadNote, Checkpoint, sign, verify

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
CHECKPOINT = Checkpoint("ticketrestaurant.test/log/0", 20852163, bytes(range(32)))


@pytest.fixture
def note() -> str:
    return sign(CHECKPOINT, KEY.public_key(), KEY.sign)


def test_a_signed_checkpoint_is_believed(note: str) -> None:
    assert verify(note, KEY.public_key()) == CHECKPOINT
    origin, size, root, blank, signature, end = note.split("\n")
    assert (origin, size, blank, end) == (CHECKPOINT.origin, "20852163", "", "")
    assert base64.b64decode(root) == CHECKPOINT.root
    assert signature.startswith(f"— {CHECKPOINT.origin} ")
    assert len(base64.b64decode(signature.split(" ")[2])) == 4 + 64


def test_further_signatures_do_no_harm(note: str) -> None:
    witness = "— witness.example/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZC\n"
    text, own = note.split("\n\n")
    assert verify(f"{text}\n\n{witness}{own}", KEY.public_key()) == CHECKPOINT


@pytest.mark.parametrize(
    "change",
    [
        lambda note: note.replace("20852163", "20852164"),
        lambda note: note.replace("20852163", "020852163"),
        lambda note: note.replace("ticketrestaurant", "othercompany", 1),
        lambda note: note.replace("AAEC", "BAEC"),
        lambda note: note.replace("— ", "- "),
        lambda note: note.replace("\n\n", "\n"),
        lambda note: note.replace("\n\n", "\nmore\n\n"),
        lambda note: "",
        lambda note: "\n\n\n",
        lambda note: note.rsplit(" ", 1)[0] + " AAAA\n",
        lambda note: note.rsplit(" ", 1)[0] + " no base64\n",
    ],
)
def test_any_change_is_refused(note: str, change: object) -> None:
    changed = change(note)  # type: ignore[operator]
    assert changed != note
    with pytest.raises(BadNote):
        verify(changed, KEY.public_key())


def test_another_key_does_not_verify(note: str) -> None:
    other: Ed25519PublicKey = Ed25519PrivateKey.generate().public_key()
    with pytest.raises(BadNote):
        verify(note, other)


def test_an_origin_with_a_blank_cannot_be_signed() -> None:
    with pytest.raises(ValueError, match="origin"):
        sign(CHECKPOINT._replace(origin="a log"), KEY.public_key(), KEY.sign)
