"""`audit accept-new-log`: when the evidence is lost, somebody has to say so, and is on record."""

from typing import Annotated

import typer

from adapters import settings
from adapters.cli.failure import not_running, refused


def accept_new_log(
    why: Annotated[
        str, typer.Option(help="Why there is no checkpoint, and who decided. It is kept.")
    ],
    yes: Annotated[
        bool, typer.Option("--yes", help="Do it: nothing vouches for the events before today.")
    ] = False,
) -> None:
    """Accept a log whose checkpoints are lost for good, as it is now, unverified.

    The backend refuses to sign a log that holds events and has no checkpoint: it may be forged.
    Put the folder of the checkpoints back, or a copy of it, if you can. Only while stopped; the
    decision, the number of events and their root are kept in the folder, in the file `accepted`.

    Example: [bold]ticketrestaurant audit accept-new-log --why "disk lost, A. Smith" --yes[/bold]
    """
    import psycopg

    from adapters.audit.accepted import accept
    from adapters.audit.folder import CheckpointFolder
    from adapters.cli.audit_verify import reachable_ledger
    from adapters.cli.supervisor import AlreadyServing, sole_use

    found = settings.load()
    if CheckpointFolder(found.checkpoints).newest_note() is not None:
        raise refused("there is a checkpoint: see 'ticketrestaurant audit verify'")
    if not yes:
        raise refused("nothing would vouch for the events before today: if you mean it, --yes")
    try:
        with sole_use(found), reachable_ledger(found) as dsn:
            events = accept(found.checkpoints, dsn, why.strip())
    except AlreadyServing as error:
        raise refused(str(error)) from None
    except psycopg.OperationalError as error:
        raise not_running(f"the ledger database cannot be read: {error}") from None
    print(f"{events:,} events are accepted as they are. The next start signs them.")
