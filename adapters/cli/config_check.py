"""What is wrong, or fit for a demo only, with the settings of an installation, and what to do."""

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Final, Literal
from urllib.parse import urlsplit

from adapters.settings import PREFIX, Settings

_OLD_S: Final = 26 * 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class Concern:
    """`error`: it will not work; `warning`: it works, and harms when it matters."""

    level: Literal["error", "warning"]
    setting: str
    text: str
    do: str


def concerns(found: Settings) -> Iterator[Concern]:
    """Everything that can be seen without starting anything."""
    yield from _of_the_hsm(found)
    yield from _of_the_evidence(found)
    yield from _of_the_network(found)
    yield from _of_the_databases(found)
    yield from _of_backups(found)


def _of_the_hsm(found: Settings) -> Iterator[Concern]:
    if found.hsm_pin_file is not None and not found.hsm_pin and not found.hsm_pin_file.is_file():
        yield Concern(
            level="error",
            setting="hsm_pin_file",
            text=f"there is no file {found.hsm_pin_file}",
            do="put the HSM's PIN there, mode 0600",
        )
    elif _reads_others(found.hsm_pin_file):
        yield Concern(
            level="warning",
            setting="hsm_pin_file",
            text=f"others on this machine can read {found.hsm_pin_file}",
            do=f"chmod 600 {found.hsm_pin_file}",
        )
    inside = found.hsm_pin_file is not None and found.home in found.hsm_pin_file.parents
    if not found.hsm_pin and (found.hsm_pin_file is None or inside):
        yield Concern(
            level="warning",
            setting="hsm_pin_file",
            text="the HSM's PIN lies in the state folder: who copies that has every key",
            do=f"keep it elsewhere and set {PREFIX}HSM_PIN_FILE; for a demo leave it",
        )
    if found.pkcs11_module is None:
        yield Concern(
            level="warning",
            setting="pkcs11_module",
            text="keys are in SoftHSM, which is software",
            do="set it to the PKCS#11 module of an HSM; for a demo leave it",
        )
    elif not found.pkcs11_module.is_file():
        yield Concern(
            level="error",
            setting="pkcs11_module",
            text=f"there is no module {found.pkcs11_module}",
            do="set it to the path that the HSM's maker names",
        )


def _of_the_evidence(found: Settings) -> Iterator[Concern]:
    if found.checkpoint_folder is None or found.home in found.checkpoint_folder.parents:
        yield Concern(
            level="warning",
            setting="checkpoint_folder",
            text="signed checkpoints lie beside the database: who can write one can write both",
            do="set it to a folder on another machine's disk, or copy the checkpoints there",
        )
    elif not found.checkpoint_folder.is_dir():
        yield Concern(
            level="error",
            setting="checkpoint_folder",
            text=f"there is no folder {found.checkpoint_folder}",
            do="make it, for the backend's account alone, or mount its disk",
        )


def _of_the_network(found: Settings) -> Iterator[Concern]:
    https = urlsplit(found.website_url).scheme == "https"
    if not _is_loopback(found.website_host):
        yield Concern(
            level="warning",
            setting="website_host",
            text="the website answers plain HTTP to other machines",
            do="let it listen on 127.0.0.1 and put a proxy with TLS before it",
        )
    if found.website_url and not https:
        yield Concern(
            level="warning",
            setting="website_url",
            text="people reach the website without TLS: passwords travel in clear",
            do="give the proxy a certificate and set an https address",
        )
    if https and not found.website_trusted_proxies:
        yield Concern(
            level="warning",
            setting="website_trusted_proxies",
            text="the proxy is not believed: all visitors seem to come from its one address",
            do="set the proxy's address, as the website sees it",
        )
    if not _is_loopback(found.backend_host):
        yield Concern(
            level="warning",
            setting="backend_host",
            text="the backend listens to other machines",
            do="do that only where the gateway runs on another one, behind a firewall",
        )
    if not _is_loopback(found.monitor_host):
        yield Concern(
            level="warning",
            setting="monitor_host",
            text="health and metrics are open to other machines, without TLS and log-in",
            do="let it be 127.0.0.1, and collect them by an agent on this machine",
        )


def _of_the_databases(found: Settings) -> Iterator[Concern]:
    if found.ledger_dsn:
        for name in ("ledger_owner_dsn", "ledger_auditor_dsn"):
            if not getattr(found, name):
                yield Concern(
                    level="warning",
                    setting=name,
                    text="the ledger has a server of its own, and this role has no connection",
                    do="set it: the owner's for `init` and `upgrade`, the auditor's for "
                    "`audit verify`",
                )
    elif any((found.ledger_owner_dsn, found.ledger_auditor_dsn)):
        yield Concern(
            level="error",
            setting="ledger_dsn",
            text="other connections to an own ledger are set, the backend's is not",
            do="set it, or remove the others",
        )


def _of_backups(found: Settings) -> Iterator[Concern]:
    import time

    from adapters.cli.saving import last_backup

    if found.ledger_dsn or found.website_dsn:
        return
    last = last_backup(found.home)
    if last is None:
        yield Concern(
            level="warning",
            setting="",
            text="no backup was ever made",
            do="run ticketrestaurant backup FILE every day, onto another disk",
        )
    elif time.time() - last["created_us"] / 1e6 > _OLD_S:
        yield Concern(
            level="warning",
            setting="",
            text="the last backup is older than a day",
            do="look why the daily ticketrestaurant backup does not run",
        )
    if found.wal_archive_folder is None:
        yield Concern(
            level="warning",
            setting="wal_archive_folder",
            text="no write-ahead log is archived: after a loss of the disk, payments that were "
            "answered since the last backup are gone",
            do="set it to a folder on another disk",
        )
    elif found.home in found.wal_archive_folder.parents:
        yield Concern(
            level="warning",
            setting="wal_archive_folder",
            text="the archive of the write-ahead log lies on the disk that it is to survive",
            do="set it to a folder on another disk",
        )


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _reads_others(path: Path | None) -> bool:
    try:
        return path is not None and bool(path.stat().st_mode & 0o077)
    except OSError:
        return False
