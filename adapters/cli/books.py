"""`books …`: trial balance, profit, journal, the daily close, the bank's statements."""

import sys
from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from adapters.cli.export import Out, hand_out, period
from adapters.cli.failure import integrity_broken, misconfigured
from adapters.cli.options import AsAuditor, AsJson
from adapters.cli.output import print_json
from domain.answers import dollars

_DAY: Final = "%Y-%m-%d"
From = Annotated[datetime, typer.Option("--from", formats=[_DAY], help="First day of the books.")]
To = Annotated[datetime, typer.Option(formats=[_DAY], help="Last day of the books.")]


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    from adapters.cli.books_close import close
    from adapters.cli.books_reconcile import reconcile

    group = typer.Typer(
        no_args_is_help=True,
        rich_markup_mode="rich",
        help="The issuer's books: double entry over every money event, at any time of the past.\n\n"
        "Example: [bold]ticketrestaurant books trial-balance --at 2026-11-23[/bold]",
    )
    for command in (trial_balance, profit, journal, close, closings, reconcile):
        group.command(command.__name__.replace("_", "-"))(command)
    app.add_typer(group, name="books", rich_help_panel="Auditors and finance")


def trial_balance(
    at: Annotated[
        str | None,
        typer.Option(
            metavar="DAY|POSITION", help="At the end of that day, or after that event; else now."
        ),
    ] = None,
    csv: Annotated[bool, typer.Option("--csv", help="Print CSV, for a spreadsheet.")] = False,
    as_: AsAuditor = "auditor-1",
    json: AsJson = False,
) -> None:
    """Show the balance of every account of the books; their sum is zero.

    Debits are above zero, credits below. Days are those of the bank, in Eastern time. What
    companies paid stands on Processor clearing, bank transfers and checks too, until `books
    reconcile` finds it on a statement of the bank: only then it is on Bank.

    Example: [bold]ticketrestaurant books trial-balance --at 2026-11-23[/bold]
    """
    if csv and json:
        raise typer.BadParameter("give --csv or --json, one of the two")
    (found,) = _asked(as_, {"what": "trial-balance", **_at(at)})
    if json:
        print_json(found)
    elif csv:
        _print_csv(found["accounts"])
    else:
        closed = ", closed" if found["closed"] else ""
        print(
            f"as of event {found['position']:,}, {found['day'] or 'before the first day'}{closed}"
        )
        print_amounts(
            ("code", "account", "type", "balance"),
            [(*_names(each), each["balance_cents"]) for each in found["accounts"]],
            ("", "sum", "", found["sum_cents"]),
        )
    if found["sum_cents"] != 0:
        raise integrity_broken("the books do not add up to zero: run `audit verify`")


def profit(from_: From, to: To, as_: AsAuditor = "auditor-1", json: AsJson = False) -> None:
    """Show what the issuer earned and spent from one day to another, both included.

    Example: [bold]ticketrestaurant books profit --from 2026-11-01 --to 2026-11-30[/bold]
    """
    (found,) = _asked(as_, {"what": "profit", **period(from_, to)})
    if json:
        print_json(found)
        return
    rows = [
        (each["code"], each["name"], kind, each["amount_cents"])
        for kind in ("income", "expense")
        for each in found[kind]
    ]
    print_amounts(
        ("code", "account", "type", "amount"), rows, ("", "profit", "", found["profit_cents"])
    )


def journal(
    from_: From,
    to: To,
    out: Out = None,
    as_: AsAuditor = "auditor-1",
    json: AsJson = False,
) -> None:
    """Export every posting of some days as CSV, for the finance system.

    With --json (and --out) a summary is printed instead of the text.

    Example: [bold]ticketrestaurant books journal --from 2026-11-01 --to 2026-11-30[/bold]
    """
    from adapters.cli.operator_link import Operator, as_reader

    if json and out is None:
        raise typer.BadParameter("--json needs --out: the journal itself is CSV")
    body = {"what": "journal", **period(from_, to)}

    async def read(operator: Operator) -> str:
        return "".join([piece async for piece in operator.text(body, "BOOKS")])

    hand_out(as_reader(as_, read), out, "csv", json)


def closings(
    export: Annotated[
        Path | None, typer.Option(help="Write the signed records into this folder, a file a day.")
    ] = None,
    as_: AsAuditor = "auditor-1",
    json: AsJson = False,
) -> None:
    """List the closed days; each is checked against its signature and against the books.

    Example: [bold]ticketrestaurant books closings --export closings/[/bold]
    """
    found = _asked(as_, {"what": "closings"})
    if export is not None:
        _export(export, found)
    if json:
        print_json(found)
    else:
        if not found:
            print("no day is closed yet")
        for each in found:
            said = each["fault"] or "as signed"
            print(f"{each['day']}  event {each['position']:>10,}  {each['sha256'][:16]}…  {said}")
    if any(each["fault"] for each in found):
        raise integrity_broken("a closed day is not what was signed")


def print_amounts(
    head: tuple[str, str, str, str],
    rows: list[tuple[str, str, str, int]],
    last: tuple[str, str, str, int],
) -> None:
    """A table with amounts at the right, and a line under it."""
    cells = [head, *((*row[:3], dollars(row[3])) for row in (*rows, last))]
    widths = [max(len(row[column]) for row in cells) for column in range(4)]
    for number, row in enumerate(cells):
        if number == len(cells) - 1:
            print("-" * (sum(widths) + 6))
        padded = (cell.ljust(width) for cell, width in zip(row[:3], widths[:3], strict=True))
        print("  ".join((*padded, row[3].rjust(widths[3]))))


def _asked(as_: str, body: dict[str, Any]) -> list[dict[str, Any]]:
    from adapters.cli.operator_link import as_reader

    return as_reader(as_, lambda operator: operator.rows("BOOKS", body))


def _at(at: str | None) -> dict[str, Any]:
    if at is None:
        return {}
    if at.isascii() and at.isdigit():
        return {"position": int(at)}
    return {"day": a_day(at)}


def a_day(text: str) -> str:
    """A calendar day as typed. Raises typer.BadParameter."""
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError:
        raise typer.BadParameter("a day looks like 2026-11-23, a position like 12345") from None


def _names(account: dict[str, Any]) -> tuple[str, str, str]:
    return account["code"], account["name"], account["type"]


def _print_csv(accounts: list[dict[str, Any]]) -> None:
    import csv

    from application.export_settlements import money

    writer = csv.writer(sys.stdout, lineterminator="\r\n")
    writer.writerow(("code", "account", "type", "currency", "balance"))
    for each in accounts:
        writer.writerow((*_names(each), each["currency"], money(each["balance_cents"])))


def _export(folder: Path, found: list[dict[str, Any]]) -> None:
    from devices.durable import write_durably

    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for each in found:
            write_durably(folder / f"{a_day(each['day'])}.txt", each["note"].encode())
    except OSError as error:
        raise misconfigured(f"{folder} cannot be written: {error.strerror}") from None
