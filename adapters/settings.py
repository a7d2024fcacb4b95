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

from adapters import setting_values

PREFIX: Final = "TICKETRESTAURANT_"
DEFAULT_PORT_BASE: Final = 7300
SANDBOX: Final = "SANDBOX"  # the first word of a sandbox's issuer
# Ports of the three servers, and of their health and metrics, as distances from the base.
_PORTS: Final = {
    "gateway_port": 0,
    "backend_port": 1,
    "gateway_validation_port": 2,
    "website_port": 80,
    "gateway_monitor_port": 10,
    "backend_monitor_port": 11,
    "website_monitor_port": 12,
}
_FILE: Final = "settings.json"
# Never in the file: a PIN beside the token that it opens protects nothing.
_ENVIRONMENT_ONLY: Final = frozenset({"home", "hsm_pin", "hsm_card_pin"})
# Whole numbers that have a meaning in this range only.
_RANGES: Final = {
    "hsm_threads": (1, 256),
    "hsm_slot": (0, 2**64 - 1),
    "hsm_simulated_delay_ms": (0, 1_000),
    "sandbox_clock_ahead_s": (0, 366 * 24 * 3600),
    "refill_alone_most_cents": (0, 2**40),
    "refill_fee_cents": (0, 100_000),
}


class SettingsError(Exception):
    """A setting has no usable value: the message names it, its source and what is needed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What one installation is told. Absolute paths; None means: the built-in part is used."""

    home: Path
    """The state folder: everything that the system writes lies under it."""

    issuer_name: str = "TicketRestaurant US"
    """Who issues the cards; part of every id of the issuer, so never changed after `init`. A name
    that begins with SANDBOX makes the installation a sandbox, for ever."""
    sandbox_clock_ahead_s: int = 0
    """In a sandbox: the backend's clock is so many seconds ahead of the machine's. Only raised."""

    # Where the servers listen
    gateway_host: str = "127.0.0.1"
    """Where devices and operators reach the gateway. Another address than loopback: it is meant."""
    gateway_port: int = DEFAULT_PORT_BASE + _PORTS["gateway_port"]
    """The gateway's port: the base."""
    gateway_validation_port: int = DEFAULT_PORT_BASE + _PORTS["gateway_validation_port"]
    """CRL, OCSP and the authorities' certificates over HTTP, for whoever checks certificates."""
    backend_host: str = "127.0.0.1"
    """Where the gateway reaches the backend; nobody else needs to."""
    backend_port: int = DEFAULT_PORT_BASE + _PORTS["backend_port"]
    """The backend's port: the base and 1."""
    website_host: str = "127.0.0.1"
    """Where the website is reached, by plain HTTP: on loopback, with a proxy for TLS before it."""
    website_port: int = DEFAULT_PORT_BASE + _PORTS["website_port"]
    """The website's port: the base and 80."""

    # Health and metrics, by plain HTTP and without log-in
    monitor_host: str = "127.0.0.1"
    """Where health and metrics of all servers are asked for; keep it on loopback."""
    gateway_monitor_port: int = DEFAULT_PORT_BASE + _PORTS["gateway_monitor_port"]
    """Health and metrics of the gateway: the base and 10."""
    backend_monitor_port: int = DEFAULT_PORT_BASE + _PORTS["backend_monitor_port"]
    """Health and metrics of the backend: the base and 11."""
    website_monitor_port: int = DEFAULT_PORT_BASE + _PORTS["website_monitor_port"]
    """Health and metrics of the website: the base and 12."""

    # Filters of the gateway; an empty allow list allows all, deny wins
    gateway_allow_addresses: tuple[str, ...] = ()
    """Networks (CIDR) from which connections are taken."""
    gateway_deny_addresses: tuple[str, ...] = ()
    """Networks (CIDR) from which none are taken."""
    gateway_allow_fingerprints: tuple[str, ...] = ()
    """JA4 texts of TLS clients, or SHA-256 of certificates in hex, that are let in."""
    gateway_deny_fingerprints: tuple[str, ...] = ()
    """The same, of those that are not."""

    # The website as people reach it
    validation_url: str = ""
    """What certificates say of where CRL and OCSP are found; by default http:// and the gateway's
    host and validation port."""
    website_url: str = ""
    """What people type, where a proxy stands before the website. With https cookies are Secure."""
    website_trusted_proxies: str = ""
    """Addresses, separated by commas, whose X-Forwarded-For is believed."""

    # Databases of one's own instead of the embedded ones: PostgreSQL 15 or newer, as libpq
    # connection strings
    ledger_dsn: str | None = field(default=None, repr=False)
    """The ledger for the backend's role; without it the embedded server is used."""
    ledger_owner_dsn: str | None = field(default=None, repr=False)
    """The same database for the role that owns the tables; used by migrations alone."""
    ledger_auditor_dsn: str | None = field(default=None, repr=False)
    """The same database for the role that may read the events; used by `audit verify`."""
    website_dsn: str | None = field(default=None, repr=False)
    """The website's database; without it the embedded server is used."""

    # The HSM; which settings go together is in adapters/hsm_choice.py and TR-BEFS section 9.
    hsm_provider: str = "software"
    """`software`, `card` (software, its PIN sealed to a smart card), `own` or `network`."""
    pkcs11_module: Path | None = None
    """The maker's PKCS#11 module of an own or network HSM; else where SoftHSM's module is."""
    hsm_token: str = "ticketrestaurant"  # noqa: S105 - a label
    """The label of the token."""
    hsm_slot: int | None = None
    """The slot of the token, where the label is not enough to find it."""
    hsm_threads: int | None = None
    """Calls to the HSM at a time, for payments and for the rest; by default 1 for software, 8 for
    an own, 32 for a network HSM."""
    hsm_pin_file: Path | None = None
    """Where the PIN of the HSM lies; by default <home>/secrets/hsm-pin, which suits a demo only."""
    hsm_pin: str | None = field(default=None, repr=False)
    """The PIN itself, by the environment of the backend's service manager only, never the file."""

    # The smart card of provider `card`: the module of its maker, its token, its P-256 key, its PIN.
    hsm_card_module: Path | None = None
    """The PKCS#11 module of the card's maker."""
    hsm_card_token: str = ""
    """The label of the card's token."""
    hsm_card_key: str = "ticketrestaurant"
    """The label of the card's P-256 key pair."""
    hsm_card_pin_file: Path | None = None
    """Where the card's PIN lies."""
    hsm_card_pin: str | None = field(default=None, repr=False)
    """The card's PIN itself, by the environment only."""

    hsm_simulated_delay_ms: int = 0
    """For measurements: every call to the software token takes so much longer. Never in service."""

    # Evidence and backups
    checkpoint_folder: Path | None = None
    """Where signed checkpoints of the log go; by default <home>/checkpoints. Better: elsewhere."""
    wal_archive_folder: Path | None = None
    """Where the embedded databases archive their write-ahead logs, for a restore to a point in
    time; nothing is archived without it. Better on another disk than the databases."""
    wal_archive_every_s: int = 60
    """After so many seconds what was written is archived, also where little was written."""

    # Where each new checkpoint is published to, off this machine: whoever takes the machine cannot
    # take it back. The backend starts only on a log that extends what lies in publish_folder.
    publish_folder: Path | None = None
    """A further folder for checkpoints, best on another machine's disk."""
    publish_urls: tuple[str, ...] = ()
    """HTTPS addresses that take the note as the body of a PUT."""
    publish_method: str = "PUT"
    """Or POST."""
    publish_ca_file: Path | None = None
    """The only authorities (PEM) that those servers' certificates may come from."""
    publish_token_file: Path | None = None
    """A file with a token for `Authorization: Bearer`, read at each try."""
    publish_every_s: int = 10
    """At most so often to an address; the newest checkpoint wins."""

    # Refills
    refill_alone_most_cents: int = 1_000_000
    """What one person orders alone for one company within 24 hours, in cents; a refill beyond that
    needs another operator's approval. 0: each does."""
    refill_fee_cents: int = 0
    """What a company pays for each refill besides."""
    processor: str = "none"
    """Who charges companies' cards: `stripe`, `sandbox` (no money moves: for demos) or `none`."""
    processor_folder: Path | None = None
    """Where `api-key` and `webhook-secret` lie; by default <home>/secrets/processor."""

    # Logs
    log_max_bytes: int = 10_000_000
    """A log file that is larger is rotated, within five seconds."""
    log_files: int = 3
    """So many rotated files of each server are kept."""

    @property
    def is_sandbox(self) -> bool:
        """Whether time may be played with: known by the issuer's name, which cannot change."""
        return self.issuer_name.split(" ")[0] == SANDBOX

    @property
    def checkpoints(self) -> Path:
        """The folder of the checkpoints."""
        return self.checkpoint_folder or self.home / "checkpoints"

    @property
    def validated_at(self) -> str:
        """The address that goes into certificates."""
        default = f"http://{self.gateway_host}:{self.gateway_validation_port}"
        return (self.validation_url or default).rstrip("/")

    @property
    def published_file(self) -> Path:
        """What the backend says of the places that checkpoints are published to."""
        return self.run / "published.json"

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
    if settings.sandbox_clock_ahead_s and not settings.is_sandbox:
        raise SettingsError(f"sandbox_clock_ahead_s is for sandboxes (issuer_name {SANDBOX} …)")
    return settings


