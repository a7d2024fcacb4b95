"""Proof files: JSON that shows, with the log's public key alone, what the log holds or extends.

The formats are in TR-DBFS section 6. What is read here comes from strangers: it is bounded before
it is parsed, and nothing in it is believed before the signature over the root and the path to it.
"""

import os
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any, Final, TypeVar
from uuid import UUID

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from adapters.audit.leaves import leaf_of
from adapters.audit.note import LONGEST_NOTE, BadNote, Checkpoint, LogKeys, verify
from application.merkle_proofs import (
    LONGEST_PATH,
    BadProof,
    check_consistency,
    check_inclusion,
)
from application.ports import Row

PROOF: Final = "ticketrestaurant-proof/1"
CONSISTENCY: Final = "ticketrestaurant-consistency/1"
LARGEST_FILE: Final = 16 * 1024 * 1024
MOST_EVENTS: Final = 500
"""In one proof file."""

_Number = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
_Text = Annotated[str, msgspec.Meta(max_length=200)]
_Note = Annotated[str, msgspec.Meta(max_length=LONGEST_NOTE)]
_Path = Annotated[list[bytes], msgspec.Meta(max_length=LONGEST_PATH)]


class UnusableFile(Exception):
    """The file is no such file at all: nothing can be said about the log."""


class ProvenEvent(msgspec.Struct, frozen=True, kw_only=True):
    """A row as it is stored, and the path from its leaf to the root. `index` is position − 1."""

    position: _Number
    stream: UUID
    version: _Number
    topic: _Text
    ciphertext: bytes
    leaf_hash: bytes
    index: _Number
    path: _Path

    @property
    def row(self) -> Row:
        """The row."""
        return Row(self.position, self.stream, self.version, self.topic, self.ciphertext)


class SignedReceipt(msgspec.Struct, frozen=True, kw_only=True):
    """What the backend says of a payment: the exact text, its signature, who signed (leaf first,
    DER). `adapters.audit.receipt_check` believes it or not."""

    payload: Annotated[str, msgspec.Meta(max_length=65_536)]
    signature: Annotated[str, msgspec.Meta(max_length=512)]
    chain: Annotated[list[bytes], msgspec.Meta(max_length=3)]


class ProofFile(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`events` are in the log of `tree_size` events that `checkpoint` signs."""

    format: str
    origin: _Text
    key_sha256: _Text
    checkpoint: _Note
    tree_size: _Number
    events: Annotated[list[ProvenEvent], msgspec.Meta(min_length=1, max_length=MOST_EVENTS)]
    receipt: SignedReceipt | None = None


class ConsistencyFile(msgspec.Struct, frozen=True, kw_only=True):
    """The log of `tree_size` events that `checkpoint` signs begins with that of `old_size`."""

    format: str
    origin: _Text
    key_sha256: _Text
    old_size: _Number
    checkpoint: _Note
    tree_size: _Number
    path: _Path


class _Any(msgspec.Struct):
    format: str


def key_fingerprint(key: Ed25519PublicKey) -> str:
    """SHA-256 over the key as SubjectPublicKeyInfo in DER, in hex: as `openssl` shows it."""
    return sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).hexdigest()


def proven(row: Row, path: Sequence[bytes]) -> ProvenEvent:
    """A row with its path."""
    return ProvenEvent(
        position=row.position,
        stream=row.originator_id,
        version=row.originator_version,
        topic=row.topic,
        ciphertext=row.state,
        leaf_hash=leaf_of(row),
        index=row.position - 1,
        path=list(path),
    )


def to_text(file: ProofFile | ConsistencyFile) -> str:
    """The file: indented JSON, binary values in base64 (RFC 4648, section 4)."""
    return msgspec.json.format(msgspec.json.encode(file), indent=2).decode() + "\n"


def read_proof(raw: bytes) -> ProofFile:
    """Raises UnusableFile."""
    return _read(raw, PROOF, ProofFile)


def read_consistency(raw: bytes) -> ConsistencyFile:
    """Raises UnusableFile."""
    return _read(raw, CONSISTENCY, ConsistencyFile)


def read_file(path: Path, most: int = LARGEST_FILE) -> bytes:
    """The content of a file, never more than `most` bytes of it. Raises UnusableFile."""
    try:
        # Not to wait for whoever opens the other end of a pipe.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as file:
            raw = file.read(most + 1) or b""
    except OSError as error:
        raise UnusableFile(f"{path} cannot be read: {error.strerror}") from None
    if len(raw) > most:
        raise UnusableFile(f"{path} is larger than {most:,} bytes: it is no such file")
    return raw


def check_proof(file: ProofFile, key: LogKeys, origin: str | None = None) -> Checkpoint:
    """The checkpoint in which all events of the file are. Raises BadProof, BadNote.

    `origin`: the log that it must be of, where that is known from elsewhere.
    """
    checkpoint = _checked_note(file, key, origin)
    for event in file.events:
        try:
            leaf = leaf_of(event.row)
            if leaf != event.leaf_hash:
                raise BadProof("its leaf hash is not that of its row")
            if event.index != event.position - 1:
                raise BadProof("its index is not its position − 1")
            check_inclusion(leaf, event.index, checkpoint.size, event.path, checkpoint.root)
        except BadProof as error:
            raise BadProof(f"event {event.position:,}: {error}") from None
    return checkpoint


def check_extension(
    file: ConsistencyFile, old: Checkpoint, key: LogKeys, new: Checkpoint | None = None
) -> Checkpoint:
    """The checkpoint of the file, which extends `old`. Raises BadProof, BadNote.

    `new`: what it must be, where two known checkpoints are compared.
    """
    found = _checked_note(file, key, old.origin)
    if file.old_size != old.size:
        raise BadProof(
            f"it is about a log of {file.old_size:,} events, the old checkpoint has {old.size:,}"
        )
    if new is not None and new != found:
        raise BadProof("it leads to another checkpoint than the new one")
    check_consistency(old.size, old.root, found.size, found.root, file.path)
    return found


def _checked_note(
    file: ProofFile | ConsistencyFile, key: LogKeys, origin: str | None
) -> Checkpoint:
    keys = key if isinstance(key, tuple) else (key,)
    if file.key_sha256 not in map(key_fingerprint, keys):
        raise BadProof("it was made by a log with another key")
    try:
        checkpoint = verify(file.checkpoint, key)
    except BadNote as error:
        raise BadNote(f"the checkpoint in it cannot be believed: {error}") from None
    if checkpoint.origin != file.origin or origin not in (None, checkpoint.origin):
        raise BadProof(f"it is of another log: {checkpoint.origin}")
    if checkpoint.size != file.tree_size:
        raise BadProof("its tree size is not that of its checkpoint")
    return checkpoint


_F = TypeVar("_F", bound=msgspec.Struct)


def _read(raw: bytes, format: str, shape: type[_F]) -> _F:
    named = _decoded(raw, _Any).format
    if named != format:
        raise UnusableFile(f"it is no {format} file: its format is {named[:60]!r}")
    return _decoded(raw, shape)


def _decoded(raw: bytes, shape: type[_F]) -> _F:
    try:
        found: Any = msgspec.json.decode(raw, type=shape)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UnusableFile(f"it is not what a proof file must be: {str(error)[:200]}") from None
    return found  # type: ignore[no-any-return]
