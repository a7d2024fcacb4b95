"""The steps of `init`, in order; each looks what is there and does only what is missing."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from adapters.cli.supervisor import write_private
from adapters.postgres import migrations
from adapters.postgres.databases import NAMES, database
from adapters.settings import Settings

_FOLDERS = ("secrets", "checkpoints", "run", "logs", "devices", "exports")


class Step(NamedTuple):
    """One step: what it makes, in words, and how."""

    text: str
    work: Callable[[], object]


def steps(settings: Settings) -> list[Step]:
    """What makes, or completes, the installation of these settings."""
    clusters = {name: database(settings, name).cluster for name in NAMES}
    return [
        Step("folders", partial(_make_folders, settings)),
        *(
            Step(f"{name} database server", cluster.create)
            for name, cluster in clusters.items()
            if cluster
        ),
        *(Step(f"{name} database schema", partial(_migrate, settings, name)) for name in NAMES),
        Step("keys in the HSM", partial(_provision, settings)),
        Step("certificates", partial(_issue, settings)),
    ]


def private_folder(path: Path) -> None:
    """Makes a folder that only we can enter, or takes others' rights to it away."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    if path.stat().st_mode & 0o077:
        path.chmod(0o700)


def _make_folders(settings: Settings) -> None:
    private_folder(settings.home)
    for name in _FOLDERS:
        private_folder(settings.home / name)
    private_folder(settings.checkpoints)


def _migrate(settings: Settings, name: str) -> None:
    found = database(settings, name)
    if found.cluster is None:
        migrations.migrate(found.dsn("owner"), name)
        return
    with found.cluster.start_temporarily():
        migrations.migrate(found.dsn("owner"), name)


def _provision(settings: Settings) -> None:
    from adapters import hsm_choice

    hsm_choice.provision_token(settings)


def _issue(settings: Settings) -> None:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    from adapters import hsm_choice
    from adapters.hsm import authority, installation
    from adapters.hsm.keys import Hsm

    token = hsm_choice.open_token(settings, writable=True)
    try:
        installation.issue_installation(
            settings.home,
            authority.establish(token, validation_url=settings.validated_at),
            gateway=f"{settings.gateway_host}:{settings.gateway_port}",
            server_names=server_names(settings),
        )
        # Verifying the log needs the key and nothing else of the token.
        key: Any = Hsm(token).log_public_key()
        pem = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
        log_key = settings.checkpoints / "log.pub"
        if not log_key.exists():
            write_private(log_key, pem)
    finally:
        token.close()


def server_names(settings: Settings) -> list[str]:
    """Host names of gateway and backend beyond loopback, for their certificates."""
    hosts = {settings.gateway_host, settings.backend_host}
    return sorted(hosts - {"127.0.0.1", "localhost", "0.0.0.0", "::"})  # noqa: S104 - names, no binding
