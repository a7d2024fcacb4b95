"""Settings: where they come from, who wins, and what is said of a bad one."""

import json
from pathlib import Path

import pytest

from adapters import settings
from adapters.settings import SettingsError


def test_defaults_need_no_file_and_no_environment(tmp_path: Path) -> None:
    found = settings.load({}, home=tmp_path)
    assert (found.gateway_port, found.backend_port, found.website_port) == (7300, 7301, 7380)
    assert found.checkpoints == tmp_path / "checkpoints"
    assert found.ledger_dsn is None


def test_the_home_comes_from_the_caller_then_the_environment_then_var(tmp_path: Path) -> None:
    environment = {"TICKETRESTAURANT_HOME": str(tmp_path / "one")}
    assert settings.load(environment).home == tmp_path / "one"
    assert settings.load(environment, home=tmp_path / "two").home == tmp_path / "two"
    assert settings.load({}).home == Path.cwd() / "var"


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    _write(tmp_path, {"issuer_name": "From the file", "gateway_port": 8000})
    found = settings.load({"TICKETRESTAURANT_GATEWAY_PORT": "9000"}, home=tmp_path)
    assert (found.issuer_name, found.gateway_port) == ("From the file", 9000)


def test_a_password_in_an_address_is_not_repeated(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as said:
        settings.load({"TICKETRESTAURANT_PUBLISH_URLS": "https://me:s3cret@a/"}, home=tmp_path)
    assert "s3cret" not in str(said.value)


def test_a_port_base_moves_all_ports_but_those_that_are_named(tmp_path: Path) -> None:
    found = settings.load(
        {"TICKETRESTAURANT_WEBSITE_PORT": "8080", "TICKETRESTAURANT_PORT_BASE": "9300"},
        home=tmp_path,
    )
    assert (found.gateway_port, found.backend_port, found.website_port) == (9300, 9301, 8080)


def test_lists_are_separated_by_commas_in_the_environment(tmp_path: Path) -> None:
    found = settings.load(
        {"TICKETRESTAURANT_GATEWAY_DENY_ADDRESSES": "192.0.2.0/24, ::1"}, home=tmp_path
    )
    assert found.gateway_deny_addresses == ("192.0.2.0/24", "::1")


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("GATEWAY_PORT", "http", "GATEWAY_PORT is 'http': a whole number from 1 to 65535"),
        ("GATEWAY_PORT", "0", "a whole number from 1 to 65535"),
        ("GATEWAY_PORT", "65536", "a whole number from 1 to 65535"),
        ("GATEWAY_PORT", "²", "a whole number from 1 to 65535"),
        ("PORT_BASE", "65500", "a whole number from 1 to 65455"),
        ("GATEWAY_PORT", "7301", "two servers cannot share a port"),
        ("PKCS11_MODULE", "lib/softhsm.so", "an absolute path is needed"),
        ("LOG_MAX_BYTES", "-1", "a whole number from 1"),
        ("GATWAY_PORT", "1", "GATWAY_PORT: there is no such setting"),
        ("PUBLISH_URLS", "http://example.com/", "addresses like https://example.com/path"),
        ("PUBLISH_URLS", "https:///x", "addresses like https://example.com/path"),
        ("PUBLISH_URLS", "https://a/,ftp://b/", "addresses like https://example.com/path"),
        ("PUBLISH_URLS", "https://a:99999/", "Port out of range"),
        ("PUBLISH_URLS", "https://a/x y", "addresses like https://example.com/path"),
        ("PUBLISH_URLS", "https://me:pass@a/", "must not hold a password"),
        ("PUBLISH_METHOD", "GET", "PUT or POST is needed"),
        ("PUBLISH_FOLDER", "elsewhere", "an absolute path is needed"),
    ],
)
def test_a_bad_value_is_named_with_what_is_needed(
    tmp_path: Path, name: str, value: str, said: str
) -> None:
    with pytest.raises(SettingsError) as error:
        settings.load({"TICKETRESTAURANT_" + name: value}, home=tmp_path)
    assert said in str(error.value)


@pytest.mark.parametrize("text", ["{", "[]", '{"gateway_port": true}', '{"gateway_port": 1.5}'])
def test_a_bad_file_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "settings.json").write_text(text)
    with pytest.raises(SettingsError, match=r"settings\.json"):
        settings.load({}, home=tmp_path)


def test_a_pin_does_not_belong_into_the_file(tmp_path: Path) -> None:
    _write(tmp_path, {"hsm_pin": "123456"})
    with pytest.raises(SettingsError) as error:
        settings.load({}, home=tmp_path)
    assert "123456" not in str(error.value)


def test_secrets_are_not_shown(tmp_path: Path) -> None:
    found = settings.load(
        {
            "TICKETRESTAURANT_HSM_PIN": "271828",
            "TICKETRESTAURANT_LEDGER_DSN": "host=db password=swordfish",
        },
        home=tmp_path,
    )
    assert found.hsm_pin == "271828"
    assert "271828" not in repr(found)
    assert "swordfish" not in repr(found)
    with pytest.raises(SettingsError) as error:
        settings.load({"TICKETRESTAURANT_LEDGER_DSN": "password=swordfish\0"}, home=tmp_path)
    assert "swordfish" not in str(error.value)


def test_a_new_port_base_in_the_file_replaces_single_ports_and_keeps_the_rest(
    tmp_path: Path,
) -> None:
    _write(tmp_path, {"issuer_name": "Kept", "backend_port": 8001})
    text = settings.file_with(tmp_path, {"port_base": 9300})
    assert json.loads(text) == {"issuer_name": "Kept", "port_base": 9300}
    with pytest.raises(SettingsError):
        settings.file_with(tmp_path, {"port_base": 0})


def _write(home: Path, values: dict[str, object]) -> None:
    (home / "settings.json").write_text(json.dumps(values))
