"""What a ceremony does with the HSM: makes everything in it once, and lets the root key sign."""

from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from pkcs11 import KeyType, ObjectClass

from adapters.ceremony.signatures import signed_bytes
from adapters.ceremony.software import file_sha256
from adapters.hsm import provision, softhsm
from adapters.hsm.authority import Authority, establish
from adapters.hsm.generations import FIRST, labelled
from adapters.hsm.keys import Hsm
from adapters.hsm.provision import KEYS, KeySpec
from adapters.hsm.roots import KEY
from adapters.hsm.token import HsmUnavailable, Token
from adapters.hsm.token_key import TokenPrivateKey
from protocol.encoding import b64


@dataclass(frozen=True, slots=True)
class Made:
    """A certificate or key whose fingerprint people compare."""

    name: str
    sha256: str
    facts: dict[str, Any]


class CeremonyHsm:
    """The HSM of one state folder. Methods raise HsmUnavailable."""

    def __init__(
        self, home: Path, module: Path | None, label: str, validation_url: str = ""
    ) -> None:
        """`validation_url`: where the root's list will be, written into the issuing authority."""
        self._home, self._module, self._label = home, module, label
        self._validation_url = validation_url.rstrip("/")

    @property
    def module(self) -> Path:
        """The PKCS#11 module in use."""
        return softhsm.find_module(self._home, self._module)

    def module_facts(self) -> dict[str, Any]:
        """Its file and the hash of that."""
        return {"pkcs11_module": self.module.name, "pkcs11_sha256": file_sha256(self.module)}

    def is_provisioned(self, pin: str = "") -> bool:
        """Whether keys of ours are in the token. Another HSM than SoftHSM must be asked with its
        PIN; without one it is taken for empty."""
        if softhsm.is_softhsm(self.module):
            return softhsm.has_token(self._home / "hsm")
        if not pin:
            return False
        try:
            token = self._open(pin)
        except HsmUnavailable:
            return False
        try:
            return any(_has(token, spec) for spec in KEYS)
        finally:
            token.close()

    def provision(self, pin: str) -> dict[str, Any]:
        """Token and keys, as far as they are not there; what the token says of itself."""
        provision.provision(self._home, pin, module=self._module, label=self._label)
        return self.token_facts(pin)

    def token_facts(self, pin: str) -> dict[str, Any]:
        """What the token says of itself."""
        token = self._open(pin)
        try:
            return token.run(
                lambda keys: {
                    "label": str(keys.pkcs11.token.label),
                    "serial": bytes(keys.pkcs11.token.serial).decode("ascii", "replace").strip(),
                    "manufacturer": str(keys.pkcs11.token.manufacturer_id).strip(),
                    "model": str(keys.pkcs11.token.model).strip(),
                }
            )
        finally:
            token.close()

    def key_facts(self, pin: str) -> list[dict[str, Any]]:
        """Each key's kind, and of a pair the SHA-256 of its public half."""
        token = self._open(pin)
        try:
            weak = provision.weaknesses(token)
            if weak:
                raise HsmUnavailable(f"keys that are not safe in the token: {', '.join(weak)}")
            return [_facts(token, spec) for spec in KEYS]
        finally:
            token.close()

    def establish(self, pin: str) -> list[Made]:
        """Root, issuing and TLS authority, as far as they are not there, and the log's key."""
        token = self._open(pin, writable=True)
        try:
            authority = establish(token, validation_url=self._validation_url)
            log_key = Hsm(token).log_public_key()
        finally:
            token.close()
        raw = log_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return [*_certificates(authority), Made("log key", sha256(raw).hexdigest(), {})]

    def under_root(self, pin: str, generation: int) -> list[Made]:
        """A root of a token in use, the link to it, and the newest issuing authority if it is
        under it: as far as they are there, in this order."""
        token = self._open(pin)
        try:
            authority = Authority(token)
        finally:
            token.close()
        roots, issuing = authority.roots, authority.issuing
        if generation not in roots.issuers:
            return []
        link = roots.link(generation)
        found = [("new root", roots.issuers[generation].certificate)]
        found += [("link", link)] if link is not None else []
        found += [("new issuing", issuing)] if roots.above(issuing) == generation else []
        return [Made(f"{name} certificate", *described(each)) for name, each in found]

    def sign(self, pin: str, head: str, generation: int = FIRST) -> str:
        """A root key's signature under a transcript (ECDSA with SHA-256, DER, base64url)."""
        token = self._open(pin)
        try:
            key = TokenPrivateKey(token, labelled(KEY, generation))
            return b64(key.sign(signed_bytes(head), _ECDSA))
        finally:
            token.close()

    def opens_with(self, pin: str) -> bool:
        """Whether the token takes this PIN and works."""
        try:
            token = self._open(pin)
            token.heartbeat()
            token.close()
        except HsmUnavailable:
            return False
        return True

    def _open(self, pin: str, *, writable: bool = False) -> Token:
        return provision.open_token(
            self._home, pin, module=self._module, label=self._label, writable=writable
        )


_ECDSA = ec.ECDSA(SHA256())


def _has(token: Token, spec: KeySpec) -> bool:
    kind = ObjectClass.PRIVATE_KEY if spec.is_pair else ObjectClass.SECRET_KEY
    return token.run(lambda keys: keys.has(kind, spec.label))


def _facts(token: Token, spec: KeySpec) -> dict[str, Any]:
    facts: dict[str, Any] = {"label": spec.label, "type": _KINDS[spec.type]}
    if spec.type is KeyType.EC:
        public = token.run(lambda keys: keys.public_key_p256(spec.label))
        raw = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        facts["public_sha256"] = sha256(raw).hexdigest()
    return facts


_KINDS = {
    KeyType.AES: "AES-256",
    KeyType.GENERIC_SECRET: "HMAC-SHA-256, 256 bits",
    KeyType.EC: "P-256",
    KeyType.EC_EDWARDS: "Ed25519",
}


def _certificates(authority: Authority) -> list[Made]:
    named = (("root", authority.root), ("issuing", authority.issuing), ("TLS", authority.tls))
    return [Made(f"{name} certificate", *described(each)) for name, each in named]


def described(certificate: x509.Certificate) -> tuple[str, dict[str, Any]]:
    """Its fingerprint, and what a transcript says of it."""
    return certificate.fingerprint(SHA256()).hex(), {
        "subject": certificate.subject.rfc4514_string(),
        "issuer": certificate.issuer.rfc4514_string(),
        "serial": format(certificate.serial_number, "x"),
        "not_before": certificate.not_valid_before_utc.date().isoformat(),
        "not_after": certificate.not_valid_after_utc.date().isoformat(),
        "pem": certificate.public_bytes(Encoding.PEM).decode(),
    }