def file_of(home: Path) -> Path:
    """The file with an installation's settings."""
    return home / _FILE


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where a setting's value comes from: `default`, the file's path, or the variable's name."""

    name: str
    value: Any
    source: str


def explain(
    environment: Mapping[str, str] | None = None, home: Path | None = None
) -> tuple[list[Source], list[str]]:
    """Every setting with its value and source, and everything that is wrong, in words.

    A value that is wrong is left out; `load` would stop at the first.
    """
    environment = os.environ if environment is None else environment
    chosen = (home or Path(environment.get(PREFIX + "HOME") or "var")).expanduser().absolute()
    found: dict[str, Source] = {}
    faults: list[str] = []
    path = chosen / _FILE
    try:
        in_file = _read(path)
    except SettingsError as error:
        in_file = {}
        faults.append(str(error))
    sources = (
        (in_file, f"{path}: ", str, lambda name: str(path)),
        (_variables(environment), PREFIX, str.upper, lambda name: PREFIX + name.upper()),
    )
    for values, prefix, show, of in sources:
        for name in sorted(values, key=lambda name: name != "port_base"):
            try:
                if prefix != PREFIX and name in _ENVIRONMENT_ONLY:
                    raise SettingsError(f"{prefix}{name} cannot stand in the file")
                converted = _convert_all({name: values[name]}, prefix, show=show)
            except SettingsError as error:
                faults.append(str(error))
                continue
            found |= {
                key: Source(name=key, value=value, source=of(name))
                for key, value in converted.items()
            }
    plain = Settings(home=chosen)
    settings = [
        found.get(each.name)
        or Source(name=each.name, value=getattr(plain, each.name), source="default")
        for each in fields(Settings)
        if each.name != "home"
    ]
    try:
        load(environment, home)
    except SettingsError as error:
        if not faults:
            faults.append(str(error))
    return settings, faults


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
    return _convert_all(_variables(environment), PREFIX, show=str.upper)


def _variables(environment: Mapping[str, str]) -> dict[str, str]:
    """Ours, by the names of their settings."""
    values = {
        name.removeprefix(PREFIX).lower(): text
        for name, text in environment.items()
        if name.startswith(PREFIX) and text and not name.startswith(PREFIX + "TEST_")
    }
    values.pop("home", None)
    return values


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
            # An address may hold a password or a token.
            shown = "" if name.endswith(("_dsn", "_pin", "_urls")) else f" is {value!r}:"
            raise SettingsError(f"{source}{show(name)}{shown} {error}") from None
    return found


def _converters() -> dict[str, Callable[[Any], Any]]:
    return {
        each.name: setting_values.converter(each.name, each.type, _RANGES)
        for each in fields(Settings)
        if each.name != "home"
    }


def _port_base(value: Any) -> int:
    return setting_values.whole(value, 1, 65_535 - max(_PORTS.values()))


def _check_ports_differ(settings: Settings) -> None:
    ports = [getattr(settings, name) for name in _PORTS]
    if len(set(ports)) != len(ports):
        pairs = ", ".join(f"{name} {getattr(settings, name)}" for name in _PORTS)
        raise SettingsError(f"two servers cannot share a port: {pairs}")
