"""Wycheproof's vectors through the token, by the calls that the system makes: nothing wrong is
accepted, and whatever valid is refused is one of the exceptions explained here.

HMAC is held against RFC 4231 and against Python's implementation (see tests/vectors/wycheproof).
"""

import hashlib
import hmac
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from pkcs11 import Attribute, KeyType, Mechanism, ObjectClass
from pkcs11.exceptions import ArgumentsBad, PKCS11Error
from pkcs11.util.ec import encode_named_curve_parameters

from adapters.hsm.session import KeySession
from adapters.hsm.token import Token

VECTORS = Path(__file__).parents[2] / "vectors"
LABEL = "wycheproof"
_READABLE = {Attribute.SENSITIVE: False, Attribute.EXTRACTABLE: True}


class Case(NamedTuple):
    """One vector: its fields in bytes, and what must come of it."""

    id: int
    result: str
    group: dict[str, Any]
    fields: dict[str, bytes]

    @property
    def valid(self) -> bool:
        return self.result == "valid"


def cases(name: str, *fields: str) -> list[Case]:
    content = json.loads((VECTORS / "wycheproof" / f"{name}_test.json").read_bytes())
    found = [
        Case(
            test["tcId"],
            test["result"],
            group,
            {field: bytes.fromhex(test[field]) for field in fields},
        )
        for group in content["testGroups"]
        for test in group["tests"]
    ]
    assert len(found) == content["numberOfTests"]
    return found


@contextmanager
def imported(keys: KeySession, kind: KeyType, value: bytes, *uses: Attribute) -> Iterator[Any]:
    """A session key of that value, which the adapter finds by its label."""
    made = keys.pkcs11.create_object(
        {
            Attribute.CLASS: ObjectClass.SECRET_KEY,
            Attribute.KEY_TYPE: kind,
            Attribute.VALUE: value,
            Attribute.LABEL: LABEL,
            Attribute.TOKEN: False,
            **_READABLE,
            **dict.fromkeys(uses, True),
        }
    )
    try:
        yield made
    finally:
        keys.forget(ObjectClass.SECRET_KEY, LABEL)
        made.destroy()


def test_ecdsa_p256_over_sha256(token: Token) -> None:
    """No exception: 173 valid signatures pass, 89 invalid ones do not."""

    def outcomes(keys: KeySession) -> list[tuple[int, bool, bool]]:
        found = []
        for case in cases("ecdsa_secp256r1_sha256_p1363", "msg", "sig"):
            point = bytes.fromhex(case.group["publicKey"]["uncompressed"])
            key = keys.pkcs11.create_object(
                {
                    Attribute.CLASS: ObjectClass.PUBLIC_KEY,
                    Attribute.KEY_TYPE: KeyType.EC,
                    Attribute.EC_PARAMS: encode_named_curve_parameters("secp256r1"),
                    Attribute.EC_POINT: bytes([4, len(point)]) + point,
                    Attribute.TOKEN: False,
                    Attribute.VERIFY: True,
                }
            )
            digest = hashlib.sha256(case.fields["msg"]).digest()
            try:
                good = key.verify(digest, case.fields["sig"], mechanism=Mechanism.ECDSA)
            except PKCS11Error:
                good = False
            key.destroy()
            found.append((case.id, good, case.valid))
        return found

    found = token.run(outcomes)
    assert [id for id, good, valid in found if good is not valid] == []
    assert sum(good for _, good, _ in found) == 173


def test_aes_gcm(token: Token) -> None:
    """Exception: python-pkcs11 refuses every nonce of more than 12 bytes, before it asks the
    token. Ours have 12 bytes, always."""

    def check(keys: KeySession) -> tuple[int, int]:
        opened = refused_nonces = 0
        for case in cases("aes_gcm", "key", "iv", "aad", "msg", "ct", "tag"):
            field = case.fields
            uses = (Attribute.ENCRYPT, Attribute.DECRYPT)
            with imported(keys, KeyType.AES, field["key"], *uses):
                sealed = field["ct"] + field["tag"]
                if len(field["iv"]) > 12:
                    with pytest.raises(ArgumentsBad):
                        keys.decrypt_gcm(LABEL, field["iv"], sealed, field["aad"])
                    refused_nonces += 1
                elif case.valid:
                    clear = keys.decrypt_gcm(LABEL, field["iv"], sealed, field["aad"])
                    again = keys.encrypt_gcm(LABEL, field["iv"], field["msg"], field["aad"])
                    assert (clear, again) == (field["msg"], sealed), case.id
                    opened += 1
                else:
                    with pytest.raises(PKCS11Error):
                        keys.decrypt_gcm(LABEL, field["iv"], sealed, field["aad"])
        return opened, refused_nonces

    assert token.run(check) == (153, 76)


