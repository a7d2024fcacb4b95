"""The folder of the evidence, outside the database: what is in it, written so that a crash
leaves either the old or the new.

`checkpoint` the newest signed note; `log.pub` who signs; `leaves` the tree's leaves; `history`
earlier notes, one a minute at most; `frontier` spares reading all leaves at the start and is
believed only as far as it fits the signed root.
"""

import contextlib
import os
import re
from collections.abc import Iterator
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_public_key,
)

from adapters.audit.leaves import LeavesFile
from adapters.audit.note import BadNote, Checkpoint, LogKeys, verify
from application.merkle import HASH_BYTES, Tree

_PEM = re.compile(b"-----BEGIN [^-]+-----.+?-----END [^-]+-----\n?", re.DOTALL)
_NOTE = re.compile("^.+\\n[0-9]+\\n.+\\n\\n(?:— .+\\n)+", re.MULTILINE)


class CheckpointFolder:
    """Reads raise OSError and BadNote; a file that is not there is None or empty."""

    def __init__(self, path: Path, file_mode: int = 0o600) -> None:
        self.path = path
        self._file_mode = file_mode

    @property
    def leaves_path(self) -> Path:
        """The file of the leaves."""
        return self.path / "leaves"

    @property
    def has_leaves(self) -> bool:
        """Whether there is a file of leaves, as there is not where checkpoints are published."""
        return self.leaves_path.exists()

    def open_leaves(self) -> LeavesFile:
        """The leaves, to be written."""
        return LeavesFile(self.leaves_path)

    def make(self) -> None:
        """Makes the folder, for us alone."""
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)

    def public_key(self) -> Ed25519PublicKey | None:
        """Who signs, as `log.pub` says: the first key, which signs all."""
        found = self.public_keys()
        return found[0] if found else None

    def public_keys(self) -> tuple[Ed25519PublicKey, ...]:
        """All keys of `log.pub`, the first one first; none where there is no such file."""
        text = _read(self.path / "log.pub")
        if text is None:
            return ()
        try:
            return keys_in(text.encode())
        except ValueError as error:
            raise BadNote(f"log.pub {error}") from None

    def add_public_key(self, key: Ed25519PublicKey) -> None:
        """Adds a newer key to a `log.pub` that lacks it. Raises BadNote, OSError."""
        known = self.public_keys()
        if known and key not in known:
            self._write("log.pub", b"".join(map(_pem, (*known, key))))

    def write_public_key(self, key: Ed25519PublicKey) -> None:
        """Makes `log.pub`."""
        self._write("log.pub", _pem(key))

    def newest_note(self) -> str | None:
        """The newest note as it is, not verified."""
        return _read(self.path / "checkpoint")

    def checkpoint(self, key: LogKeys) -> Checkpoint | None:
        """The newest checkpoint. Raises BadNote where the key did not sign it."""
        note = self.newest_note()
        return verify(note, key) if note is not None else None

    def write_checkpoint(self, note: str, tree: Tree, *, keep: bool) -> None:
        """Replaces the newest checkpoint; `keep`: it goes to the history too."""
        self._write("frontier", b"".join(tree.frontier))
        self.write_note(note, keep=keep)

    def write_note(self, note: str, *, keep: bool) -> None:
        """The same without a tree: what is published."""
        self._write("checkpoint", note.encode())
        if keep:
            descriptor = os.open(
                self.path / "history",
                os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC,
                self._file_mode,
            )
            with os.fdopen(descriptor, "ab") as history:
                # The line feed first: it ends what a crash may have torn.
                history.write(b"\n" + note.encode())

    def tree_of(self, checkpoint: Checkpoint) -> Tree | None:
        """The tree at the checkpoint from the frontier, None where that does not fit."""
        with contextlib.suppress(OSError, ValueError):
            raw = (self.path / "frontier").read_bytes()
            parts = [raw[at : at + HASH_BYTES] for at in range(0, len(raw), HASH_BYTES)]
            tree = Tree(checkpoint.size, parts)
            if tree.root() == checkpoint.root:
                return tree
        return None

    def history(self, key: LogKeys) -> Iterator[Checkpoint]:
        """Earlier checkpoints, oldest first. Raises BadNote for one that is not signed.

        What a crash left half written between them is passed over.
        """
        for note in _NOTE.finditer(_read(self.path / "history") or ""):
            yield verify(note[0], key)

    @property
    def was_used(self) -> bool:
        """Whether there ever was a checkpoint here."""
        return (self.path / "history").exists() or (self.path / "checkpoint").exists()

    def _write(self, name: str, content: bytes) -> None:
        new = self.path / f"{name}.new"
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
        with os.fdopen(os.open(new, flags, self._file_mode), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        new.replace(self.path / name)
        folder = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def keys_in(pem: bytes) -> tuple[Ed25519PublicKey, ...]:
    """The Ed25519 keys of a file, at least one. Raises ValueError."""
    found = []
    for block in _PEM.findall(pem) or [pem]:
        try:
            key = load_pem_public_key(block)
        except (ValueError, UnsupportedAlgorithm):
            raise ValueError("is no public key") from None
        if not isinstance(key, Ed25519PublicKey):
            raise ValueError("is not an Ed25519 key")
        found.append(key)
    return tuple(found)


def _pem(key: Ed25519PublicKey) -> bytes:
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


class NoteFile(CheckpointFolder):
    """A single checkpoint in a file, as somebody kept it, read like a folder without the rest."""

    @property
    def has_leaves(self) -> bool:
        """None."""
        return False

    def public_key(self) -> Ed25519PublicKey | None:
        """None: it must come from elsewhere."""
        return None

    def newest_note(self) -> str | None:
        """The file."""
        return _read(self.path)

    def history(self, key: LogKeys) -> Iterator[Checkpoint]:
        """None."""
        return iter(())

    @property
    def was_used(self) -> bool:
        """It is there."""
        return True


def _read(path: Path) -> str | None:
    try:
        return path.read_text("utf-8")
    except FileNotFoundError:
        return None
    except UnicodeDecodeError:
        raise BadNote(f"{path.name} is not text") from None
