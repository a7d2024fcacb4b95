"""`correct`: what amounts should have been, by events that compensate the wrong ones."""

import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from adapters.cli.help_texts import Command
from adapters.cli.options import AsJson, AsOperator, an_id, cents, digest_of
from adapters.cli.output import print_json, say

_COLUMNS = ("amount",)
_OPTIONAL = ("payment", "refill", "account", "why", "evidence", "document_sha256")
_LINES_MOST = 1_000


def register(app: typer.Typer) -> None:
    """Adds the command."""
    panel = "Operators (signed commands through the gateway)"
    app.command("correct", cls=_NoOptionIsAnAmount, rich_help_panel=panel)(correct)


class _NoOptionIsAnAmount(Command):
    """Says of `-1` that it is no amount: else it would be told to be no option."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        for each in args:
            if re.fullmatch(r"-\$?[0-9][0-9.,]*", each, re.ASCII):
                ctx.fail(f"{each} is not an amount: it must be $0.00 or more; 0 takes all back")
        return super().parse_args(ctx, args)


def correct(
    record: Annotated[
        str | None,
        typer.Argument(
            metavar="PAYMENT",
            help="The payment's id, as `pos bills` and `audit history` show it; with --refill the"
            " account's.",
            callback=an_id,
        ),
    ] = None,
    amount: Annotated[
        str | None,
        typer.Argument(metavar="DOLLARS", help="What it should have been; 0 takes it back."),
    ] = None,
    why: Annotated[str | None, typer.Option(help="The reason, for whoever audits this.")] = None,
    evidence: Annotated[
        str | None, typer.Option(help="What shows it: a bill's number, a letter.")
    ] = None,
    document: Annotated[
        Path | None,
        typer.Option(help="A document that shows it: its SHA-256 is kept, not the document."),
    ] = None,
    refill: Annotated[
        str | None,
        typer.Option(
            metavar="REFILL",
            help="Correct what this refill credited to the account instead.",
            callback=an_id,
        ),
    ] = None,
    file: Annotated[
        Path | None,
        typer.Option(
            help="A CSV file of up to 1,000 corrections: columns amount, and payment or refill and"
            " account; also why, evidence, document_sha256 for lines of their own."
        ),
    ] = None,
    preview: Annotated[
        bool, typer.Option("--preview", help="Only show before and after; ask nobody.")
    ] = False,
    yes: Annotated[
        bool,
        typer.Option(
            "--yes", help="Do not ask before proposing it. Without a terminal nobody is asked."
        ),
    ] = False,
    as_: AsOperator = "operator-1",
    json: AsJson = False,
) -> None:
    """Propose the right amount of a payment or of a refill's credit; another operator approves.

    Nothing is overwritten: compensating events name the events that they correct, the reason and
    the evidence. A settled day keeps its statement; the correction counts on the day it is made.
    A file is corrected whole or not at all.

    Example: [bold]ticketrestaurant correct 0192… 4.50 --why "typed 45.00" --evidence "bill 17"\
[/bold]
    """
    from adapters.cli.corrections import effect_lines
    from adapters.cli.operator_link import as_operator
    from adapters.cli.proposal import tell_proposed

    body: dict[str, Any] = {"lines": _lines(record, amount, refill, file)}
    if file is None:
        _say_what_is_missing(why, evidence, document)
    given = {"why": why, "evidence": evidence}
    body |= {name: value for name, value in given.items() if value is not None}
    if document is not None:
        body["document_sha256"] = digest_of(document)

    def send(more: dict[str, Any]) -> dict[str, Any]:
        return as_operator(as_, lambda operator: operator.command("CORRECT", {**body, **more}))

    shown = send({"preview": True})
    seen = shown.pop("seen")
    if not json:
        for text in effect_lines(shown):
            print(text) if preview else say(text)
    if preview:
        print_json(shown) if json else print("preview: nothing changed, nobody was asked")
        return
    if sys.stdin.isatty() and sys.stderr.isatty() and not yes:
        typer.confirm("Propose it?", abort=True, err=True)
    result = send({"lines": _as_seen(body["lines"], seen)})
    if json:
        print_json({**result, "effects": shown})
    elif not tell_proposed(result):
        print(f"proposal {result['proposal']} is {result['status']}: {result['summary']}")


def _as_seen(lines: list[dict[str, Any]], seen: list[list[int]]) -> list[dict[str, Any]]:
    """The lines with what each record was when its effect was shown."""
    return [
        {**line, "version": version, "from_cents": from_cents}
        for line, (version, from_cents) in zip(lines, seen, strict=True)
    ]


def _say_what_is_missing(why: str | None, evidence: str | None, document: Path | None) -> None:
    if why is None:
        raise typer.BadParameter("give --why: the reason, for whoever audits this")
    if evidence is None and document is None:
        raise typer.BadParameter("give --evidence or --document: what shows the right amount")


def _lines(
    record: str | None, amount: str | None, refill: str | None, file: Path | None
) -> list[dict[str, Any]]:
    if file is not None:
        if record is not None or amount is not None or refill is not None:
            raise typer.BadParameter("give --file, or one record and its amount")
        return _of_file(file)
    if record is None or amount is None:
        raise typer.BadParameter("give a payment and its right amount, or --file")
    right = {"amount_cents": cents(amount, least=0)}
    if refill is None:
        return [{"transaction": record, **right}]
    return [{"refill": refill, "account": record, **right}]


def _of_file(path: Path) -> list[dict[str, Any]]:
    from adapters.cli.table_files import read_table

    rows = read_table(path, _COLUMNS, _of_row, _LINES_MOST, _OPTIONAL)
    return [{"line": number, **row} for number, row in rows]


def _of_row(row: Mapping[str, str]) -> dict[str, Any]:
    from application.fields import Invalid, hex_bytes, uuid

    try:
        found: dict[str, Any] = {"amount_cents": cents(row["amount"], least=0)}
    except typer.BadParameter as error:
        raise Invalid("amount", str(error)) from None
    ids = {name: str(uuid(row, name)) for name in _OPTIONAL[:3] if row[name]}
    if ids.keys() not in ({"payment"}, {"refill", "account"}):
        raise Invalid("payment", "must be given, or refill and account: one of the two.")
    if "payment" in ids:
        ids["transaction"] = ids.pop("payment")
    if row["document_sha256"]:
        hex_bytes(row, "document_sha256", 64)
    words = {name: row[name] for name in _OPTIONAL[3:] if row[name]}
    return {**found, **ids, **words}
