"""All keys are made once, inside the token, and nobody gets them out."""

import stat
import subprocess
import sys
from pathlib import Path

import pytest
from pkcs11 import Attribute, KeyType, Mechanism, MechanismFlag, ObjectClass
from pkcs11.exceptions import AttributeSensitive, KeyUnextractable, PKCS11Error

from adapters.hsm.keys import Hsm
from adapters.hsm.provision import (
    KEYS,
    KeySpec,
    make_key,
    next_generation,
    open_token,
    provision,
    weaknesses,
)
from adapters.hsm.session import KeySession
from adapters.hsm.softhsm import find_module
from adapters.hsm.token import HsmRefused, HsmUnavailable, Token
from tests.integration.hsm.conftest import PIN


def kind_of(spec: KeySpec) -> ObjectClass:
    return ObjectClass.PRIVATE_KEY if spec.is_pair else ObjectClass.SECRET_KEY


@pytest.mark.parametrize("spec", KEYS, ids=lambda spec: spec.label)
def test_a_key_never_leaves_the_token(token: Token, spec: KeySpec) -> None:
    def look(keys: KeySession) -> None:
        (key,) = keys.search(kind_of(spec), spec.label)
        assert key[Attribute.PRIVATE]
        assert key[Attribute.SENSITIVE]
        assert not key[Attribute.EXTRACTABLE]
        assert key[Attribute.NEVER_EXTRACTABLE]
        with pytest.raises(AttributeSensitive):
            key[Attribute.VALUE]
        (wrapping,) = keys.search(ObjectClass.SECRET_KEY, "K_PVV/1")
        with pytest.raises(KeyUnextractable):
            wrapping.wrap_key(key, mechanism=Mechanism.AES_KEY_WRAP)

    token.run(look)


USES = {
    Attribute.ENCRYPT: MechanismFlag.ENCRYPT,
    Attribute.DECRYPT: MechanismFlag.DECRYPT,
    Attribute.SIGN: MechanismFlag.SIGN,
    Attribute.WRAP: MechanismFlag.WRAP,
    Attribute.UNWRAP: MechanismFlag.UNWRAP,
    Attribute.DERIVE: MechanismFlag.DERIVE,
}


@pytest.mark.parametrize("spec", KEYS, ids=lambda spec: spec.label)
def test_a_key_serves_its_own_purpose_only(token: Token, spec: KeySpec) -> None:
    possible = set(USES) - ({Attribute.ENCRYPT, Attribute.WRAP} if spec.is_pair else set())

    def look(keys: KeySession) -> set[Attribute]:
        (key,) = keys.search(kind_of(spec), spec.label)
        return {use for use in possible if key[use]}

    assert token.run(look) == {use for use in possible if USES[use] & spec.use}


def test_no_right_can_be_added_to_a_key(installed: Path) -> None:
    token = open_token(installed, PIN, writable=True)

    def change(keys: KeySession) -> None:
        (key,) = keys.search(ObjectClass.SECRET_KEY, "K_DB/1")
        for attribute in (Attribute.WRAP, Attribute.EXTRACTABLE):
            with pytest.raises(PKCS11Error):
                key[attribute] = True
        with pytest.raises(PKCS11Error):
            key.copy({Attribute.EXTRACTABLE: True})

    token.run(change)
    token.close()


def test_the_backends_session_makes_no_stored_objects(token: Token) -> None:
    with pytest.raises(HsmRefused):
        make_key(token, KeySpec("K_NEW", KeyType.AES, MechanismFlag.ENCRYPT))


def test_provisioning_again_changes_nothing(installed: Path, token: Token) -> None:
    sealed = Hsm(token).seal_data_key(1, 1, b"", b"secret")
    token.close()
    before = sorted(path.name for path in (installed / "hsm" / "tokens").rglob("*.object"))
    provision(installed, PIN)
    assert sorted(p.name for p in (installed / "hsm" / "tokens").rglob("*.object")) == before
    assert Hsm(open_token(installed, PIN)).open_data_key(1, 1, b"", sealed) == b"secret"


