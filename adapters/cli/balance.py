"""`balance`: an account as it is, or as it was, replayed from the log."""

from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from adapters.cli.failure import unusable
from adapters.cli.options import AsAuditor, AsJson, a_moment, an_id, is_a_day
from adapters.cli.output import print_json
from domain.answers import dollars


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("balance", rich_help_panel="Auditors and finance")(balance)


def balance(
    account: Annotated[str, typer.Argument(help="The account's id.", callback=an_id)],
    at: Annotated[
        str | None,
        typer.Option(
            metavar="WHEN",
            help="A moment (2026-11-24, 2026-11-24 12:30, with an offset such as +00:00; else this"
            " machine's time) or the number of an event. A day means its end.",
        ),
    ] = None,
    as_: AsAuditor = "auditor-1",
    json: AsJson = False,
) -> None:
    """Show an account's balance, now or at any past moment: replayed from the log itself.

    Example: [bold]ticketrestaurant balance 0192f0c1-7c1e-8001-8000-0123456789ab
    --at "2026-11-24 12:00"[/bold]
    """
    from adapters.cli.operator_link import Operator, as_reader

    body: dict[str, Any] = {"what": "balance", "of": account}
    if at is not None and at.isascii() and at.isdigit():
        body["position"] = int(at)
    elif at is not None:
        body["at_ms"] = a_moment(at)

    async def read(operator: Operator) -> dict[str, Any]:
        if at is not None and "at_ms" in body:
            _refuse_the_future(at, body["at_ms"], await operator.time_ms())
        (row,) = await operator.rows("QUERY", body)
        return row

    row = as_reader(as_, read)
    if json:
        print_json(row)
        return
    stored = datetime.fromtimestamp(row["as_of_us"] / 1_000_000, UTC).astimezone()
    print(f"balance {dollars(row['balance_cents'])}")
    if row["spent_on"]:
        print(f"  spent on {row['spent_on']}: {dollars(row['spent_cents'])} ({row['timezone']})")
    print(
        f"  after event {row['position']:,} of {stored:%Y-%m-%d %H:%M:%S %Z},"
        f" the {_ordinal(row['events'])} of this account"
    )
    if row["later_events"]:
        print(f"  {row['later_events']:,} of its events came later")


def _refuse_the_future(at: str, at_ms: int, now_ms: int) -> None:
    """Raises Failure. Of a day its begin counts: of today there is a balance so far."""
    day = is_a_day(at)
    now = datetime.fromtimestamp(now_ms / 1000, UTC).astimezone()
    asked = datetime.fromtimestamp(at_ms / 1000, UTC).astimezone()
    if asked.date() > now.date() if day else asked > now:
        what = "day" if day else "moment"
        raise unusable(f"--at {at}: that {what} has not come; it is {now:%Y-%m-%d %H:%M:%S %Z}")


def _ordinal(number: int) -> str:
    ends = {1: "st", 2: "nd", 3: "rd"}
    teen = number % 100 in (11, 12, 13)
    return f"{number:,}{'th' if teen else ends.get(number % 10, 'th')}"
