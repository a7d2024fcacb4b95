"""The token as an encrypted file: whole and its own, or not at all; never a key without the PIN."""

import shutil
import subprocess
from collections.abc import Callable
from json import loads
from pathlib import Path

import pyrage
import pytest

from adapters import hsm_choice
from adapters.cli import exit_codes
from adapters.cli.parts import environment, program
from adapters.hsm.keys import Hsm
from adapters.hsm.softhsm import find_module
from adapters.settings import PREFIX, Settings
from tests.integration.hsm import tokens
from tests.integration.hsm.tokens import CARD_KEY

PASSPHRASE = "correct horse battery"
Run = Callable[..., "subprocess.CompletedProcess[str]"]


def run(home: Path, *arguments: str, **more: str) -> "subprocess.CompletedProcess[str]":
    clean = {
        name: text
        for name, text in environment(Settings(home=home)).items()
        if not name.startswith(PREFIX)
    }
    return subprocess.run(
        program("--home", str(home), "hsm", *arguments),
        env={**clean, **more},
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A state folder with a token, and what it sealed."""
    found = tmp_path / "home"
    (found / "secrets").mkdir(parents=True)
    hsm_choice.provision_token(Settings(home=found))
    token = hsm_choice.open_token(Settings(home=found))
    (tmp_path / "sealed").write_bytes(Hsm(token).seal_data_key(1, 7, b"", b"the ledger's"))
    token.close()
    return found


@pytest.fixture
def words(tmp_path: Path) -> str:
    path = tmp_path / "passphrase"
    path.write_text(PASSPHRASE + "\n")
    return str(path)


def opens(home: Path, sealed: Path) -> bool:
    """Whether the token of that folder opens what the first one sealed."""
    token = hsm_choice.open_token(Settings(home=home))
    try:
        return Hsm(token).open_data_key(1, 7, b"", sealed.read_bytes()) == b"the ledger's"
    finally:
        token.close()


def another(home: Path, tmp_path: Path) -> Path:
    """A state folder with the PIN and without a token."""
    other = tmp_path / "other"
    (other / "secrets").mkdir(parents=True)
    shutil.copy(home / "secrets" / "hsm-pin", other / "secrets" / "hsm-pin")
    return other


def test_it_comes_back_in_another_home_under_the_passphrase(
    home: Path, words: str, tmp_path: Path
) -> None:
    file = tmp_path / "token.age"
    made = run(home, "backup", str(file), "--passphrase-file", words, "--json")
    assert made.returncode == 0, made.stderr
    serial = (home / "hsm" / "serial").read_text().strip()
    assert loads(made.stdout)["serial"] == serial
    assert file.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in home.iterdir() if path.name.startswith("hsm-")] == []
    other = another(home, tmp_path)
    done = run(other, "restore", str(file), "--passphrase-file", words, "--json")
    assert done.returncode == 0, done.stderr
    told = loads(done.stdout)
    assert (told["serial"], told["keys_checked"]) == (serial, True)
    assert opens(other, tmp_path / "sealed")


def test_it_opens_for_its_recipients_and_for_nobody_else(home: Path, tmp_path: Path) -> None:
    one, two, stranger = (pyrage.x25519.Identity.generate() for _ in range(3))
    file = tmp_path / "token.age"
    to = [f"--recipient={each.to_public()}" for each in (one, two)]
    assert run(home, "backup", str(file), *to).returncode == 0
    other = another(home, tmp_path)
    for name, key in (("stranger", stranger), ("two", two)):
        path = tmp_path / name
        path.write_text(f"# made by age-keygen\n{key}\n")
        done = run(other, "restore", str(file), "--identity", str(path))
        if name == "stranger":
            assert done.returncode == exit_codes.REFUSED
            assert not (other / "hsm" / "tokens").exists()
        else:
            assert done.returncode == 0, done.stderr
    assert opens(other, tmp_path / "sealed")


def test_the_file_alone_gives_no_key(home: Path, words: str, tmp_path: Path) -> None:
    """Also for whoever has the passphrase: the PIN is not in it, and SoftHSM wants it."""
    file = tmp_path / "token.age"
    assert run(home, "backup", str(file), "--passphrase-file", words).returncode == 0
    sealed = file.read_bytes()
    plain = pyrage.passphrase.decrypt(sealed, PASSPHRASE)
    pin = (home / "secrets" / "hsm-pin").read_bytes().strip()
    serial = (home / "hsm" / "serial").read_bytes().strip()
    for bytes_ in (sealed, plain):
        assert pin not in bytes_
    assert serial not in sealed
    assert serial in plain
    other = tmp_path / "other"
    done = run(other, "restore", str(file), "--passphrase-file", words)
    assert done.returncode == 0
    assert "Its PIN is not here" in done.stderr
    done = run(home, "restore", str(file), "--passphrase-file", words)
    assert done.returncode == exit_codes.REFUSED  # there is one already


@pytest.mark.parametrize("damage", ["cut", "bit", "empty", "text", "none"])
def test_a_damaged_file_changes_nothing(
    damage: str, home: Path, words: str, tmp_path: Path
) -> None:
    file = tmp_path / "token.age"
    assert run(home, "backup", str(file), "--passphrase-file", words).returncode == 0
    whole = file.read_bytes()
    if damage == "none":
        file.unlink()
    else:
        bit = bytes([whole[-9] ^ 1])
        file.write_bytes({
            "cut": whole[: len(whole) // 2], "bit": whole[:-9] + bit + whole[-8:],
            "empty": b"", "text": b"not an age file\n" * 100,
        }[damage])  # fmt: skip
    other = another(home, tmp_path)
    done = run(other, "restore", str(file), "--passphrase-file", words)
    assert done.returncode in (exit_codes.REFUSED, exit_codes.CONFIGURATION), done.stderr
    assert "Traceback" not in done.stderr
    assert not (other / "hsm").exists()


def test_well_encrypted_rubbish_is_refused(home: Path, words: str, tmp_path: Path) -> None:
    file = tmp_path / "token.age"
    file.write_bytes(pyrage.passphrase.encrypt(b"no archive", PASSPHRASE))
    done = run(another(home, tmp_path), "restore", str(file), "--passphrase-file", words)
    assert done.returncode == exit_codes.INTEGRITY_BROKEN
    assert "no usable back-up of a token" in done.stderr


def test_an_installation_takes_back_its_own_token_only(
    home: Path, words: str, tmp_path: Path
) -> None:
    file = tmp_path / "token.age"
    assert run(home, "backup", str(file), "--passphrase-file", words).returncode == 0
    other = tmp_path / "other"
    (other / "secrets").mkdir(parents=True)
    hsm_choice.provision_token(Settings(home=other))
    (other / "hsm" / "tokens").rename(other / "lost")
    done = run(other, "restore", str(file), "--passphrase-file", words)
    assert done.returncode == exit_codes.REFUSED
    assert "was made with token" in done.stderr
    (home / "hsm" / "tokens").rename(home / "lost")
    done = run(home, "restore", str(file), "--passphrase-file", words)
    assert done.returncode == 0, done.stderr
    assert opens(home, tmp_path / "sealed")


def test_what_is_asked_wrongly_is_named(home: Path, words: str, tmp_path: Path) -> None:
    file = str(tmp_path / "token.age")
    short = tmp_path / "short"
    short.write_text("12345")
    assert run(home, "backup", file, "--passphrase-file", str(short)).returncode == 1
    assert run(home, "backup", file, "--recipient", "bob").returncode == exit_codes.USAGE
    both = ("--recipient", str(pyrage.x25519.Identity.generate().to_public()))
    assert run(home, "backup", file, "--passphrase-file", words, *both).returncode == 2
    assert run(home, "backup", words, "--passphrase-file", words).returncode == 1
    assert run(tmp_path / "nowhere", "backup", file, "--passphrase-file", words).returncode == 5
    assert not Path(file).exists()


def test_the_keys_of_another_hsm_are_for_its_makers_tools(home: Path, tmp_path: Path) -> None:
    more = {
        PREFIX + "HSM_PROVIDER": "network",
        PREFIX + "PKCS11_MODULE": str(find_module(home)),
        PREFIX + "HSM_PIN": "1",
    }
    for command in ("backup", "restore"):
        done = run(home, command, str(tmp_path / "token.age"), **more)
        assert done.returncode == exit_codes.REFUSED
        assert "maker's tools" in done.stderr


def test_a_card_rooted_token_comes_with_its_sealed_pin(
    words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    card = tokens.make(tmp_path / "card", "card", "4321", CARD_KEY)
    monkeypatch.setenv("SOFTHSM2_CONF", card.environment["SOFTHSM2_CONF"])
    given = {
        "HSM_PROVIDER": "card",
        "HSM_CARD_MODULE": str(card.module),
        "HSM_CARD_TOKEN": card.label,
        "HSM_CARD_PIN": "4321",
    }
    more = {PREFIX + name: text for name, text in given.items()} | {
        "SOFTHSM2_CONF": card.environment["SOFTHSM2_CONF"]
    }
    first = tmp_path / "first"
    (first / "secrets").mkdir(parents=True)
    settings = Settings(
        home=first, hsm_provider="card", hsm_card_module=card.module,
        hsm_card_token=card.label, hsm_card_pin="4321",
    )  # fmt: skip
    hsm_choice.provision_token(settings)
    file = str(tmp_path / "token.age")
    assert run(first, "backup", file, "--passphrase-file", words, **more).returncode == 0
    second = tmp_path / "second"
    done = run(second, "restore", file, "--passphrase-file", words, "--json", **more)
    assert done.returncode == 0, done.stderr
    assert loads(done.stdout)["keys_checked"]
    card.take_away()
    third = run(tmp_path / "third", "restore", file, "--passphrase-file", words, **more)
    assert third.returncode == exit_codes.CONFIGURATION
    assert "smart card" in third.stderr
