"""`correct`: the right amount of a payment, by events that compensate the wrong ones."""

import re
import sys
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from adapters.cli.options import AsJson, AsOperator, an_id, cents
from adapters.cli.output import print_json, say
from domain.answers import dollars


def register(app: typer.Typer) -> None:
    """Adds the command."""
    panel = "Operators (signed commands through the gateway)"
    app.command("correct", cls=_NoOptionIsAnAmount, rich_help_panel=panel)(correct)


class _NoOptionIsAnAmount(TyperCommand):
    """Says of `-1` that it is no amount: else it would be told to be no option."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        for each in args:
            if re.fullmatch(r"-\$?[0-9][0-9.,]*", each, re.ASCII):
                ctx.fail(f"{each} is not an amount: it must be $0.00 or more; 0 takes all back")
        return super().parse_args(ctx, args)


def correct(
    transaction: Annotated[
        str,
        typer.Argument(
            help="The payment's id, as `pos bills` and `audit history` show it.", callback=an_id
        ),
    ],
    amount: Annotated[
        str, typer.Argument(metavar="DOLLARS", help="What it should have been; 0 takes it back.")
    ],
    why: Annotated[str, typer.Option(help="The reason, for whoever audits this.")],
    preview: Annotated[
        bool, typer.Option("--preview", help="Only show before and after; change nothing.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before changing it.")] = False,
    as_: AsOperator = "operator-1",
    json: AsJson = False,
) -> None:
    """Correct the amount of an approved payment; the balance moves by the difference.

    Nothing is overwritten: two compensating events name the events that they correct. On a
    terminal, before and after are shown first.

    Example: [bold]ticketrestaurant correct 0192… 4.50 --why "typed 45.00 for 4.50"[/bold]
    """
    from adapters.cli.operator_link import as_operator

    body = {"transaction": transaction, "amount_cents": cents(amount, least=0), "why": why}

    def send(more: dict[str, Any]) -> dict[str, Any]:
        return as_operator(as_, lambda operator: operator.command("CORRECT", {**body, **more}))

    ask = sys.stdin.isatty() and sys.stderr.isatty() and not yes
    if preview or ask:
        shown = send({"preview": True})
        if preview:
            _print(shown, json)
            return
        for row in _rows(shown):
            say(row)
        typer.confirm("Correct it?", abort=True, err=True)
    _print(send({}), json)


def _print(result: dict[str, Any], json: bool) -> None:
    if json:
        print_json(result)
        return
    if result.get("repeated"):
        print(f"payment {result['id']}: {dollars(result['net_cents'])} (corrected before)")
        return
    note = " (preview: nothing changed)" if result.get("preview") else ""
    print(f"payment {result['id']}{note}")
    for row in _rows(result):
        print(row)


def _rows(result: dict[str, Any]) -> list[str]:
    rows = (("amount", result["amount_cents"]), ("balance", result["balance_cents"]))
    return [
        f"  {name:<8} {dollars(change['before'])} → {dollars(change['after'])}"
        for name, change in rows
    ]
