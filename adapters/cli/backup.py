"""`backup` and `restore`: the whole installation as one file, and back again."""

import contextlib
import os
import shutil
import signal
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from adapters import settings
from adapters.cli.failure import in_words, integrity_broken, misconfigured, refused
from adapters.cli.output import print_json, progress, say, this_program
from adapters.settings import Settings

if TYPE_CHECKING:
    from adapters.cli.restoring import Restored

_STILL_STOPPING_S: Final = 60
_Json = Annotated[bool, typer.Option("--json", help="For programs.")]


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    app.command("backup", rich_help_panel="Installation")(backup)
    app.command("restore", rich_help_panel="Installation")(restore)


def backup(
    file: Annotated[Path, typer.Argument(help="The file to make; it must not exist.")],
    max_rate: Annotated[
        int | None,
        typer.Option(
            help="Copy so many MB a second at most while serving.",
            min=1,
            max=1024,
            show_default=False,
        ),
    ] = None,
    as_json: _Json = False,
) -> None:
    """Copy the whole installation into one file of mode 0600, serving or stopped.

    Databases, token, passwords, certificates, operators, checkpoints and settings: whoever has
    the file, and the HSM's PIN, has everything. The PIN is in it only if it lies in the state
    folder. POS and virtual cards on this machine are not: they are other people's devices.
    While serving, a copy is made beside the file first: it takes its space twice.

    Example: [bold]ticketrestaurant backup /mnt/safe/2026-11-23.tar[/bold]
    """
    found = settings.load()
    target = file.expanduser().absolute()
    manifest = make_backup(found, target, max_rate_kb=max_rate * 1024 if max_rate else None)
    _tell_saved(found, target, manifest, as_json)


def make_backup(
    found: Settings, target: Path, *, max_rate_kb: int | None = None, remembered: bool = True
) -> dict[str, Any]:
    """Makes the file; its manifest. Raises Failure, then there is no file.

    `remembered`: it counts as the last backup.
    """
    from adapters.cli import saving
    from adapters.cli.settled import NeverSettled
    from adapters.postgres.embedded import ClusterError

    if target.exists():
        raise refused(f"{target} exists already")
    if not target.parent.is_dir():
        raise misconfigured(f"no backup was made: there is no folder {target.parent}")
    _check_embedded(found)
    try:
        if _serves(found):
            manifest = _save_serving(found, target, max_rate_kb)
        else:
            manifest = _save_stopped(found, target)
        if remembered:
            saving.remember(found, target, manifest)
    except (ClusterError, NeverSettled, OSError, ValueError) as error:
        raise misconfigured(f"no backup was made: {error}") from None
    except saving.KeysDestroyed as error:
        raise refused(f"no backup was made: {error}") from None
    return manifest


def restore(
    file: Annotated[Path, typer.Argument(help="A file made by `backup`.")],
    to: Annotated[
        str | None,
        typer.Option(
            help='Replay archived logs up to this time ("2026-11-24 12:00", this machine\'s time '
            'unless it has an offset), or "latest" for all that is archived.',
            metavar="TIME",
            show_default=False,
        ),
    ] = None,
    to_position: Annotated[
        int | None,
        typer.Option(help="Replay up to the commit of this event.", min=1, show_default=False),
    ] = None,
    wal: Annotated[
        Path | None,
        typer.Option(help="Where the archives of logs lie now.", show_default=False),
    ] = None,
    published: Annotated[
        Path | None,
        typer.Option(
            help="The last published checkpoints, such as a copy on another machine.",
            show_default=False,
        ),
    ] = None,
    accept_loss: Annotated[
        str | None,
        typer.Option(
            help="Restore although signed events are missing; say why: it is recorded.",
            metavar="WHY",
            show_default=False,
        ),
    ] = None,
    rehearsal: Annotated[
        bool,
        typer.Option(help="A copy to look at: settings that name folders outside are dropped."),
    ] = False,
    as_json: _Json = False,
) -> None:
    """Make the state folder, which must be empty or missing, from a backup.

    Before it takes its place everything is checked against the manifest, the databases are
    recovered, persons who were erased since are erased again, and the log must hold everything
    that the last published checkpoint covers; otherwise nothing is restored (exit status 4).

    Commands with --home NEW act on what is served from there, never on the original. Device
    folders name their gateway (`gateway` in identity.json): copies of POS and cards go on calling
    the original's. Settings come along: serve a copy beside the original with another base port.

    Example: [bold]ticketrestaurant --home /srv/meals restore /mnt/safe/2026-11-23.tar[/bold]
    """
    from adapters.cli.restoring import Wanted, restore_installation

    found = settings.load()
    if found.home.exists() and any(found.home.iterdir()):
        raise refused(f"{found.home} is not empty")
    if to is not None and to_position is not None:
        raise typer.BadParameter("--to and --to-position exclude each other")
    wanted = Wanted(
        at=_time(to) if to not in (None, "latest") else None,
        position=to_position,
        latest=to == "latest",
        wal=wal.expanduser().absolute() if wal else None,
        published=published.expanduser().absolute() if published else None,
        accept_loss=accept_loss,
        rehearsal=rehearsal,
    )
    source = file.expanduser().absolute()
    if not source.is_file():
        raise misconfigured(f"nothing was restored: there is no file {source}")
    with _explained(source), progress("Unpacking", source.stat().st_size) as bar:
        restored = restore_installation(source, found.home, wanted, bar.advance, _say_step)
    _tell_restored(restored, found.home, source, as_json)


