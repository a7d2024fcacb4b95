"""`audit verify`: is the log what was written? Read from the database itself, past the backend."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from adapters import settings
from adapters.cli import exit_codes
from adapters.cli.failure import misconfigured, not_running, unusable
from adapters.cli.log_key import log_key
from adapters.cli.options import AsJson
from adapters.cli.output import counted, print_json, progress, say, this_program
from adapters.settings import Settings

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    from adapters.audit.findings import Verification
    from adapters.audit.folder import CheckpointFolder

_NAMED_MOST = 50


def verify(
    checkpoints: Annotated[
        Path | None,
        typer.Option(
            help="Verify against the checkpoints in this folder, such as one that they are "
            "published to, or against one checkpoint in a file (give --key, too).",
            show_default=False,
        ),
    ] = None,
    key: Annotated[
        Path | None,
        typer.Option(
            help="The log's public key (PEM), from a place that you trust; else the folder's.",
            show_default=False,
        ),
    ] = None,
    offline: Annotated[
        Path | None,
        typer.Option(
            metavar="DUMP",
            help="Verify this dump of the ledger (pg_dump, as SQL); no database is asked.",
            show_default=False,
        ),
    ] = None,
    json: AsJson = False,
) -> None:
    """Verify every event of the log (table `events`) against the signed checkpoint outside of it.

    Names each event that was changed, deleted, swapped, duplicated, inserted or cut off; exit
    status 4 if there is one. Works with the servers up or down. It covers `events`: the read models
    hold nothing of their own, are checked where they are read, and are built anew from the events.

    Example: [bold]ticketrestaurant audit verify[/bold]
    """
    found = settings.load()
    folder = checkpoints or found.checkpoints
    if folder.is_file() and key is None:
        raise unusable("a checkpoint alone says nothing of the log's key: give it by --key")
    verification = _verify(found, folder, key, offline, leaves_needed=checkpoints is None)
    if json:
        print_json({**_as_json(verification), "key_from": str(key or folder / "log.pub")})
    else:
        _tell(verification, key)
    if not verification.intact:
        raise typer.Exit(exit_codes.INTEGRITY_BROKEN)


def _verify(
    found: Settings, folder: Path, key: Path | None, dump: Path | None, *, leaves_needed: bool
) -> "Verification":
    import psycopg

    from adapters.audit.dump import DumpRows
    from adapters.audit.folder import CheckpointFolder, NoteFile
    from adapters.audit.proof_file import UnusableFile
    from adapters.audit.row_sources import DatabaseRows, RowSource
    from adapters.audit.verify import verify_rows
    from adapters.postgres.databases import DatabaseSettingMissing
    from adapters.postgres.embedded import ClusterError

    trusted = log_key(key) if key is not None else None
    evidence = NoteFile(folder) if folder.is_file() else CheckpointFolder(folder)
    source: RowSource
    ledger = ""
    try:
        with contextlib.ExitStack() as stack:
            if dump is not None:
                source = DumpRows(dump)
            else:
                ledger = stack.enter_context(reachable_ledger(found))
                source = DatabaseRows(ledger, 0)
            bar = stack.enter_context(progress("Verifying", 2 * _leaves(folder)))
            done: dict[str, int] = {}

            def advance(what: str, now: int, of: int) -> None:
                bar.advance(now - done.get(what, 0))
                done[what] = now

            verified = verify_rows(
                source, evidence, key=trusted, progress=advance, leaves_needed=leaves_needed
            )
            if dump is None and leaves_needed:
                verified = _with_tail(found, ledger, folder, verified)
            first = trusted[0] if isinstance(trusted, tuple) else trusted
            return _with_key(verified, first or _folders_key(evidence))
    except UnusableFile as error:
        raise unusable(str(error)) from None
    except DatabaseSettingMissing as error:
        raise misconfigured(str(error)) from None
    except (psycopg.OperationalError, ClusterError) as error:
        raise not_running(f"the ledger database cannot be read: {error}") from None
    except psycopg.Error as error:
        # Somebody took the table or a column away: that is a finding too, and a coarse one.
        return _unreadable(type(error).__name__)
    except OSError as error:
        raise misconfigured(f"{folder} cannot be read: {error.strerror}") from None


@contextlib.contextmanager
def reachable_ledger(found: Settings) -> Iterator[str]:
    """How to connect as the auditor; an embedded server that is down is started for it."""
    from adapters.postgres.databases import database

    ledger = database(found, "ledger")
    if ledger.cluster is None or ledger.cluster.ready():
        yield ledger.dsn("auditor")
        return
    if not ledger.cluster.exists:
        raise misconfigured(f"there is no ledger in {found.home}: run: {this_program('init')}")
    say("The servers are down: the ledger database is started for this.")
    with ledger.cluster.start_temporarily():
        yield ledger.dsn("auditor")


def _with_tail(found: Settings, dsn: str, folder: Path, verified: "Verification") -> "Verification":
    """While the backend serves, the newest events get their evidence within seconds."""
    from msgspec.structs import replace

    from adapters.audit.tail import has_writer, uncovered
    from adapters.cli.supervisor import is_in_use

    if not (verified.intact and verified.unprotected and (is_in_use(found) or has_writer(dsn))):
        return verified
    finding = uncovered(dsn, folder / "leaves", verified)
    if finding is not None:
        return replace(verified, findings=[finding])
    return replace(verified, protected=verified.rows, unprotected=0)


def _folders_key(folder: "CheckpointFolder") -> "Ed25519PublicKey | None":
    from adapters.audit.note import BadNote

    try:
        return folder.public_key()
    except BadNote:
        return None  # the verification said so


def _with_key(verified: "Verification", key: "Ed25519PublicKey | None") -> "Verification":
    from hashlib import sha256

    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
    from msgspec.structs import replace

    if key is None:
        return verified
    spki = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return replace(verified, key_sha256=sha256(spki).hexdigest())


def _leaves(folder: Path) -> int:
    try:
        return (folder / "leaves").stat().st_size // 32
    except OSError:
        return 0


def _unreadable(why: str) -> "Verification":
    from adapters.audit.findings import Finding, Verification

    return Verification(
        findings=[Finding(kind="unreadable", text=f"The events cannot be read ({why}).")],
        rows=0,
        checkpoint_events=0,
        protected=0,
        unprotected=0,
        opened=False,
        seconds=0.0,
    )


def _as_json(verification: "Verification") -> dict[str, Any]:
    import msgspec

    found: dict[str, Any] = msgspec.to_builtins(verification)
    return {"intact": verification.intact, **found}


def _tell(verification: "Verification", key: Path | None) -> None:
    findings = verification.findings
    for finding in findings[:_NAMED_MOST]:
        print(f"✗ {finding.text}")
    if len(findings) > _NAMED_MOST:
        print(f"… and {len(findings) - _NAMED_MOST:,} more findings; --json names them.")
    if findings:
        print("The log is NOT what was written.")
    else:
        print(
            f"✓ {counted(verification.protected, 'event')}"
            f" {'is' if verification.protected == 1 else 'are'} what was written"
            f" ({verification.seconds:.1f} s)."
        )
    if verification.unprotected:
        print(
            f"  {counted(verification.unprotected, 'newer event')} came after the last checkpoint:"
            " nothing here vouches for them. The backend covers or refuses them when it serves."
        )
    if verification.key_sha256:
        print(f"  Signed by the key with SHA-256 {verification.key_sha256}")
        if key is None:
            print("  as the folder itself says: keep the key elsewhere and give it by --key.")
