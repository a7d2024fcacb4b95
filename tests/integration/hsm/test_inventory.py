"""The inventory shows every generation, and every key that is not as it was made."""

from pathlib import Path

import pytest
from pkcs11 import Attribute, KeyType, MechanismFlag, ObjectClass

from adapters.hsm.inventory import KeyState, inventory
from adapters.hsm.provision import KEYS, make_key, next_generation, open_token, provision
from adapters.hsm.token import HsmUnavailable, Token
from tests.integration.hsm.conftest import PIN


@pytest.fixture
def own(tmp_path: Path) -> Token:
    provision(tmp_path, PIN)
    return open_token(tmp_path, PIN, writable=True)


def state(token: Token, label: str) -> KeyState:
    (found,) = (each for each in inventory(token) if each.spec.label == label)
    return found


def test_all_keys_of_an_installation_are_sound(token: Token) -> None:
    found = inventory(token)
    assert [each.spec for each in found] == list(KEYS)
    assert all(each.sound for each in found)
    assert found[0].row() == {
        "key": "K_DB", "generation": 1, "kind": "AES-256", "may": "encrypt, decrypt",
        "state": "sound", "sound": True,
    }  # fmt: skip


def test_every_generation_is_listed(own: Token) -> None:
    second = next_generation(KEYS[0])
    make_key(own, second)
    make_key(own, next_generation(second))
    generations = [each.spec.generation for each in inventory(own) if each.spec.name == "K_DB"]
    assert generations == [1, 2, 3]
    assert state(own, "K_DB/3").sound


def test_a_missing_key_and_one_that_is_there_twice_are_named(own: Token) -> None:
    own.run(lambda keys: keys.search(ObjectClass.SECRET_KEY, "K_CVV/1")[0].destroy())
    assert state(own, "K_CVV/1").faults == ("missing",)
    for _ in range(2):
        own.run(
            lambda keys: keys.pkcs11.generate_key(
                KeyType.GENERIC_SECRET, 256, label="K_CVV/1", store=True
            )
        )
    assert state(own, "K_CVV/1").faults == ("there 2 times",)


def test_a_key_that_was_brought_in_or_can_be_read_or_may_more_is_not_sound(own: Token) -> None:
    def replace(keys: "object") -> None:
        session = keys.pkcs11  # type: ignore[attr-defined]
        session.generate_key(
            KeyType.AES,
            256,
            label="K_DB/2",
            store=True,
            capabilities=MechanismFlag.ENCRYPT | MechanismFlag.WRAP,
            template={
                Attribute.PRIVATE: True,
                Attribute.SENSITIVE: False,
                Attribute.EXTRACTABLE: True,
            },
        )
        session.create_object(
            {
                Attribute.CLASS: ObjectClass.SECRET_KEY,
                Attribute.KEY_TYPE: KeyType.AES,
                Attribute.VALUE: bytes(32),
                Attribute.LABEL: "K_PVV/2",
                Attribute.TOKEN: True,
                Attribute.PRIVATE: True,
                Attribute.SENSITIVE: True,
                Attribute.EXTRACTABLE: False,
                Attribute.MODIFIABLE: False,
                Attribute.WRAP: True,
                Attribute.ENCRYPT: False,
                Attribute.DECRYPT: False,
                Attribute.UNWRAP: False,
                Attribute.SIGN: False,
                Attribute.VERIFY: False,
                Attribute.DERIVE: False,
            }
        )

    own.run(replace)
    faults = set(state(own, "K_DB/2").faults)
    assert {"not sensitive", "is extractable", "may wrap", "cannot decrypt"} <= faults
    assert {"not never extractable", "is modifiable"} <= faults
    # Somebody knows its value: it was not made inside.
    assert set(state(own, "K_PVV/2").faults) == {"not never extractable", "not local"}


def test_a_pair_without_its_public_half_is_not_sound(own: Token) -> None:
    own.run(lambda keys: keys.search(ObjectClass.PUBLIC_KEY, "LOG/1")[0].destroy())
    assert state(own, "LOG/1").faults == ("its public half is not there once",)


def test_a_lost_token_has_no_inventory(tmp_path: Path, own: Token) -> None:
    (tmp_path / "hsm" / "tokens").rename(tmp_path / "away")
    with pytest.raises(HsmUnavailable):
        inventory(own)
    (tmp_path / "away").rename(tmp_path / "hsm" / "tokens")
