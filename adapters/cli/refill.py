"""`refill`: a company's money onto the accounts of its employees."""

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from adapters.cli.options import AsJson, AsOperator, an_id, cents
from adapters.cli.output import print_json
from domain.answers import dollars

_COLUMNS = ("account", "amount")


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("refill", rich_help_panel="Operators (signed commands through the gateway)")(refill)


def refill(
    company: Annotated[str, typer.Argument(help="The company's id.", callback=an_id)],
    each: Annotated[
        str | None, typer.Option(metavar="DOLLARS", help="For every account of the company.")
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
            help="The last day on which it can be spent; without it never expires.",
        ),
    ] = None,
    as_: AsOperator = "operator-1",
    json: AsJson = False,
) -> None:
    """Refill accounts of a company: all that were named, or none where one line is at fault.

    Example: [bold]ticketrestaurant refill 0192… --each 120.00[/bold]
    """
    from adapters.cli.operator_link import as_operator

    if sum((each is not None, file is not None, bool(line))) != 1:
        raise typer.BadParameter("give --each, --file or --line, one of the three")
    body: dict[str, Any] = {"company": company}
    if each is not None:
        body["each_cents"] = cents(each)
    elif file is not None:
        body["lines"] = _of_file(file)
    else:
        body["lines"] = [_of_option(text) for text in line or ()]
    if expires is not None:
        body["last_day"] = expires.date().isoformat()
    result = as_operator(as_, lambda operator: operator.command("REFILL", body))
    if json:
        print_json(result)
        return
    before = " (carried out before)" if result.get("repeated") else ""
    print(
        f"refill {result['id']}: {result['accounts']:,} accounts,"
        f" {dollars(result['total_cents'])}{before}"
    )


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