def test_everything_is_readable_by_its_owner_only(installed: Path) -> None:
    for path in (installed / "hsm").rglob("*"):
        if path.is_file():
            assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path.name


def test_a_creation_that_was_interrupted_starts_again(tmp_path: Path) -> None:
    debris = tmp_path / "hsm" / "new" / "tokens" / "half"
    debris.mkdir(parents=True)
    (debris / "token.object").write_bytes(b"half")
    provision(tmp_path, PIN)
    open_token(tmp_path, PIN).heartbeat()
    assert not (tmp_path / "hsm" / "new").exists()


def test_a_lost_token_is_not_replaced_by_one_with_other_keys(tmp_path: Path) -> None:
    provision(tmp_path, PIN)
    (tmp_path / "hsm" / "tokens").rename(tmp_path / "lost")
    with pytest.raises(HsmUnavailable, match="restore"):
        provision(tmp_path, PIN)
    (tmp_path / "lost").rename(tmp_path / "hsm" / "tokens")
    provision(tmp_path, PIN)


def test_a_copy_of_the_folder_is_a_back_up(tmp_path: Path, installed: Path, token: Token) -> None:
    sealed = Hsm(token).seal_data_key(1, 1, b"", b"secret")
    subprocess.run(["cp", "-a", installed / "hsm", tmp_path / "hsm"], check=True)
    restored = open_token(tmp_path, PIN)
    assert Hsm(restored).open_data_key(1, 1, b"", sealed) == b"secret"
    restored.close()


def test_a_next_generation_stands_beside_the_first(tmp_path: Path) -> None:
    provision(tmp_path, PIN)
    token = open_token(tmp_path, PIN, writable=True)
    hsm = Hsm(token)
    sealed = hsm.seal_data_key(1, 1, b"", b"secret")
    make_key(token, next_generation(KEYS[0]))
    assert hsm.open_data_key(2, 1, b"", hsm.seal_data_key(2, 1, b"", b"new")) == b"new"
    assert hsm.open_data_key(1, 1, b"", sealed) == b"secret"
    with pytest.raises(HsmRefused):
        hsm.open_data_key(2, 1, b"", sealed)


def test_a_key_that_could_be_read_out_is_noticed(tmp_path: Path) -> None:
    provision(tmp_path, PIN)
    token = open_token(tmp_path, PIN, writable=True)
    assert weaknesses(token) == []
    token.run(
        lambda keys: keys.pkcs11.generate_key(
            KeyType.AES, 256, label="K_DB/1", store=True, template={Attribute.EXTRACTABLE: True}
        )
    )
    assert weaknesses(token) == ["K_DB/1"]
    with pytest.raises(HsmUnavailable, match="K_DB/1"):
        provision(tmp_path, PIN)


def test_the_module_is_found_or_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SOFTHSM2_MODULE", raising=False)
    system = find_module(tmp_path)
    assert system.is_file()
    unpacked = tmp_path / "system/usr/lib/any-linux-gnu/softhsm/libsofthsm2.so"
    unpacked.parent.mkdir(parents=True)
    unpacked.write_bytes(b"")
    monkeypatch.setattr("adapters.hsm.softhsm._ROOT", tmp_path / "nowhere")
    assert find_module(tmp_path) == unpacked
    assert find_module(tmp_path, system) == system
    monkeypatch.setenv("SOFTHSM2_MODULE", str(system))
    assert find_module(tmp_path) == system
    with pytest.raises(HsmUnavailable, match="no PKCS#11 module"):
        find_module(tmp_path, tmp_path / "absent.so")


def test_no_program_is_started_whose_arguments_would_show_a_pin(tmp_path: Path) -> None:
    source = "import sys; from pathlib import Path; from adapters.hsm.provision import provision; "
    source += "import subprocess; subprocess.Popen = None; "
    source += f"provision(Path(sys.argv[1]), {PIN!r})"
    subprocess.run([sys.executable, "-c", source, tmp_path], check=True, timeout=60)
