"""The process that verifies signatures for the backend: it knows no secret and opens no file.

It is given a stream socket as its standard input. Each question is a P-256 public key (65 bytes,
SEC 1 uncompressed), a raw signature (64 bytes) and the SHA-256 of what was signed (32 bytes); each
answer is one byte, in the order of the questions. It ends when the other side closes.
"""

import signal
import socket
from functools import lru_cache
from typing import Final

from cryptography.hazmat.primitives.asymmetric import ec

from protocol.signature import SIGNATURE_BYTES, verifies_hashed

POINT_BYTES: Final = 65
_HASH_AT: Final = POINT_BYTES + SIGNATURE_BYTES
QUESTION_BYTES: Final = _HASH_AT + 32
YES: Final = 1
_AT_ONCE: Final = 8 * QUESTION_BYTES
"""So many are answered together: the first ones do not wait for all that are there."""
_KEYS_KEPT: Final = 16_384


def question(point: bytes, signature: bytes, hash: bytes) -> bytes:
    """The bytes of one."""
    return point + signature + hash


def answer(asked: bytes) -> int:
    """Whether the signature is right: YES, or 0 for anything else."""
    try:
        key = _key(asked[:POINT_BYTES])
    except ValueError:
        return 0
    return verifies_hashed(key, asked[POINT_BYTES:_HASH_AT], asked[_HASH_AT:])


@lru_cache(maxsize=_KEYS_KEPT)
def _key(point: bytes) -> ec.EllipticCurvePublicKey:
    return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)


def serve(connection: socket.socket) -> None:
    """Answers until the other side closes."""
    partial = b""
    while chunk := connection.recv(_AT_ONCE):
        asked = partial + chunk
        whole = len(asked) - len(asked) % QUESTION_BYTES
        partial = asked[whole:]
        connection.sendall(
            bytes(answer(asked[at : at + QUESTION_BYTES]) for at in range(0, whole, QUESTION_BYTES))
        )


if __name__ == "__main__":
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # it ends with the backend, after what it still has
    with socket.socket(fileno=0) as standard_input:
        try:
            serve(standard_input)
        except ConnectionError:
            pass
