"""All keys of an installation, as data, and making them in the token: once, and never again.

The first generations are made while the backend is stopped, later ones while it serves
(`rotation.py`). A key's label is its name and generation.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Final

from pkcs11 import Attribute, KeyType, MechanismFlag, ObjectClass
from pkcs11.util.ec import encode_named_curve_parameters

from adapters.hsm import softhsm
from adapters.hsm.generations import labelled
from adapters.hsm.session import KeySession
from adapters.hsm.token import HsmUnavailable, Pin, Token
from adapters.hsm.writing import Runs

TOKEN_LABEL: Final = "ticketrestaurant"  # noqa: S105
_SIGNING: Final = MechanismFlag.SIGN | MechanismFlag.VERIFY
# RFC 8410's id-Ed25519 and the curve secp256r1, as CKA_EC_PARAMS wants them: DER.
_ED25519: Final = bytes.fromhex("06032b6570")
_P256: Final = encode_named_curve_parameters("secp256r1")


@dataclass(frozen=True, slots=True)
class KeySpec:
    """A key: AES and GENERIC_SECRET have 256 bits, EC is P-256, EC_EDWARDS is Ed25519."""

    name: str
    type: KeyType
    use: MechanismFlag
    generation: int = 1

    @property
    def label(self) -> str:
        """How the token knows it."""
        return labelled(self.name, self.generation)

    @property
    def is_pair(self) -> bool:
        """Whether it has a public half."""
        return self.type in (KeyType.EC, KeyType.EC_EDWARDS)


KEYS: Final = (
    KeySpec("K_DB", KeyType.AES, MechanismFlag.ENCRYPT | MechanismFlag.DECRYPT),
    KeySpec("K_INDEX", KeyType.GENERIC_SECRET, _SIGNING),
    KeySpec("K_CVV", KeyType.GENERIC_SECRET, _SIGNING),
    KeySpec("K_PVV", KeyType.AES, MechanismFlag.WRAP),
    KeySpec("K_PVV2", KeyType.GENERIC_SECRET, _SIGNING),
    KeySpec("PIN-ENC", KeyType.EC, MechanismFlag.DERIVE),
    KeySpec("CA-ROOT", KeyType.EC, _SIGNING),
    KeySpec("CA-ISSUING", KeyType.EC, _SIGNING),
    KeySpec("CA-TLS", KeyType.EC, _SIGNING),
    KeySpec("BACKEND-ID", KeyType.EC, _SIGNING),
    KeySpec("LOG", KeyType.EC_EDWARDS, _SIGNING),
)
AUTHORITIES: Final = ("CA-ROOT", "CA-ISSUING", "CA-TLS")
"""Keys with a certificate of their own beside them in the token."""
PIN_REFERENCE_KEYS: Final = ("K_PVV", "K_PVV2")
_SECRET: Final = {
    Attribute.PRIVATE: True,
    Attribute.SENSITIVE: True,
    Attribute.EXTRACTABLE: False,
    Attribute.MODIFIABLE: False,  # or a login could give K_DB the right to wrap
    Attribute.COPYABLE: False,
}
# Public halves are kept behind the login, too: an object that is not could be replaced by
# whoever can write the token's files, and PINs would be sealed to somebody else's key.
_PUBLIC: Final = {Attribute.PRIVATE: True, Attribute.MODIFIABLE: False}


def provision(
    home: Path,
    pin: str,
    *,
    module: str | Path | None = None,
    label: str = TOKEN_LABEL,
    slot: int | None = None,
    ours: bool | None = None,
) -> None:
    """A token with all keys under `<home>/hsm` (SoftHSM), or all keys in another HSM's token.

    `ours`: whether the token is SoftHSM's under the state folder; by default known by the module's
    name. What exists stays. Raises HsmUnavailable, also where a key could be read out.
    """
    path = softhsm.find_module(home, module)

    def make_all_keys() -> None:
        token = Token(path, label, pin, slot=slot, writable=True)
        for spec in KEYS:
            make_key(token, spec)
        weak = weaknesses(token)
        token.close()
        if weak:
            raise HsmUnavailable(f"keys that are not safe in the token: {', '.join(weak)}")

    if _is_ours(path, ours):
        softhsm.use_tokens_of(home / "hsm")
        if not softhsm.has_token(home / "hsm"):
            softhsm.create_token(home / "hsm", path, label, pin, make_all_keys)
            return
    make_all_keys()


def open_token(
    home: Path,
    pin: str | Pin,
    *,
    module: str | Path | None = None,
    label: str = TOKEN_LABEL,
    slot: int | None = None,
    ours: bool | None = None,
    writable: bool = False,
    sessions: Callable[[Any], KeySession] = KeySession,
    guard: Callable[[], None] | None = None,
    overlap: bool = True,
) -> Token:
    """The token that `provision` made. Call it after forking. Raises HsmUnavailable."""
    path = softhsm.find_module(home, module)
    if _is_ours(path, ours):
        softhsm.use_tokens_of(home / "hsm")
    token = Token(
        path,
        label,
        pin,
        slot=slot,
        writable=writable,
        sessions=sessions,
        guard=guard,
        overlap=overlap,
    )
    read_generations(token)
    return token


def read_generations(token: Token) -> None:
    """Takes the newest complete generation of each key into use. Raises HsmUnavailable.

    An authority's is complete with its certificate. BACKEND-ID and PIN-ENC are shown to others by
    certificates that are files: for them `rotation.use_certified` says which one counts.
    """
    for spec in KEYS:
        token.generations.use(spec.name, token.run(partial(_newest_complete, first=spec)))
    # Both make one reference of a PIN: they go together.
    both = min(map(token.generations.newest, PIN_REFERENCE_KEYS))
    for name in PIN_REFERENCE_KEYS:
        token.generations.use(name, both)


def _newest_complete(keys: KeySession, first: KeySpec) -> int:
    spec = next_generation(first)
    while _is_complete(keys, spec):
        spec = next_generation(spec)
    return spec.generation - 1


def _is_complete(keys: KeySession, spec: KeySpec) -> bool:
    if not spec.is_pair:
        return keys.has(ObjectClass.SECRET_KEY, spec.label)
    halves = (ObjectClass.PRIVATE_KEY, ObjectClass.PUBLIC_KEY)
    if not all(keys.has(half, spec.label) for half in halves):
        return False
    return spec.name not in AUTHORITIES or keys.certificate(spec.label) is not None


def _is_ours(module: Path, ours: bool | None) -> bool:
    return softhsm.is_softhsm(module) if ours is None else ours


def spec_of(name: str, generation: int = 1) -> KeySpec:
    """A generation of a key by its name. Raises KeyError for a name that is none."""
    for spec in KEYS:
        if spec.name == name:
            return replace(spec, generation=generation)
    raise KeyError(name)


def next_generation(spec: KeySpec) -> KeySpec:
    """The same key, one generation on."""
    return replace(spec, generation=spec.generation + 1)


def make_key(token: Runs, spec: KeySpec) -> None:
    """Makes the key in a writable token unless it is there. Raises HsmUnavailable."""
    token.run(lambda keys: _make_pair(keys, spec) if spec.is_pair else _make_secret(keys, spec))


def _make_secret(keys: KeySession, spec: KeySpec) -> None:
    if not keys.has(ObjectClass.SECRET_KEY, spec.label):
        keys.pkcs11.generate_key(
            spec.type, 256, label=spec.label, store=True, capabilities=spec.use, template=_SECRET
        )


def _make_pair(keys: KeySession, spec: KeySpec) -> None:
    has_private = keys.has(ObjectClass.PRIVATE_KEY, spec.label)
    if has_private and keys.has(ObjectClass.PUBLIC_KEY, spec.label):
        return
    if has_private:
        raise HsmUnavailable(f"the public half of {spec.label} is missing: restore the token")
    for orphan in keys.search(ObjectClass.PUBLIC_KEY, spec.label):
        orphan.destroy()  # a generation that was interrupted between its halves
    curve = _P256 if spec.type is KeyType.EC else _ED25519
    parameters = keys.pkcs11.create_domain_parameters(
        spec.type, {Attribute.EC_PARAMS: curve}, local=True
    )
    parameters.generate_keypair(
        label=spec.label,
        store=True,
        capabilities=spec.use,
        public_template=_PUBLIC,
        private_template=_SECRET,
    )


def weaknesses(token: Token) -> list[str]:
    """The keys that could be read out, were not made inside, may do what they must not, or exist
    twice or not at all."""
    from adapters.hsm.inventory import inventory  # which reads the list of keys above

    return [state.spec.label for state in inventory(token) if not state.sound]
