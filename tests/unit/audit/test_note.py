"""Checkpoints in the C2SP formats: what is signed, and what is believed."""

import base64
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from adapters.audit.folder import CheckpointFolder
from adapters.audit.note import BadNote, Checkpoint, Signer, sign, verify

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


def test_newer_keys_sign_beside_the_first_and_each_is_believed() -> None:
    newer = [Ed25519PrivateKey.generate() for _ in range(2)]
    signers = [Signer(each.public_key(), each.sign) for each in newer]
    both = sign(CHECKPOINT, KEY.public_key(), KEY.sign, signers)
    assert both.count("\n— ") == 3
    for each in (KEY, *newer):
        assert verify(both, each.public_key()) == CHECKPOINT
    stranger = Ed25519PrivateKey.generate().public_key()
    assert verify(both, (stranger, newer[1].public_key())) == CHECKPOINT
    with pytest.raises(BadNote, match="did not sign"):
        verify(both, (stranger,))
    with pytest.raises(BadNote, match="did not sign"):
        verify(both, ())


def test_log_pub_holds_all_keys_and_the_history_notes_of_all(tmp_path: Path) -> None:
    folder = CheckpointFolder(tmp_path)
    newer = Ed25519PrivateKey.generate()
    folder.add_public_key(newer.public_key())
    assert folder.public_keys() == (), "never the newer one as the first"
    folder.write_public_key(KEY.public_key())
    for _ in range(2):
        folder.add_public_key(newer.public_key())
    assert folder.public_keys() == (KEY.public_key(), newer.public_key())
    assert folder.public_key() == KEY.public_key()

    signers = [Signer(newer.public_key(), newer.sign)]
    later = CHECKPOINT._replace(size=CHECKPOINT.size + 1)
    folder.write_note(sign(CHECKPOINT, KEY.public_key(), KEY.sign), keep=True)
    folder.write_note(sign(later, KEY.public_key(), KEY.sign, signers), keep=True)
    assert list(folder.history(KEY.public_key())) == [CHECKPOINT, later]
    assert list(folder.history(folder.public_keys())) == [CHECKPOINT, later]
    with pytest.raises(BadNote):
        list(folder.history(newer.public_key()))
    (tmp_path / "log.pub").write_bytes((tmp_path / "log.pub").read_bytes() + _BROKEN)
    with pytest.raises(BadNote, match=r"log\.pub is no public key"):
        folder.public_keys()


_BROKEN = b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"
