"""`refill`: a company's money onto the employees' accounts: ordered, seen, undone."""

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from adapters.cli import refill_groups, refill_orders, refill_webhooks
from adapters.cli.help_texts import Group
from adapters.cli.options import AsJson, AsOperator, an_id, cents
from adapters.cli.output import print_json
from adapters.cli.refill_words import end_with, print_refill, until_done

_COLUMNS = ("account", "amount")
_METHODS = "bank|check|paypal|card"
_HEADING = "Operators (signed commands through the gateway)"
ORDER = "order"


class OrderByDefault(Group):
    """`refill COMPANY …` is `refill order COMPANY …`: what is done most needs no second word."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """See click."""
        if args and args[0] not in self.commands and args[0] != "--help":
            args = [ORDER, *args]
        parsed: list[str] = super().parse_args(ctx, args)
        return parsed


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    group = typer.Typer(
        cls=OrderByDefault,
        no_args_is_help=True,
        rich_markup_mode="rich",
        help="Refill accounts of a company; see, approve and undo refills.\n\n"
        "`refill COMPANY …` orders one: `refill order --help`.\n\n"
        "Example: [bold]ticketrestaurant refill 0192… --each 120.00[/bold]",
    )
    group.command(ORDER)(order)
    refill_orders.register(group)
    refill_groups.register(group)
    refill_webhooks.register(group)
    app.add_typer(group, name="refill", rich_help_panel=_HEADING)


def order(
    company: Annotated[str, typer.Argument(help="The company's id.", callback=an_id)],
    each: Annotated[
        str | None, typer.Option(metavar="DOLLARS", help="For every account of the company.")
    ] = None,
    group: Annotated[
        str | None, typer.Option(help="With --each: only the accounts of this group.")
    ] = None,
    file: Annotated[
        Path | None, typer.Option(help="A CSV file with columns account, amount: up to 5,000.")
    ] = None,
    line: Annotated[
        list[str] | None,
        typer.Option(metavar="ACCOUNT:DOLLARS", help="One account; as often as needed."),
    ] = None,
    expires: Annotated[
        datetime | None,
        typer.Option(
            metavar="DATE",
            formats=["%Y-%m-%d"],
            help="The last day on which it can be spent; else as the company's programme says.",
        ),
    ] = None,
    method: Annotated[str, typer.Option(metavar=_METHODS, help="How the company pays.")] = "bank",
    token: Annotated[
        str | None,
        typer.Option(
            metavar="PM",
            help="For a card: the processor's token, never its number. Of the sandbox:"
            " pm_card_visa, pm_card_chargeDeclined, pm_card_createDispute.",
        ),
    ] = None,
    reference: Annotated[
        str | None, typer.Option(help="What the bank, check or PayPal calls the payment.")
    ] = None,
    unpaid: Annotated[
        bool, typer.Option("--unpaid", help="The money has not come yet; `refill confirm` later.")
    ] = False,
    partial: Annotated[
        bool, typer.Option("--partial", help="Leave out lines at fault instead of refusing all.")
    ] = False,
    again: Annotated[
        bool, typer.Option("--again", help="The same file was ordered before, and it is meant.")
    ] = False,
    wait: Annotated[
        bool, typer.Option("--wait/--no-wait", help="Until it is credited, half a minute at most.")
    ] = True,
    as_: AsOperator = "operator-1",
    json: AsJson = False,
) -> None:
    """Order a refill: all accounts that were named, or none where one line is at fault.

    Without --unpaid you say that the money is here. Above the limit that is set for what you
    order alone for one company within 24 hours, another operator must approve it.

    Example: [bold]ticketrestaurant refill 0192… --each 120.00 --reference WIRE-7[/bold]
    """
    from adapters.cli.operator_link import Operator, as_operator

    if method not in _METHODS.split("|"):
        raise typer.BadParameter(f"--method must be one of: {_METHODS.replace('|', ', ')}")
    if (method == "card") != (token is not None):
        raise typer.BadParameter("--token goes with --method card, and is needed there")
    body: dict[str, Any] = {"company": company, "method": method}
    body |= _whom(each, group, file, line or [])
    if expires is not None:
        body["last_day"] = expires.date().isoformat()
    given = {"token": token, "reference": reference}
    body |= {name: value for name, value in given.items() if value}
    flags = {"confirmed": method != "card" and not unpaid, "partial": partial, "again": again}
    body |= {name: True for name, is_set in flags.items() if is_set}

    async def work(operator: Operator) -> dict[str, Any]:
        result = await operator.command("REFILL", body)
        return await until_done(operator, result) if wait else result

    result = as_operator(as_, work)
    if json:
        print_json(result)
    else:
        print_refill(result)
    end_with(result)


def _whom(
    each: str | None, group: str | None, file: Path | None, line: list[str]
) -> dict[str, Any]:
    """Which accounts get how much, one way of the three. Raises typer.BadParameter, Failure."""
    if sum((each is not None, file is not None, bool(line))) != 1:
        raise typer.BadParameter("give --each, --file or --line, one of the three")
    if group is not None and each is None:
        raise typer.BadParameter("--group goes with --each")
    if each is not None:
        return {"each_cents": cents(each), **({"group": group} if group else {})}
    if file is not None:
        return {"lines": _of_file(file), "source": "file"}
    return {"lines": [_of_option(text) for text in line]}


def _of_file(path: Path) -> list[dict[str, Any]]:
    from adapters.cli.table_files import read_table
    from application.fields import REFILL_MOST_LINES

    return [row for _, row in read_table(path, _COLUMNS, _of_row, REFILL_MOST_LINES)]


def _of_row(row: Mapping[str, str]) -> dict[str, Any]:
    from application.fields import Invalid, uuid

    try:
        amount_cents = cents(row["amount"])
    except typer.BadParameter as error:
        raise Invalid("amount", str(error)) from None
    return {"account": str(uuid(row, "account")), "amount_cents": amount_cents}


def _of_option(text: str) -> dict[str, Any]:
    account, colon, amount = text.partition(":")
    if not colon:
        raise typer.BadParameter("a line looks like ACCOUNT:25.00")
    return {"account": account, "amount_cents": cents(amount)}
