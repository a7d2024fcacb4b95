"""The four providers, each from its settings to signatures; and what contradicts is named."""

import json
import os
import shutil
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from adapters import hsm_choice
from adapters.hsm import sealed_pin
from adapters.hsm.card import Card
from adapters.hsm.keys import Hsm
from adapters.hsm.softhsm import find_module
from adapters.hsm.token import HsmUnavailable, PinRefused, Token
from adapters.settings import Settings, SettingsError
from tests.integration.hsm import tokens
from tests.integration.hsm.tokens import CARD_KEY, Foreign

CARD_PIN = "4321"
GONE_S = 2.0


def works(token: Token) -> bool:
    """Whether it seals, opens and signs."""
    hsm = Hsm(token)
    sealed = hsm.seal_data_key(1, 7, b"", b"secret")
    hsm.log_public_key().verify(hsm.sign_log(b"note"), b"note")
    return hsm.open_data_key(1, 7, b"", sealed) == b"secret"


def test_software_is_the_default_and_needs_no_setting(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    (tmp_path / "secrets").mkdir()
    hsm_choice.provision_token(settings)
    token = hsm_choice.open_token(settings)
    assert works(token)
    assert hsm_choice.pin_lies_beside_the_token(settings)
    assert (tmp_path / "secrets" / "hsm-pin").stat().st_mode & 0o777 == 0o600
    token.close()


@pytest.mark.parametrize("provider", [hsm_choice.OWN, hsm_choice.NETWORK])
def test_an_own_or_network_hsm_is_a_module_a_token_and_its_pin(
    provider: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = tokens.make(tmp_path / "rack", "meals 7", "hsm's own")
    monkeypatch.setenv("SOFTHSM2_CONF", made.environment["SOFTHSM2_CONF"])
    # The maker's module lies elsewhere and has another name.
    module = Path(shutil.copy(made.module, tmp_path / "libmaker-pkcs11.so"))
    settings = Settings(
        home=tmp_path / "home",
        hsm_provider=provider,
        pkcs11_module=module,
        hsm_token="meals 7",
        hsm_pin="hsm's own",
    )
    hsm_choice.provision_token(settings)
    token = hsm_choice.open_token(settings)
    assert works(token)
    assert (token.label, token.module) == ("meals 7", "SoftHSM Implementation of PKCS11")
    assert not (tmp_path / "home" / "hsm").exists()  # nothing of it is ours
    slot = token.slot_id
    token.close()
    assert works(hsm_choice.open_token(replace(settings, hsm_slot=slot)))
    with pytest.raises(HsmUnavailable):
        hsm_choice.open_token(replace(settings, hsm_slot=slot + 1))
    with pytest.raises(HsmUnavailable):
        hsm_choice.open_token(replace(settings, hsm_token="meals 8"))
    with pytest.raises(HsmUnavailable, match="PIN"):
        hsm_choice.open_token(replace(settings, hsm_pin="wrong"))


@pytest.fixture
def card(tmp_path: Path) -> Foreign:
    return tokens.make(tmp_path / "card", "card of the house", CARD_PIN, CARD_KEY)


@pytest.fixture
def rooted(card: Foreign, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings whose token is made, its PIN sealed to the card."""
    monkeypatch.setenv("SOFTHSM2_CONF", card.environment["SOFTHSM2_CONF"])
    settings = Settings(
        home=tmp_path / "home",
        hsm_provider=hsm_choice.CARD,
        hsm_card_module=card.module,
        hsm_card_token=card.label,
        hsm_card_pin=CARD_PIN,
    )
    settings.secrets.mkdir(parents=True)
    hsm_choice.provision_token(settings)
    return settings


def test_the_pin_of_a_card_rooted_token_is_nowhere_in_clear(
    rooted: Settings, card: Foreign
) -> None:
    token = hsm_choice.open_token(rooted)
    assert works(token)
    found = [each.name for each in rooted.secrets.iterdir()]
    assert found == [hsm_choice.SEALED_PIN]
    agent = Card(card.module, card.label, CARD_KEY, CARD_PIN, card.environment)
    pin = sealed_pin.read(rooted.secrets / hsm_choice.SEALED_PIN, agent.shared_secret)
    for path in (path for path in rooted.home.rglob("*") if path.is_file()):
        assert pin.encode() not in path.read_bytes(), path
    agent.close()
    token.close()
    hsm_choice.provision_token(rooted)  # `init` again changes nothing
    assert works(hsm_choice.open_token(rooted))


def test_without_the_card_nothing_starts_and_it_is_said(rooted: Settings, card: Foreign) -> None:
    card.take_away()
    with pytest.raises(HsmUnavailable, match="smart card card of the house: is not there"):
        hsm_choice.open_token(rooted)
    card.bring_back()
    assert works(hsm_choice.open_token(rooted))


def test_a_card_that_is_drawn_out_takes_the_token_with_it_until_it_returns(
    rooted: Settings, card: Foreign
) -> None:
    token = hsm_choice.open_token(rooted)
    for _ in range(2):
        token.heartbeat()
        card.take_away()
        gone_s = time.monotonic()
        with pytest.raises(HsmUnavailable, match="smart card"):
            token.heartbeat()
        assert time.monotonic() - gone_s < GONE_S
        with pytest.raises(HsmUnavailable):  # it is logged out: nobody gets anything
            Hsm(token).index("pan", "1")
        time.sleep(0.2)
        card.bring_back()
        token.heartbeat()
        assert works(token)


def test_another_card_of_the_same_name_does_not_do(
    rooted: Settings, card: Foreign, tmp_path: Path
) -> None:
    token = hsm_choice.open_token(rooted)
    other = tokens.make(tmp_path / "other", card.label, CARD_PIN, CARD_KEY)
    card.take_away()
    shutil.copytree(other.folder / "tokens", card.folder / "tokens")
    with pytest.raises(HsmUnavailable, match="another smart card"):
        token.heartbeat()
    with pytest.raises(HsmUnavailable, match="sealed to another card"):
        hsm_choice.open_token(rooted)
    shutil.rmtree(card.folder / "tokens")
    card.bring_back()
    token.heartbeat()


def test_a_wrong_card_pin_is_tried_once_by_a_process(rooted: Settings, card: Foreign) -> None:
    agent = Card(card.module, card.label, CARD_KEY, "wrong", card.environment)
    for _ in range(3):
        with pytest.raises(PinRefused, match="refuses the PIN"):
            agent.public_key()
    agent.close()


def test_a_card_driver_that_crashes_or_hangs_is_an_absent_card(
    rooted: Settings, card: Foreign, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent = Card(card.module, card.label, CARD_KEY, CARD_PIN, card.environment)
    key = agent.public_key()
    agent.check(key)
    process = agent._agent
    assert process is not None
    os.kill(process.pid, 19)  # SIGSTOP: it says nothing any more
    begin = time.monotonic()
    with pytest.raises(HsmUnavailable, match="does not answer"):
        agent.check(key)
    assert time.monotonic() - begin < GONE_S
    agent.check(key)  # by a new process
    process = agent._agent
    assert process is not None
    process.kill()
    process.wait()
    agent.check(key)
    agent.close()


def test_the_card_process_ends_with_its_parent(card: Foreign) -> None:
    source = (
        "import sys, os; from pathlib import Path; from adapters.hsm.card import Card\n"
        "card = Card(Path(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4], os.environ)\n"
        "card.public_key(); print(card._agent.pid, flush=True); os._exit(0)"
    )
    arguments = [str(card.module), card.label, CARD_KEY, CARD_PIN]
    done = subprocess.run(
        [sys.executable, "-c", source, *arguments],
        env=card.environment, check=True, capture_output=True, text=True, timeout=30,
    )  # fmt: skip
    pid, until = int(done.stdout), time.monotonic() + 5
    while Path(f"/proc/{pid}").exists() and time.monotonic() < until:
        time.sleep(0.05)
    assert not Path(f"/proc/{pid}").exists()


@pytest.mark.parametrize(
    "damage",
    [
        lambda facts: facts | {"box": facts["box"][:-2] + "00"},
        lambda facts: facts | {"nonce": "00"},
        lambda facts: facts | {"ephemeral": "04" + "11" * 64},
        lambda facts: facts | {"version": 2},
        lambda facts: facts | {"box": 7},
        lambda facts: {},
        lambda facts: [],
    ],
)
def test_an_altered_sealed_pin_is_refused(rooted: Settings, card: Foreign, damage: Any) -> None:
    path = rooted.secrets / hsm_choice.SEALED_PIN
    path.write_text(json.dumps(damage(json.loads(path.read_text()))))
    with pytest.raises(HsmUnavailable, match="sealed"):
        hsm_choice.open_token(rooted)


def test_a_lost_sealed_pin_is_not_replaced_under_an_existing_token(rooted: Settings) -> None:
    (rooted.secrets / hsm_choice.SEALED_PIN).unlink()
    with pytest.raises(SettingsError, match="restore that file"):
        hsm_choice.provision_token(rooted)


MODULE = find_module(Path("/nowhere"))
FOREIGN: dict[str, Any] = {"pkcs11_module": MODULE, "hsm_pin": "1"}
A_CARD: dict[str, Any] = {
    "hsm_card_module": MODULE, "hsm_card_token": "t", "hsm_card_pin": "1"
}  # fmt: skip


@pytest.mark.parametrize(
    ("provider", "given", "complaint"),
    [
        ("cloud", {}, "HSM_PROVIDER is 'cloud': use software, card, own, network"),
        ("software", {"pkcs11_module": Path("/usr/lib/libcknfast.so")}, "HSM_PROVIDER to own"),
        ("software", {"hsm_slot": 1}, "HSM_SLOT does not go with"),
        ("software", {"hsm_card_token": "t"}, "HSM_CARD_TOKEN goes with hsm_provider card only"),
        ("own", {"hsm_pin": "1"}, "PKCS11_MODULE is missing"),
        ("own", {**FOREIGN, "pkcs11_module": Path("/nowhere.so")}, "names no file"),
        ("network", {"pkcs11_module": MODULE}, "HSM_PIN_FILE is missing"),
        ("network", {**FOREIGN, "hsm_simulated_delay_ms": 5}, "is for measurements"),
        ("own", {**FOREIGN, "hsm_card_module": MODULE}, "goes with hsm_provider card only"),
        ("card", {}, "HSM_CARD_MODULE is missing"),
        ("card", {**A_CARD, "hsm_card_token": ""}, "HSM_CARD_TOKEN is missing"),
        ("card", {**A_CARD, "hsm_card_pin": None}, "HSM_CARD_PIN_FILE is missing"),
        ("card", {**A_CARD, "hsm_pin": "1"}, "HSM_PIN does not go with hsm_provider card"),
        ("card", {**A_CARD, "hsm_slot": 1}, "HSM_SLOT does not go with"),
    ],
)
def test_settings_that_contradict_each_other_are_named(
    provider: str, given: dict[str, Any], complaint: str, tmp_path: Path
) -> None:
    settings = Settings(home=tmp_path, hsm_provider=provider, **given)
    with pytest.raises(SettingsError) as caught:
        hsm_choice.open_token(settings)
    assert complaint in str(caught.value)
    assert list(tmp_path.iterdir()) == []