def _tell_restored(restored: "Restored", home: Path, source: Path, as_json: bool) -> None:
    standing = restored.standing
    if as_json:
        print_json(
            {
                **_summary(restored.manifest),
                "events": standing.events,
                "published_events": standing.published,
                "lost_events": standing.lost,
                "last_commit": restored.last_commit,
                "erased_again": restored.erased_again,
                "kept_evidence": restored.kept_evidence,
                "published_aside": restored.published_aside,
                "published_left": restored.published_left,
            }
        )
        return
    say(f"restored {home} from {source}: {standing.words}")
    if restored.last_commit is not None:
        say(f"the last commit that was replayed is of {restored.last_commit.astimezone():%c %z}")
    if restored.erased_again:
        say(f"{restored.erased_again:,} persons who had been erased were erased again")
    if restored.kept_evidence is not None:
        say(f"the later evidence is kept in {restored.kept_evidence}")
    if restored.published_aside is not None:
        say(f"what was published of the lost events is kept in {restored.published_aside}")
    if restored.published_left is not None:
        say(
            f"the backend will not start while {restored.published_left} holds checkpoints of the "
            "lost events and could not be changed: move `checkpoint` and `history` there aside"
        )


@contextlib.contextmanager
def _explained(source: Path) -> Iterator[None]:
    """What can go wrong with a restore, as Failures."""
    from adapters.audit.erasures import ErasuresBroken
    from adapters.cli.archive import ArchiveBroken
    from adapters.cli.restored_log import LogUnfit
    from adapters.cli.restoring import LossRefused
    from adapters.postgres.embedded import ClusterError
    from adapters.postgres.recovery import TargetMissed

    try:
        yield
    except ArchiveBroken as error:
        raise integrity_broken(f"{source} is no usable backup: {error}") from None
    except (LogUnfit, ErasuresBroken) as error:
        raise integrity_broken(f"nothing was restored: {error}") from None
    except LossRefused as error:
        raise integrity_broken(
            f"nothing was restored: {error}. Look for a later backup, replay archived logs "
            '(--to latest), or give these events up for good: --accept-loss "WHY"'
        ) from None
    except TargetMissed as error:
        raise refused(f"nothing was restored: {error}") from None
    except ClusterError as error:
        raise misconfigured(f"nothing was restored: {error}") from None
    except OSError as error:
        raise misconfigured(f"nothing was restored: {in_words(error)}") from None


def _save_serving(found: Settings, target: Path, max_rate_kb: int | None) -> dict[str, Any]:
    from adapters.cli import leftovers, saving

    leftovers.remove(target.parent, f"{target.name}.", ".staging")
    staging = target.with_name(f"{target.name}.{os.getpid()}.staging")
    # Twice: out of the servers, into the file.
    with _ended_in_order(), progress("Copying", 2 * saving.bytes_to_copy(found)) as bar:
        try:
            gathered = saving.gather(found, staging, bar.advance, max_rate_kb)
            return saving.write(target, gathered, bar.advance)
        finally:
            shutil.rmtree(staging, ignore_errors=True)


@contextlib.contextmanager
def _ended_in_order() -> Iterator[None]:
    """SIGTERM within the block leaves no copy behind."""
    before = signal.signal(signal.SIGTERM, lambda _number, _frame: sys.exit(128 + signal.SIGTERM))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _save_stopped(found: Settings, target: Path) -> dict[str, Any]:
    from adapters.cli import archive, saving

    with stopped(found):
        elsewhere = {"checkpoints": found.checkpoints}
        parts, leave_out = saving.parts(found.home), saving.LEAVE_OUT
        size = archive.size_of(found.home, parts, leave_out, elsewhere)
        with progress("Copying", size) as bar:
            return archive.write(
                target,
                found.home,
                parts,
                saving.facts(found, "stopped"),
                leave_out=leave_out,
                progress=bar.advance,
                elsewhere=elsewhere,
            )


def _serves(found: Settings) -> bool:
    """Whether the database servers are up: then they are asked for the copy."""
    from adapters.cli.parts import embedded_clusters

    if not found.home.is_dir():
        raise misconfigured(f"{found.home} does not exist")
    clusters = embedded_clusters(found).values()
    if not all(cluster.exists for cluster in clusters):
        raise misconfigured(f"{found.home} is not set up: there is nothing to save")
    return all(cluster.ready() for cluster in clusters)


def _check_embedded(found: Settings) -> None:
    if found.ledger_dsn or found.website_dsn:
        raise misconfigured(
            "a database is on a server of your own: back that up with its own tools, "
            "and the state folder as files, while the backend is stopped"
        )


@contextlib.contextmanager
def stopped(found: Settings) -> Iterator[None]:
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
        raise refused(f"{error}; run: {this_program('stop')}") from None


def _time(text: str | None) -> datetime:
    """A time as people write it; without an offset it is this machine's."""
    try:
        at = datetime.fromisoformat(str(text))
    except ValueError:
        raise typer.BadParameter('--to needs a time like "2026-11-24 12:00", or latest') from None
    return at.astimezone()


def _say_step(text: str) -> None:
    say(f"  {text} …")


def _tell_saved(found: Settings, target: Path, manifest: dict[str, Any], as_json: bool) -> None:
    summary = _summary(manifest)
    if as_json:
        print_json(summary)
        return
    say(
        f"saved {found.home} in {target}: {summary['file_count']} files,"
        f" {summary['bytes'] / 1e6:,.0f} MB"
    )


def _summary(manifest: dict[str, Any]) -> dict[str, Any]:
    files = [each for each in manifest["files"] if "size" in each]
    facts = {name: value for name, value in manifest.items() if name != "files"}
    size = sum(each["size"] for each in files)
    return {**facts, "file_count": len(files), "bytes": size}
