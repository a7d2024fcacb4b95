"""`export settlements`: what each shop is owed, for whoever pays and books it."""

import sys
from datetime import datetime
from pathlib import Path
from typing import Annotated, TypeAlias

import typer

from adapters.cli.failure import misconfigured
from adapters.cli.options import AsAuditor, AsJson, an_id
from adapters.cli.output import print_json, say

Out: TypeAlias = Annotated[
    Path | None, typer.Option(help="Write to this file (mode 0600); else standard output.")
]


def register(app: typer.Typer) -> None:
    """Adds the command."""
    group = typer.Typer(
        no_args_is_help=True,
        rich_markup_mode="rich",
        help="Export settlements as CSV or XML.\n\n"
        "Example: [bold]ticketrestaurant export settlements --from 2026-11-01 --to 2026-11-30"
        " --format csv[/bold]",
    )
    group.callback()(lambda: None)  # keeps `settlements` a command of its own
    group.command()(settlements)
    app.add_typer(group, name="export", rich_help_panel="Auditors and finance")


def settlements(
    from_: Annotated[
        datetime, typer.Option("--from", formats=["%Y-%m-%d"], help="First business day.")
    ],
    to: Annotated[datetime, typer.Option(formats=["%Y-%m-%d"], help="Last business day.")],
    form: Annotated[str, typer.Option("--format", metavar="csv|xml", help="csv or xml.")] = "csv",
    shop: Annotated[
        str | None, typer.Option(help="Only of this shop: its id.", callback=an_id)
    ] = None,
    out: Out = None,
    as_: AsAuditor = "auditor-1",
    json: AsJson = False,
) -> None:
    """Export what shops are owed by business day, approved, reversed and corrected payments net.

    With --json (and --out) a summary is printed instead of the text.

    Example: [bold]ticketrestaurant export settlements --from 2026-11-01 --to 2026-11-30[/bold]
    """
    from adapters.cli.operator_link import Operator, as_reader

    if form not in ("csv", "xml"):
        raise typer.BadParameter("--format must be csv or xml")
    days = period(from_, to)
    if json and out is None:
        raise typer.BadParameter("--json needs --out: the export itself is csv or xml")
    body = {
        "what": "settlements",
        **days,
        "format": form,
        **({"shop": shop} if shop else {}),
    }

    async def read(operator: Operator) -> str:
        return "".join([piece async for piece in operator.text(body)])

    hand_out(as_reader(as_, read), out, form, json)


def period(first: datetime, last: datetime) -> dict[str, str]:
    """Calendar days as an export is asked for them. Raises typer.BadParameter."""
    if last < first:
        raise typer.BadParameter("--to lies before --from")
    return {"from": first.date().isoformat(), "to": last.date().isoformat()}


def hand_out(text: str, out: Path | None, form: str, json: bool) -> None:
    """An export, to standard output or into a file. Raises Failure."""
    from hashlib import sha256

    if out is None or str(out) == "-":
        sys.stdout.write(text)
        sys.stdout.flush()
        return
    _write(out, text)
    raw = text.encode()
    if json:
        digest = sha256(raw).hexdigest()
        print_json({"bytes": len(raw), "sha256": digest, "file": str(out), "format": form})
    else:
        say(f"{out}: {len(raw):,} bytes")


def _write(path: Path, text: str) -> None:
    """Whole or not at all: who finds the file finds all of it."""
    from devices.durable import write_durably

    try:
        write_durably(path, text.encode())
    except OSError as error:
        raise misconfigured(f"{path} cannot be written: {error.strerror}") from None