def unwrapped(key: Any, mechanism: Mechanism, wrapped: bytes) -> bytes | None:
    """The secret in the block; None where the token refuses it."""
    try:
        secret = key.unwrap_key(
            ObjectClass.SECRET_KEY,
            KeyType.GENERIC_SECRET,
            wrapped,
            mechanism=mechanism,
            capabilities=0,
            template=_READABLE,
        )
    except PKCS11Error:
        return None
    value = bytes(secret[Attribute.VALUE])
    secret.destroy()
    return value


def wrapped_again(keys: KeySession, key: Any, mechanism: Mechanism, secret: bytes) -> bytes:
    made = keys.pkcs11.create_object(
        {
            Attribute.CLASS: ObjectClass.SECRET_KEY,
            Attribute.KEY_TYPE: KeyType.GENERIC_SECRET,
            Attribute.VALUE: secret,
            Attribute.TOKEN: False,
            **_READABLE,
        }
    )
    try:
        return bytes(key.wrap_key(made, mechanism=mechanism))
    finally:
        made.destroy()


def test_aes_key_wrap(token: Token) -> None:
    """RFC 3394. Exception: three vectors called acceptable (a wrapped key of 8 bytes, which the
    RFC does not define) are refused; what we wrap has 32 bytes."""

    def check(keys: KeySession) -> int:
        passed = 0
        for case in cases("aes_wrap", "key", "msg", "ct"):
            field, mechanism = case.fields, Mechanism.AES_KEY_WRAP
            uses = (Attribute.WRAP, Attribute.UNWRAP)
            with imported(keys, KeyType.AES, field["key"], *uses) as key:
                wanted = field["msg"] if case.valid else None
                assert unwrapped(key, mechanism, field["ct"]) == wanted, case.id
                if case.valid:
                    assert wrapped_again(keys, key, mechanism, field["msg"]) == field["ct"]
                    passed += 1
        return passed

    assert token.run(check) == 36


def test_aes_key_wrap_with_padding(token: Token) -> None:
    """RFC 5649. All unwrapping is right. Exception: SoftHSM fills a secret up to 8 bytes before
    it wraps it, and writes the length of that; so what it wraps itself is right for lengths
    that are multiples of 8 only. Devices wrap PIN blocks (32 bytes), the token never does."""

    def check(keys: KeySession) -> tuple[int, int]:
        passed = wrapped_right = 0
        for case in cases("aes_kwp", "key", "msg", "ct"):
            field, mechanism = case.fields, Mechanism.AES_KEY_WRAP_PAD
            uses = (Attribute.WRAP, Attribute.UNWRAP)
            with imported(keys, KeyType.AES, field["key"], *uses) as key:
                wanted = field["msg"] if case.valid else None
                assert unwrapped(key, mechanism, field["ct"]) == wanted, case.id
                if case.valid:
                    passed += 1
                    again = wrapped_again(keys, key, mechanism, field["msg"])
                    right = again == field["ct"]
                    assert right == (len(field["msg"]) % 8 == 0), case.id
                    wrapped_right += right
        return passed, wrapped_right

    assert token.run(check) == (77, 33)


def rfc_4231() -> list[tuple[bytes, bytes, bytes]]:
    """Key, message, digest."""
    lines = (VECTORS / "rfc-4231-sha256.txt").read_text().splitlines()
    values = [line.partition(" = ") for line in lines if " = " in line]
    found = [bytes.fromhex(value) for name, _, value in values if name != "Len"]
    return list(zip(found[::3], found[1::3], found[2::3], strict=True))


def test_hmac_sha256(token: Token) -> None:
    """Exception: SoftHSM refuses keys of less than 32 bytes, as RFC 4231 also has; ours have 32."""
    ours = []
    for size in range(200):
        key, message = os.urandom(32 + size % 70), os.urandom(size)
        ours.append((key, message, hmac.digest(key, message, "sha256")))

    def check(keys: KeySession) -> int:
        refused = 0
        for key, message, digest in (*rfc_4231(), *ours):
            uses = (Attribute.SIGN, Attribute.VERIFY)
            with imported(keys, KeyType.GENERIC_SECRET, key, *uses) as handle:
                if len(key) < 32:
                    with pytest.raises(PKCS11Error):
                        keys.hmac(LABEL, message)
                    refused += 1
                    continue
                assert keys.hmac(LABEL, message) == digest
                for wrong in (digest[:-1] + bytes([digest[-1] ^ 1]), digest[:16], bytes(32), b""):
                    assert not _verifies(handle, message, wrong)
                assert _verifies(handle, message, digest)
        return refused

    assert len(rfc_4231()) == 6
    assert token.run(check) == 4


def _verifies(key: Any, message: bytes, tag: bytes) -> bool:
    try:
        return bool(key.verify(message, tag, mechanism=Mechanism.SHA256_HMAC))
    except PKCS11Error:
        return False
