"""`upgrade`: brings an installation to this version of the program, after trying it on a copy."""

import contextlib
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from adapters import settings
from adapters.cli.failure import integrity_broken, misconfigured, refused
from adapters.cli.output import print_json, say, this_program
from adapters.settings import Settings

if TYPE_CHECKING:
    from adapters.cli.upgrading import Upgraded


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("upgrade", rich_help_panel="Installation")(upgrade)


def upgrade(
    rehearse: Annotated[
        bool,
        typer.Option("--rehearse", help="Only try it on a restored copy; also while serving."),
    ] = False,
    backup: Annotated[
        Path | None,
        typer.Option(
            help="The backup file: to make before the upgrade (else backups/ in the state "
            "folder), or with --rehearse to try it on (else the last one).",
            show_default=False,
        ),
    ] = None,
    unrehearsed: Annotated[
        bool, typer.Option("--unrehearsed", help="Without backup and without trying it first.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Apply what this version changes in databases, keys and certificates, while stopped.

    First a backup is made, and the migrations are applied to a copy restored from it, whose log
    must verify afterwards. Only then they are applied to the installation. The rehearsal takes
    the space of the databases twice, under the state folder, and gives it back.

    Example: [bold]ticketrestaurant upgrade --rehearse[/bold]
    """
    found = settings.load()
    if not found.home.is_dir():
        raise misconfigured(f"{found.home} does not exist")
    if rehearse:
        result = {"rehearsed": _rehearse(found, backup).as_json()}
        say("the rehearsal went well; nothing of the installation was touched")
    else:
        result = _upgrade(found, backup, unrehearsed)
        say(f"{found.home} is upgraded; start the servers with: {this_program('serve')}")
    if as_json:
        print_json(result)


def _rehearse(found: Settings, backup: Path | None) -> "Upgraded":
    """On a copy restored from a backup; one is made where there is none. Raises Failure."""
    from adapters.cli.backup import make_backup
    from adapters.cli.saving import last_backup

    _check_embedded(found)
    folder = found.home / f"rehearsal-{time.time_ns() // 1_000}"
    folder.mkdir(mode=0o700)
    try:
        last = last_backup(found.home)
        file = backup.expanduser().absolute() if backup else Path(last["file"]) if last else None
        if file is None or (backup is None and not file.exists()):
            say("there is no backup: one is made for this")
            file = folder / "backup.tar"
            make_backup(found, file, remembered=False)
        say(f"rehearsing on a copy restored from {file}")
        return _on_copy(file, folder / "home")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _on_copy(file: Path, home: Path) -> "Upgraded":
    from adapters.cli.restoring import Wanted, restore_installation
    from adapters.cli.upgrading import upgrade_databases

    with _explained("the rehearsal failed, nothing of the installation was touched"):
        started_s = time.monotonic()
        restore_installation(file, home, Wanted(rehearsal=True), lambda _: None, _say_step)
        restored_s = time.monotonic() - started_s
        done = upgrade_databases(settings.load({}, home=home), home / "checkpoints", _say_step)
    done.seconds = {"restoring the copy": restored_s, **done.seconds}
    for what, seconds in done.seconds.items():
        say(f"  {what}: {seconds:.1f} s")
    if done.rebuilt:
        say(f"  built anew at the next start: {', '.join(done.rebuilt)}")
    return done


def _upgrade(found: Settings, backup: Path | None, unrehearsed: bool) -> dict[str, Any]:
    from adapters.cli.backup import make_backup, stopped
    from adapters.cli.installing import steps
    from adapters.cli.upgrading import upgrade_databases

    with stopped(found):
        pass
    result: dict[str, Any] = {}
    if not unrehearsed:
        _check_embedded(found)
        target = backup.expanduser().absolute() if backup else _default_backup(found)
        make_backup(found, target)
        say(f"saved the installation in {target}")
        result = {"backup": str(target), "rehearsed": _rehearse(found, target).as_json()}
    with stopped(found), _explained("the upgrade failed half way"):
        done = upgrade_databases(found, found.checkpoints, _say_step)
        for each in steps(found):  # keys and certificates that are new; the rest is there
            each.work()
    return {**result, "upgraded": done.as_json()}


def _default_backup(found: Settings) -> Path:
    folder = found.home / "backups"
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder / f"before-upgrade-{time.strftime('%Y-%m-%dT%H%M%S')}.tar"


@contextlib.contextmanager
def _explained(what: str) -> Iterator[None]:
    import psycopg

    from adapters.audit.erasures import ErasuresBroken
    from adapters.cli.archive import ArchiveBroken
    from adapters.cli.restored_log import LogUnfit
    from adapters.cli.upgrading import UpgradeFailed
    from adapters.postgres.embedded import ClusterError
    from adapters.postgres.migrations import MigrationError
    from application.ports import Unavailable

    try:
        yield
    except (ArchiveBroken, ErasuresBroken, LogUnfit, UpgradeFailed) as error:
        raise integrity_broken(f"{what}: {error}") from None
    except (ClusterError, MigrationError, psycopg.Error, Unavailable, OSError) as error:
        raise misconfigured(f"{what}: {error or type(error).__name__}") from None


def _check_embedded(found: Settings) -> None:
    if found.ledger_dsn or found.website_dsn:
        raise refused(
            "a database is on a server of your own: rehearse on a copy made with its tools, "
            "then run: ticketrestaurant upgrade --unrehearsed"
        )


def _say_step(text: str) -> None:
    say(f"  {text}")
