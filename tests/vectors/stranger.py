"""TR-AKE/1 and its records written a second time, from docs/TR-TPR.md alone.

Imports nothing of `protocol`: what both agree on is what the document says. It checks nothing
that it receives, and can be told to lie: the tests forge messages with it.
"""

import hmac
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

Change = Callable[[dict[str, Any]], dict[str, Any]]


def same(body: dict[str, Any]) -> dict[str, Any]:
    """Changes nothing."""
    return body


def b64(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def unb64(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


def lp(data: bytes) -> bytes:
    return len(data).to_bytes(4, "big") + data


def compact(body: dict[str, Any]) -> bytes:
    return json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def hkdf_expand(prk: bytes, info: bytes, length: int) -> bytes:
    return hmac.digest(prk, info + b"\x01", "sha256")[:length]


@dataclass
class Self:
    """An end of a handshake: identity, fresh values, and what comes to be known."""

    role: str
    chain: list[bytes]
    sign: Callable[[bytes], bytes]
    ephemeral: bytes
    nonce: bytes
    name: bytes
    shared: bytes = b""
    prk: bytes = b""
    m1: bytes = b""
    t2: bytes = b""
    t3: bytes = b""
    t4: bytes = b""
    signed: bytes = b""
    session: str = ""
    sent: int = 0
    received: int = 0
    change_clear: Change = field(default=same)
    change_proof: Change = field(default=same)

    @property
    def public(self) -> bytes:
        return X25519PrivateKey.from_private_bytes(self.ephemeral).public_key().public_bytes_raw()

    def agree(self, other: bytes) -> None:
        own = X25519PrivateKey.from_private_bytes(self.ephemeral)
        self.shared = own.exchange(X25519PublicKey.from_public_bytes(other))
        salt = sha256(b"TR-AKE/1 X25519-ES256-A256GCM-SHA256").digest()
        self.prk = hmac.digest(salt, self.shared, "sha256")

    def secret(self, label: str, transcript: bytes, length: int = 32) -> bytes:
        info = b"TR-AKE/1 " + label.encode() + b"\x00" + transcript
        return hkdf_expand(self.prk, info, length)

    def open_proof(self, side: str, transcript: bytes, sealed: bytes) -> bytes:
        key = self.secret(f"{side} handshake key", transcript)
        iv = self.secret(f"{side} handshake iv", transcript, 12)
        return AESGCM(key).decrypt(iv, sealed, transcript)

    def proof(self, side: str, transcript: bytes, more: dict[str, Any]) -> bytes:
        label = b" " * 64 + b"TR-AKE/1 " + self.role.encode() + b"\x00"
        chain = lp(b"".join(lp(each) for each in self.chain))
        self.signed = label + sha256(lp(transcript) + chain).digest()
        signature = self.sign(self.signed)
        covered = label + sha256(lp(transcript) + chain + lp(signature)).digest()
        mac = hmac.digest(self.secret(f"{side} mac", transcript), covered, "sha256")
        body = {
            "chain": [b64(each) for each in self.chain],
            "signature": b64(signature),
            "mac": b64(mac),
            **more,
        }
        key = self.secret(f"{side} handshake key", transcript)
        iv = self.secret(f"{side} handshake iv", transcript, 12)
        return AESGCM(key).encrypt(iv, compact(self.change_proof(body)), transcript)

    # The initiator

    def hello(self, to: str) -> bytes:
        body = {
            "version": 1,
            "suite": "X25519-ES256-A256GCM-SHA256",
            "role": self.role,
            "ephemeral": b64(self.public),
            "nonce": b64(self.nonce),
        }
        self.m1 = compact(self.change_clear(body))
        return f"TR1 C HELLO {to} {self.name.hex()} 0 {b64(self.m1)}\n".encode()

    def prove(self, m2: bytes, to: str) -> bytes:
        payload = unb64(m2.decode().split()[6])
        length = int.from_bytes(payload[:4], "big")
        clear, sealed = payload[4 : 4 + length], payload[8 + length :]
        hello = json.loads(clear)
        self.session = hello["session"]
        self.agree(unb64(hello["ephemeral"]))
        self.t2 = sha256(lp(self.m1) + lp(clear)).digest()
        self.t3 = sha256(lp(self.t2) + lp(sealed)).digest()
        m3 = self.proof("initiator", self.t3, {})
        self.t4 = sha256(lp(self.t3) + lp(m3)).digest()
        return f"TR1 C PROVE {to} {self.session} 0 {b64(m3)}\n".encode()

    # The responder

    def answer(self, m1: bytes, status: dict[str, Any]) -> bytes:
        fields = m1.decode().split()
        self.m1 = unb64(fields[6])
        self.session = fields[4] + self.name.hex()
        body = {
            "session": self.session,
            "role": self.role,
            "ephemeral": b64(self.public),
            "nonce": b64(self.nonce),
        }
        clear = compact(self.change_clear(body))
        self.agree(unb64(json.loads(self.m1)["ephemeral"]))
        self.t2 = sha256(lp(self.m1) + lp(clear)).digest()
        sealed = self.proof("responder", self.t2, {"status": status})
        self.t3 = sha256(lp(self.t2) + lp(sealed)).digest()
        return f"TR1 D HELLO peer {self.session} 0 {b64(lp(clear) + lp(sealed))}\n".encode()

    def finish(self, m3: bytes) -> None:
        sealed = unb64(m3.decode().split()[6])
        self.t4 = sha256(lp(self.t3) + lp(sealed)).digest()

    # Records

    def seal(self, side: str, kind: str, verb: str, to: str, body: bytes) -> bytes:
        header = f"TR1 {kind} {verb} {to} {self.session} {self.sent}"
        box = self._cipher(side).encrypt(self._nonce(side, self.sent), body, header.encode())
        self.sent += 1
        return f"{header} {b64(box)}\n".encode()

    def open(self, side: str, line: bytes) -> bytes:
        header, _, box = line.decode().strip().rpartition(" ")
        nonce = self._nonce(side, self.received)
        self.received += 1
        return self._cipher(side).decrypt(nonce, unb64(box), header.encode())

    def _cipher(self, side: str) -> AESGCM:
        return AESGCM(self.secret(f"{side} application key", self.t4))

    def _nonce(self, side: str, sequence: int) -> bytes:
        iv = self.secret(f"{side} application iv", self.t4, 12)
        return bytes(a ^ b for a, b in zip(iv, sequence.to_bytes(12, "big"), strict=True))
