"""`menu`: what a shop sells, for phones to order from and terminals to ring up."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from adapters.cli import exit_codes
from adapters.cli.failure import Failure
from adapters.cli.options import AsJson, AsOperator, an_id, cents
from adapters.cli.output import print_json

_COLUMNS = ("item", "name", "price")


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("menu", rich_help_panel="Operators (signed commands through the gateway)")(menu)


def menu(
    shop: Annotated[str, typer.Argument(help="The shop's id.", callback=an_id)],
    file: Annotated[
        Path | None, typer.Option(help="A CSV file with columns item, name, price.")
    ] = None,
    item: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY:NAME:PRICE", help="One item; give it as often as needed."),
    ] = None,
    as_: AsOperator = "operator-1",
    json: AsJson = False,
) -> None:
    """Set the menu of a shop, in place of the one before.

    Example: [bold]ticketrestaurant menu 0192… --item "soup:Soup of the day:6.50"[/bold]
    """
    from adapters.cli.operator_link import as_operator
    from application import fields

    if bool(item) == (file is not None):
        raise typer.BadParameter("give --item or --file, one of the two")
    rows = _of_file(file) if file is not None else [_of_option(text) for text in item or ()]
    body = {"shop": shop, "items": rows}
    try:
        fields.menu(body)
    except fields.Invalid as error:
        raise Failure(error.text, exit_codes.USAGE) from None
    result = as_operator(as_, lambda operator: operator.command("MENU", body))
    if json:
        print_json(result)
        return
    print(f"{result['shop_name']}: menu {result['version']} with {result['items']} items")


def _of_file(path: Path) -> list[dict[str, Any]]:
    from adapters.cli.table_files import read_table
    from application.fields import MENU_MOST_ITEMS

    return [row for _, row in read_table(path, _COLUMNS, _of_row, MENU_MOST_ITEMS)]


def _of_row(row: Mapping[str, str]) -> dict[str, Any]:
    from application.fields import Invalid

    try:
        price_cents = cents(row["price"], what="the price")
    except typer.BadParameter as error:
        raise Invalid("price", str(error)) from None
    return {"item": row["item"], "name": row["name"], "price_cents": price_cents}


def _of_option(text: str) -> dict[str, Any]:
    key, colon, rest = text.partition(":")
    name, second, price = rest.rpartition(":")
    if not colon or not second:
        raise typer.BadParameter("an item looks like soup:Soup of the day:6.50")
    return {"item": key, "name": name, "price_cents": cents(price, what="the price")}
