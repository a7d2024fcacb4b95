"""`list`: companies, shops, terminals, cards and accounts, with the ids that commands want."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any

import typer

from adapters.cli.options import AsAuditor, AsJson, an_id
from adapters.cli.output import print_json, printable, this_program
from adapters.cli.times import under_head, zone
from domain.answers import dollars
from domain.expiry import year_and_month
from domain.merchant_categories import named

_COLUMNS = {
    "companies": ("company", "timezone", "daily_limit_cents", "name"),
    "shops": ("shop", "category", "timezone", "menu_items", "name"),
    "terminals": ("terminal", "status", "label"),
    "cards": ("card", "kind", "masked_pan", "expiry", "status", "pin", "account", "name"),
    "accounts": (
        *("account", "balance_cents", "expires_cents", "expires_day", "expired_cents"),
        *("daily_limit_cents", "name"),
    ),
}
"""As they are printed: what has no fixed length comes last."""
_OWNERS = {"terminals": "shop", "cards": "company", "accounts": "company"}
_LISTS = tuple(_COLUMNS)


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("list", rich_help_panel="Auditors and finance")(list_)


def list_(
    what: Annotated[str, typer.Argument(metavar="WHAT", help=", ".join(_LISTS))],
    of: Annotated[
        str | None,
        typer.Argument(metavar="[OWNER]", help="The id of its shop or company.", callback=an_id),
    ] = None,
    as_: AsAuditor = "auditor-1",
    json: AsJson = False,
) -> None:
    """List companies, shops, terminals of a shop, cards or accounts of a company.

    Example: [bold]ticketrestaurant list cards 0192f0c1-7c1e-8001-8000-0123456789ab[/bold]
    """
    from adapters.cli.operator_link import as_reader

    if what not in _LISTS:
        raise typer.BadParameter(f"WHAT must be one of: {', '.join(_LISTS)}")
    if (what in _OWNERS) != (of is not None):
        if what not in _OWNERS:
            raise typer.BadParameter(f"{what} has no owner")
        owner = _OWNERS[what]
        every = this_program("list", "shops" if owner == "shop" else "companies")
        raise typer.BadParameter(f"{what} takes the id of a {owner}; find it with: {every}")
    body = {"what": what, **({"of": of} if of else {})}
    rows = as_reader(as_, lambda operator: operator.rows("QUERY", body))
    if json:
        print_json(rows)
        return
    print_table(_COLUMNS[what], rows, f"no {what} yet")


def print_table(names: Sequence[str], rows: list[dict[str, Any]], empty: str) -> None:
    """The lines of a table; without any row `empty` is said."""
    if not rows:
        print(empty)
    for line in table_lines(names, rows):
        print(line)


def table_lines(names: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """One line a row, never cut: made to be copied from and to be searched.

    Columns that no row has are left out. Names tell how values are shown: `_cents` as dollars,
    `_ms` as times in the zone that the head names.
    """
    from rich.cells import cell_len

    if not rows:
        return
    columns = [name for name in names if any(row.get(name, "") != "" for row in rows)]
    head = [_head(name) for name in columns]
    body = [[_cell(name, row.get(name, "")) for name in columns] for row in rows]
    widths = [max(map(cell_len, column)) for column in zip(head, *body, strict=True)]
    for cells in (head, *body):
        padded = (
            " " * (width - cell_len(cell)) + cell
            if name.endswith("_cents")
            else cell + " " * (width - cell_len(cell))
            for name, cell, width in zip(columns, cells, widths, strict=True)
        )
        yield "  ".join(padded).rstrip()


def _head(name: str) -> str:
    if name.endswith("_ms"):
        return f"{name.removesuffix('_ms').replace('_', ' ')} ({zone()})"
    return name.removesuffix("_cents").replace("_", " ")


def _cell(name: str, value: Any) -> str:
    if name.endswith("_cents") and isinstance(value, int):
        return dollars(value)
    if name.endswith("_ms") and isinstance(value, int):
        return under_head(value)
    if name == "expiry":
        return year_and_month(str(value))
    if name == "category":
        return printable(named(str(value)))
    return printable(str(value))
