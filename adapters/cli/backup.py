"""`backup` and `restore`: the whole cold installation as one file, and back again."""

import contextlib
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from adapters import settings
from adapters.cli.failure import integrity_broken, misconfigured, refused
from adapters.cli.output import print_json, progress, say
from adapters.settings import Settings

PARTS: Final = [
    *("postgres", "hsm", "secrets", "tls", "pki", "operators", "checkpoints", "settings.json")
]
# Of a server that is not running; it makes them anew.
_LEAVE_OUT: Final = frozenset({"postmaster.pid", "postmaster.opts", "data.new"})
_STILL_STOPPING_S: Final = 60
_Json = Annotated[bool, typer.Option("--json", help="For programs.")]


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    app.command("backup", rich_help_panel="Installation")(backup)
    app.command("restore", rich_help_panel="Installation")(restore)


def backup(
    file: Annotated[Path, typer.Argument(help="The file to make; it must not exist.")],
    as_json: _Json = False,
) -> None:
    """Copy the whole installation into one file of mode 0600, while it is stopped.

    Databases, token, passwords, certificates, operators, checkpoints and settings: whoever has
    the file, and the HSM's PIN, has everything. The PIN is in it only if it lies in the state
    folder. POS and virtual cards on this machine are not: they are other people's devices.

    Example: [bold]ticketrestaurant stop; ticketrestaurant backup /mnt/safe/2026-11-23.tar[/bold]
    """
    from adapters.cli import archive

    found = settings.load()
    target = file.expanduser().absolute()
    if target.exists():
        raise refused(f"{target} exists already")
    _check_embedded(found)
    with _stopped(found):
        size = archive.size_of(found.home, PARTS, _LEAVE_OUT)
        with progress("Copying", size) as bar:
            try:
                manifest = archive.write(
                    target,
                    found.home,
                    PARTS,
                    {"created_us": time.time_ns() // 1_000, "issuer": found.issuer_name},
                    leave_out=_LEAVE_OUT,
                    progress=bar.advance,
                )
            except (OSError, ValueError) as error:
                raise misconfigured(f"no backup was made: {error}") from None
    _tell(manifest, as_json, f"saved {found.home} in {target}")


def restore(
    file: Annotated[Path, typer.Argument(help="A file made by `backup`.")],
    as_json: _Json = False,
) -> None:
    """Make the state folder, which must be empty or missing, from a backup.

    Everything is checked against the manifest before the folder takes its place. Afterwards
    run `ticketrestaurant audit verify`: the log must extend the last checkpoint that was
    published, otherwise the backup is older than what was answered since.

    Example: [bold]ticketrestaurant --home /srv/meals restore /mnt/safe/2026-11-23.tar[/bold]
    """
    from adapters.cli import archive

    found = settings.load()
    home = found.home
    if home.exists() and any(home.iterdir()):
        raise refused(f"{home} is not empty")
    source = file.expanduser()
    staging = home.with_name(f"{home.name}.restoring-{os.getpid()}")
    try:
        home.parent.mkdir(parents=True, exist_ok=True)
        with progress("Restoring", source.stat().st_size) as bar:
            manifest = archive.extract(source, staging, progress=bar.advance)
        if home.exists():
            home.rmdir()
        staging.rename(home)
    except archive.ArchiveBroken as error:
        raise integrity_broken(f"{source} is no usable backup: {error}") from None
    except OSError as error:
        raise misconfigured(f"nothing was restored: {error}") from None
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    _tell(manifest, as_json, f"restored {home} from {source}")


def _check_embedded(found: Settings) -> None:
    if found.ledger_dsn or found.website_dsn:
        raise misconfigured(
            "a database is on a server of your own: back that up with its own tools, "
            "and the state folder as files, while the backend is stopped"
        )


@contextlib.contextmanager
def _stopped(found: Settings) -> Iterator[None]:
    """Nothing of the installation runs within the block. Raises Failure."""
    from adapters.cli.parts import embedded_clusters
    from adapters.cli.supervisor import AlreadyServing, sole_use

    if not found.home.is_dir():
        raise misconfigured(f"{found.home} does not exist")
    try:
        with sole_use(found):
            for cluster in embedded_clusters(found).values():
                # The servers of a `serve` that was killed may still be writing.
                if not cluster.wait_stopped(_STILL_STOPPING_S):
                    raise refused(f"the {cluster.name} database server is running")
            yield
    except AlreadyServing as error:
        raise refused(f"{error}; run: ticketrestaurant stop") from None


def _tell(manifest: dict[str, Any], as_json: bool, text: str) -> None:
    files = [each for each in manifest["files"] if "size" in each]
    size = sum(each["size"] for each in files)
    if as_json:
        facts = {name: value for name, value in manifest.items() if name != "files"}
        print_json({**facts, "file_count": len(files), "bytes": size})
    else:
        say(f"{text}: {len(files)} files, {size / 1e6:,.0f} MB")
