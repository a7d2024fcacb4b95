"""The one place for settings: defaults, <home>/settings.json, then TICKETRESTAURANT_* variables.

Everything else is told what it needs by the composition root and reads no environment. A setting
`gateway_port` is `"gateway_port": 7300` in the file and `TICKETRESTAURANT_GATEWAY_PORT=7300` in the
environment; lists are JSON lists in the file and separated by commas in the environment.
"""

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Final

PREFIX: Final = "TICKETRESTAURANT_"
DEFAULT_PORT_BASE: Final = 7300
# Ports of the three servers as distances from the base.
_PORTS: Final = {"gateway_port": 0, "backend_port": 1, "website_port": 80}
_FILE: Final = "settings.json"
# Never in the file: a PIN beside the token that it opens protects nothing.
_ENVIRONMENT_ONLY: Final = frozenset({"home", "hsm_pin", "hsm_card_pin"})
# Whole numbers that have a meaning in this range only.
_RANGES: Final = {
    "hsm_threads": (1, 256),
    "hsm_slot": (0, 2**64 - 1),
    "hsm_simulated_delay_ms": (0, 1_000),
}


class SettingsError(Exception):
    """A setting has no usable value: the message names it, its source and what is needed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What one installation is told. Absolute paths; None means: the built-in part is used."""

    home: Path
    """The state folder: everything that the system writes lies under it."""

    issuer_name: str = "TicketRestaurant US"

    # Where the servers listen. Whoever sets another host than loopback means to be reached.
    gateway_host: str = "127.0.0.1"
    gateway_port: int = DEFAULT_PORT_BASE + _PORTS["gateway_port"]
    backend_host: str = "127.0.0.1"
    backend_port: int = DEFAULT_PORT_BASE + _PORTS["backend_port"]
    website_host: str = "127.0.0.1"
    website_port: int = DEFAULT_PORT_BASE + _PORTS["website_port"]

    # Networks in CIDR form; fingerprints are JA4 texts or SHA-256 of a certificate in hex.
    gateway_allow_addresses: tuple[str, ...] = ()
    gateway_deny_addresses: tuple[str, ...] = ()
    gateway_allow_fingerprints: tuple[str, ...] = ()
    gateway_deny_fingerprints: tuple[str, ...] = ()

    website_url: str = ""
    """What people type, where a proxy stands before the website."""
    website_trusted_proxies: str = ""
    """Addresses, separated by commas, whose X-Forwarded-For is believed."""

    # Databases of one's own instead of the embedded ones (PostgreSQL 15 or newer), as libpq
    # connection strings. The owner's is used by migrations alone.
    ledger_dsn: str | None = field(default=None, repr=False)
    ledger_owner_dsn: str | None = field(default=None, repr=False)
    ledger_auditor_dsn: str | None = field(default=None, repr=False)
    website_dsn: str | None = field(default=None, repr=False)

    # The HSM; which settings go together is in adapters/hsm_choice.py and TR-BEFS section 9.
    hsm_provider: str = "software"
    """`software`, `card` (software, its PIN sealed to a smart card), `own` or `network`."""
    pkcs11_module: Path | None = None
    """The maker's PKCS#11 module of an own or network HSM; else where SoftHSM's module is."""
    hsm_token: str = "ticketrestaurant"  # noqa: S105 - a label
    hsm_slot: int | None = None
    """The slot of the token, where the label is not enough to find it."""
    hsm_threads: int | None = None
    """Calls to the HSM at a time; by default 4 for software, 8 for an own, 32 for a network HSM."""
    hsm_pin_file: Path | None = None
    """Where the PIN of the HSM lies; by default <home>/secrets/hsm-pin, which suits a demo only."""
    hsm_pin: str | None = field(default=None, repr=False)
    """The PIN itself, by the environment of the backend's service manager only."""

    # The smart card of provider `card`: the module of its maker, its token, its P-256 key, its PIN.
    hsm_card_module: Path | None = None
    hsm_card_token: str = ""
    hsm_card_key: str = "ticketrestaurant"
    hsm_card_pin_file: Path | None = None
    hsm_card_pin: str | None = field(default=None, repr=False)

    hsm_simulated_delay_ms: int = 0
    """For measurements: every call to the software token takes so much longer. Never in service."""

    checkpoint_folder: Path | None = None
    """Where signed checkpoints of the log go; by default <home>/checkpoints. Better: elsewhere."""

    log_max_bytes: int = 10_000_000
    log_files: int = 3

    @property
    def checkpoints(self) -> Path:
        """The folder of the checkpoints."""
        return self.checkpoint_folder or self.home / "checkpoints"

    @property
    def secrets(self) -> Path:
        """The folder of passwords and of the demo's HSM PIN."""
        return self.home / "secrets"

    @property
    def logs(self) -> Path:
        """The folder of the servers' logs."""
        return self.home / "logs"

    @property
    def run(self) -> Path:
        """The folder of what is true only while servers run."""
        return self.home / "run"


