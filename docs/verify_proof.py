"""Checks a proof file of TicketRestaurant US: a stranger's program, of this file alone.

    python verify_proof.py PROOF.json log.pub

It shares no code with the system, and needs Python and the package `cryptography`. Written from
TR-DBFS section 6: the note is a C2SP tlog-checkpoint, the path one of RFC 9162 section 2.1.3.2.
"""

import base64
import hashlib
import json
import struct
import sys
import uuid
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization


def signed_root(note: str, key) -> tuple[str, int, bytes]:
    """Origin, size and root of a note that the key signed."""
    body, _, signatures = note.rpartition("\n\n")
    origin, size, root = body.split("\n")[:3]
    for line in signatures.splitlines():
        dash, name, encoded = line.split(" ")
        if (dash, name) != ("—", origin):
            continue
        try:
            # The first four bytes name the key; the rest is Ed25519 over the body.
            key.verify(base64.b64decode(encoded)[4:], body.encode() + b"\n")
        except InvalidSignature:
            continue
        return origin, int(size), base64.b64decode(root)
    raise ValueError("the log's key did not sign the checkpoint")


def leaf_hash(event: dict) -> bytes:
    """SHA-256 over 0x00 and the row's five fields, each with its length in front."""
    fields = (
        struct.pack(">q", event["position"]),
        uuid.UUID(event["stream"]).bytes,
        struct.pack(">q", event["version"]),
        event["topic"].encode(),
        base64.b64decode(event["ciphertext"]),
    )
    entry = b"".join(struct.pack(">I", len(field)) + field for field in fields)
    return hashlib.sha256(b"\0" + entry).digest()


def root_from(leaf: bytes, index: int, size: int, path: list[bytes]) -> bytes:
    """The root that the path leads to."""
    if not 0 <= index < size:
        raise ValueError("the tree has no such leaf")
    node, last, found = index, size - 1, leaf
    for sibling in path:
        if last == 0:
            raise ValueError("the path is too long")
        if node % 2 == 1 or node == last:
            found = hashlib.sha256(b"\1" + sibling + found).digest()
            while node % 2 == 0 and node != 0:
                node, last = node >> 1, last >> 1
        else:
            found = hashlib.sha256(b"\1" + found + sibling).digest()
        node, last = node >> 1, last >> 1
    if last != 0:
        raise ValueError("the path is too short")
    return found


def main(proof_file: str, key_file: str) -> None:
    """Says what was proven, or raises ValueError."""
    key = serialization.load_pem_public_key(Path(key_file).read_bytes())
    proof = json.loads(Path(proof_file).read_bytes())
    if proof["format"] != "ticketrestaurant-proof/1":
        raise ValueError("this is no proof file of a format known here")
    origin, size, root = signed_root(proof["checkpoint"], key)
    for event in proof["events"]:
        path = [base64.b64decode(each) for each in event["path"]]
        if root_from(leaf_hash(event), event["position"] - 1, size, path) != root:
            raise ValueError(f"event {event['position']} is not in the signed log")
        print(f"event {event['position']} ({event['topic']}) is in {origin} of {size} events")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    try:
        main(*sys.argv[1:])
    except (OSError, ValueError, KeyError, TypeError, struct.error) as error:
        sys.exit(f"not proven: {error}")
