"""`funds`: money that expires. What expires when, and what becomes of it afterwards."""

from datetime import datetime
from typing import Annotated, Any, TypeAlias

import typer

from adapters.cli.listing import print_table
from adapters.cli.options import AsAuditor, AsJson, AsOperator, an_id, ids
from adapters.cli.output import counted, print_json, this_program
from domain.answers import dollars

_HEADING = "Operators (signed commands through the gateway)"
_COLUMNS = ("account", "state", "last_day", "amount_cents", "name")
_DONE = {"reactivate": "reactivated", "return": "returned to the company", "donate": "donated"}
_Accounts: TypeAlias = Annotated[
    list[str], typer.Argument(metavar="ACCOUNT...", help="Ids of accounts.", callback=ids)
]
_Why: TypeAlias = Annotated[str, typer.Option(help="The reason, for whoever audits this.")]
_ExpiredOn: TypeAlias = Annotated[
    datetime | None,
    typer.Option(
        "--lot",
        metavar="DATE",
        formats=["%Y-%m-%d"],
        help="Only what had this last day; else all that expired.",
    ),
]


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    group = typer.Typer(
        help="Money that expires: what does when, and what becomes of it.\n\n"
        "Example: [bold]ticketrestaurant funds list --company 0192… --expiring-by 2026-12-31"
        "[/bold]",
        no_args_is_help=True,
        rich_markup_mode="rich",
    )
    group.command("list")(list_)
    group.command("reactivate")(reactivate)
    group.command("return")(return_)
    group.command("donate")(donate)
    app.add_typer(group, name="funds", rich_help_panel=_HEADING)


def list_(
    account: Annotated[
        str | None, typer.Argument(help="The id of an account.", callback=an_id)
    ] = None,
    company: Annotated[
        str | None, typer.Option(help="All accounts of this company: its id.", callback=an_id)
    ] = None,
    by: Annotated[
        datetime | None,
        typer.Option(
            "--expiring-by",
            metavar="DATE",
            formats=["%Y-%m-%d"],
            help="Only what has expired, or does by the end of that day.",
        ),
    ] = None,
    as_: AsAuditor = "auditor-1",
    json: AsJson = False,
) -> None:
    """List money with a last day, of an account or a company: what expires, and what has.

    Example: [bold]ticketrestaurant funds list --company 0192… --expiring-by 2026-12-31[/bold]
    """
    from adapters.cli.operator_link import as_reader

    if (account is None) == (company is None):
        raise typer.BadParameter("give an account, or a company with --company")
    body: dict[str, Any] = {"account": account} if account else {"of": company}
    if by is not None:
        body["until_day"] = _day(by)
    rows = as_reader(as_, lambda operator: operator.rows("QUERY", {"what": "lots", **body}))
    if json:
        print_json(rows)
        return
    print_table(_COLUMNS, rows, "no money that expires" + (f" by {_day(by)}" if by else ""))


def reactivate(
    accounts: _Accounts,
    expires: Annotated[
        datetime,
        typer.Option(metavar="DATE", formats=["%Y-%m-%d"], help="Its new last day."),
    ],
    why: _Why,
    lot: _ExpiredOn = None,
    as_: AsOperator = "operator-1",
    json: AsJson = False,
) -> None:
    """Give expired money back to its cardholders, to be spent through a new last day.

    More than $1,000.00 in all needs a second operator.

    Example: [bold]ticketrestaurant funds reactivate 0192… --expires 2027-01-31
    --why "was on leave"[/bold]
    """
    _decide("reactivate", accounts, lot, {"last_day": _day(expires), "why": why}, as_, json)


def return_(
    accounts: _Accounts,
    why: _Why,
    lot: _ExpiredOn = None,
    as_: AsOperator = "operator-1",
    json: AsJson = False,
) -> None:
    """Give expired money back to the company that had given it.

    More than $1,000.00 in all needs a second operator.

    Example: [bold]ticketrestaurant funds return 0192… --why "end of the year"[/bold]
    """
    _decide("return", accounts, lot, {"why": why}, as_, json)


def donate(
    accounts: _Accounts,
    cause: Annotated[str, typer.Option(metavar="NAME", help="Who gets it.")],
    why: _Why,
    lot: _ExpiredOn = None,
    as_: AsOperator = "operator-1",
    json: AsJson = False,
) -> None:
    """Give expired money to a cause, by its name.

    More than $1,000.00 in all needs a second operator.

    Example: [bold]ticketrestaurant funds donate 0192… --cause "City Food Bank"
    --why "as the company chose"[/bold]
    """
    _decide("donate", accounts, lot, {"cause": cause, "why": why}, as_, json)


def _decide(
    what: str,
    accounts: list[str],
    lot: datetime | None,
    special: dict[str, str],
    as_: str,
    json: bool,
) -> None:
    """Looks how much it is and says so in the command: over another amount nothing is decided."""
    from adapters.cli.failure import refused
    from adapters.cli.operator_link import Operator, as_operator
    from adapters.cli.proposal import tell_proposed

    of_lot = {"expired_day": _day(lot)} if lot else {}

    async def work(operator: Operator) -> dict[str, Any]:
        amount_cents = 0
        for account in accounts:
            rows = await operator.rows("QUERY", {"what": "lots", "account": account})
            amount_cents += sum(
                row["amount_cents"]
                for row in rows
                if row["state"] == "expired" and (lot is None or row["last_day"] == _day(lot))
            )
        if not amount_cents:
            raise refused(
                "no such money has expired; see: " + this_program("funds", "list", accounts[0])
            )
        body = {"what": what, "accounts": accounts, "amount_cents": amount_cents}
        return await operator.command("FUNDS", {**body, **of_lot, **special})

    result = as_operator(as_, work)
    if json:
        print_json(result)
    elif not tell_proposed(result):
        many = counted(result["accounts"], "account")
        before = " (carried out before)" if result.get("repeated") else ""
        print(f"{dollars(result['amount_cents'])} of {many} {_DONE[what]}{before}")


def _day(given: datetime) -> str:
    return given.date().isoformat()