def load(environment: Mapping[str, str] | None = None, home: Path | None = None) -> Settings:
    """The settings in force. `home` wins over TICKETRESTAURANT_HOME, which wins over ./var.

    Raises SettingsError for an unknown name, a bad value or an unreadable file.
    """
    environment = os.environ if environment is None else environment
    chosen = home or Path(environment.get(PREFIX + "HOME") or "var")
    try:
        chosen = chosen.expanduser().absolute()
    except RuntimeError as error:
        raise SettingsError(f"{PREFIX}HOME={chosen}: {error}") from None
    values: dict[str, Any] = {"home": chosen}
    for source in (_from_file(chosen / _FILE), _from_environment(environment)):
        values |= source
    settings = Settings(**values)
    _check_ports_differ(settings)
    return settings


def file_with(home: Path, changes: Mapping[str, Any]) -> str:
    """The text of <home>/settings.json with some settings changed. Raises SettingsError."""
    kept = _read(home / _FILE)
    if "port_base" in changes:
        kept = {name: value for name, value in kept.items() if name not in _PORTS}
    kept |= changes
    _convert_all(kept, "settings.json: ")
    return json.dumps(kept, indent=2, sort_keys=True) + "\n"


def _from_file(path: Path) -> dict[str, Any]:
    values = _read(path)
    for name in _ENVIRONMENT_ONLY & values.keys():
        raise SettingsError(f"{path}: {name} cannot stand in the file, only in {PREFIX}…")
    return _convert_all(values, f"{path}: ")


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_bytes())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise SettingsError(f"{path}: cannot be read: {error}") from None
    if not isinstance(found, dict):
        raise SettingsError(f"{path}: a JSON object is needed")
    return found


def _from_environment(environment: Mapping[str, str]) -> dict[str, Any]:
    values = {
        name.removeprefix(PREFIX).lower(): text
        for name, text in environment.items()
        if name.startswith(PREFIX) and text and not name.startswith(PREFIX + "TEST_")
    }
    values.pop("home", None)
    return _convert_all(values, PREFIX, show=str.upper)


def _convert_all(
    values: Mapping[str, Any], source: str, show: Callable[[str], str] = str
) -> dict[str, Any]:
    """Each value as its setting wants it; `port_base` becomes the ports that are not named."""
    known = _converters()
    found: dict[str, Any] = {}
    for name, value in sorted(values.items(), key=lambda item: item[0] != "port_base"):
        if name != "port_base" and name not in known:
            raise SettingsError(f"{source}{show(name)}: there is no such setting")
        try:
            if name == "port_base":
                base = _port_base(value)
                found |= {port: base + distance for port, distance in _PORTS.items()}
            else:
                found[name] = known[name](value)
        except ValueError as error:
            shown = "" if name.endswith(("_dsn", "_pin")) else f" is {value!r}:"
            raise SettingsError(f"{source}{show(name)}{shown} {error}") from None
    return found


def _converters() -> dict[str, Callable[[Any], Any]]:
    by_type: dict[Any, Callable[[Any], Any]] = {
        int: _positive,
        str: _text,
        str | None: _text,
        tuple[str, ...]: _texts,
        Path | None: _path,
    }
    return {
        each.name: _converter(each.name, each.type, by_type)
        for each in fields(Settings)
        if each.name != "home"
    }


def _converter(
    name: str, type_: Any, by_type: Mapping[Any, Callable[[Any], Any]]
) -> Callable[[Any], Any]:
    if name.endswith("_port"):
        return _port
    if name in _RANGES:
        return lambda value: _whole(value, *_RANGES[name])
    return by_type[type_]


def _text(value: Any) -> str:
    if not isinstance(value, str) or "\0" in value:
        raise ValueError("a text is needed")
    return value


def _texts(value: Any) -> tuple[str, ...]:
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    if isinstance(value, list) and all(isinstance(part, str) for part in value):
        return tuple(value)
    raise ValueError("a list of texts is needed")


def _path(value: Any) -> Path:
    path = Path(_text(value)).expanduser()
    if not path.is_absolute():
        raise ValueError("an absolute path is needed")
    return path


def _whole(value: Any, least: int, most: int) -> int:
    number = int(value) if isinstance(value, str) and value.isascii() and value.isdigit() else value
    if type(number) is not int or not least <= number <= most:
        raise ValueError(f"a whole number from {least} to {most} is needed")
    return number


def _positive(value: Any) -> int:
    return _whole(value, 1, 2**40)


def _port(value: Any) -> int:
    return _whole(value, 1, 65_535)


def _port_base(value: Any) -> int:
    return _whole(value, 1, 65_535 - max(_PORTS.values()))


def _check_ports_differ(settings: Settings) -> None:
    ports = [getattr(settings, name) for name in _PORTS]
    if len(set(ports)) != len(ports):
        pairs = ", ".join(f"{name} {getattr(settings, name)}" for name in _PORTS)
        raise SettingsError(f"two servers cannot share a port: {pairs}")
