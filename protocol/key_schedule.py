"""The handshake's transcripts, derived keys and proofs of possession (TR-TPR section 5.3)."""

from hashlib import sha256
from hmac import digest
from typing import Final

from protocol.encoding import lp

VERSION: Final = 1
SUITE: Final = "X25519-ES256-A256GCM-SHA256"
PREFIX: Final = b"TR-AKE/1 "
_SALT: Final = sha256(PREFIX + SUITE.encode("ascii")).digest()

KEY_BYTES: Final = 32
IV_BYTES: Final = 12


def extract(shared_secret: bytes) -> bytes:
    """PRK: HKDF-Extract (RFC 5869) of the X25519 result."""
    return digest(_SALT, shared_secret, "sha256")


def expand(prk: bytes, info: bytes, length: int = KEY_BYTES) -> bytes:
    """HKDF-Expand for at most 32 bytes: its first block."""
    if not 0 < length <= 32:
        raise ValueError("one block only")
    return digest(prk, info + b"\x01", "sha256")[:length]


def derive(prk: bytes, label: str, transcript: bytes, length: int = KEY_BYTES) -> bytes:
    """The secret named `label` at `transcript`."""
    return expand(prk, PREFIX + label.encode("ascii") + b"\x00" + transcript, length)


def transcript_2(m1: bytes, m2_clear: bytes) -> bytes:
    """t2: what both ends said in clear."""
    return sha256(lp(m1) + lp(m2_clear)).digest()


def transcript_next(before: bytes, message: bytes) -> bytes:
    """t3 from t2 and the sealed part of M2; t4 from t3 and M3."""
    return sha256(lp(before) + lp(message)).digest()


def chain_bytes(chain_der: list[bytes]) -> bytes:
    """The certificates of a chain, each length-prefixed, leaf first."""
    return b"".join(lp(der) for der in chain_der)


def signed_content(role: str, transcript: bytes, chain_der: list[bytes]) -> bytes:
    """What the holder of `role` signs."""
    return _content(role, lp(transcript) + lp(chain_bytes(chain_der)))


def confirmation(
    mac_key: bytes, role: str, transcript: bytes, chain_der: list[bytes], signature: bytes
) -> bytes:
    """The mac by which the holder of `role` shows that it has the keys (32 bytes)."""
    covered = lp(transcript) + lp(chain_bytes(chain_der)) + lp(signature)
    return digest(mac_key, _content(role, covered), "sha256")


def _content(role: str, covered: bytes) -> bytes:
    # 64 spaces and the label keep these signatures apart from every other use of the key
    # (the construction of TLS 1.3, RFC 8446 section 4.4.3).
    label = PREFIX + role.encode("ascii")
    return b" " * 64 + label + b"\x00" + sha256(covered).digest()
