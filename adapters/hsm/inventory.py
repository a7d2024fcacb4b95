"""What keys the token holds: every generation of each, and whether its attributes are as made.

A key is sound if it exists once, was made inside the token, never was readable and is not now, and
may do what its specification says and nothing else.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, Final

from cryptography import x509
from pkcs11 import Attribute, KeyType, MechanismFlag, ObjectClass
from pkcs11.exceptions import AttributeTypeInvalid

from adapters.hsm.generations import FIRST
from adapters.hsm.provision import KEYS, KeySpec
from adapters.hsm.session import KeySession
from adapters.hsm.token import Token

KINDS: Final = {
    KeyType.AES: "AES-256",
    KeyType.GENERIC_SECRET: "generic secret, 256 bits",
    KeyType.EC: "P-256",
    KeyType.EC_EDWARDS: "Ed25519",
}
USES: Final = {
    MechanismFlag.ENCRYPT: (Attribute.ENCRYPT, "encrypt"),
    MechanismFlag.DECRYPT: (Attribute.DECRYPT, "decrypt"),
    MechanismFlag.SIGN: (Attribute.SIGN, "sign"),
    MechanismFlag.VERIFY: (Attribute.VERIFY, "verify"),
    MechanismFlag.WRAP: (Attribute.WRAP, "wrap"),
    MechanismFlag.UNWRAP: (Attribute.UNWRAP, "unwrap"),
    MechanismFlag.DERIVE: (Attribute.DERIVE, "derive"),
}
_MUST_BE: Final = {
    Attribute.PRIVATE: True,
    Attribute.SENSITIVE: True,
    Attribute.EXTRACTABLE: False,
    Attribute.NEVER_EXTRACTABLE: True,
    Attribute.LOCAL: True,
    Attribute.MODIFIABLE: False,
}
# Verifying is the public half's use, and some modules list it nowhere else.
_OF_THE_PUBLIC_HALF: Final = frozenset({MechanismFlag.VERIFY, MechanismFlag.ENCRYPT})


@dataclass(frozen=True, slots=True)
class KeyState:
    """One generation of a key. `faults`: what is not as it was made; empty: it is sound."""

    spec: KeySpec
    faults: tuple[str, ...]

    @property
    def sound(self) -> bool:
        """Whether nothing is wrong with it."""
        return not self.faults

    def row(self) -> dict[str, Any]:
        """For a list."""
        return {
            "key": self.spec.name,
            "generation": self.spec.generation,
            "kind": KINDS[self.spec.type],
            "may": ", ".join(word for flag, (_, word) in USES.items() if flag & self.spec.use),
            "state": "sound" if self.sound else "; ".join(self.faults),
            "sound": self.sound,
        }


def key_rows(token: Token, made_ms: int | None) -> list[dict[str, Any]]:
    """A row for each generation of each key, and whether it makes what is new.

    `made_ms`: when the first generations were made; the token does not know. None: not told.
    Raises HsmUnavailable.
    """
    newest = token.generations.newest
    first = {} if made_ms is None else {"since_ms": made_ms}
    return [
        {
            **state.row(),
            **(first if state.spec.generation == FIRST else {}),
            "in_use": newest(state.spec.name) == state.spec.generation,
        }
        for state in inventory(token)
    ]


def made_ms(root: x509.Certificate) -> int:
    """When the first generations were made, in milliseconds since 1970: with the root."""
    return int(root.not_valid_before_utc.timestamp()) * 1000


def inventory(token: Token, specs: Iterable[KeySpec] = KEYS) -> list[KeyState]:
    """Every generation of every key, oldest first; one that must exist and does not, too.

    Raises HsmUnavailable.
    """
    token.heartbeat()  # SoftHSM tells attributes from memory, also of a token that is gone
    return token.run(lambda keys: [each for spec in specs for each in _generations(keys, spec)])


def _generations(keys: KeySession, first: KeySpec) -> list[KeyState]:
    found = [KeyState(first, _faults(keys, first))]
    spec = replace(first, generation=first.generation + 1)
    while keys.has(_kind(spec), spec.label):
        found.append(KeyState(spec, _faults(keys, spec)))
        spec = replace(spec, generation=spec.generation + 1)
    return found


def _kind(spec: KeySpec) -> ObjectClass:
    return ObjectClass.PRIVATE_KEY if spec.is_pair else ObjectClass.SECRET_KEY


def _faults(keys: KeySession, spec: KeySpec) -> tuple[str, ...]:
    found = keys.search(_kind(spec), spec.label)
    if len(found) != 1:
        return ("missing" if not found else f"there {len(found)} times",)
    faults = [
        f"{'is' if not wanted else 'not'} {attribute.name.lower().replace('_', ' ')}"
        for attribute, wanted in _MUST_BE.items()
        if found[0][attribute] is not wanted
    ]
    faults += [
        f"{'cannot' if wanted else 'may'} {word}"
        for attribute, word, wanted in _uses(spec)
        if _may(found[0], attribute) is not wanted
    ]
    if spec.is_pair and len(keys.search(ObjectClass.PUBLIC_KEY, spec.label)) != 1:
        faults.append("its public half is not there once")
    return tuple(faults)


def _uses(spec: KeySpec) -> list[tuple[Attribute, str, bool]]:
    return [
        (attribute, word, bool(spec.use & flag))
        for flag, (attribute, word) in USES.items()
        if not (spec.is_pair and flag in _OF_THE_PUBLIC_HALF)
    ]


def _may(key: Any, attribute: Attribute) -> bool:
    try:
        return bool(key[attribute])
    except AttributeTypeInvalid:  # a kind of key that knows no such use
        return False
