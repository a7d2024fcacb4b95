"""`books close`: a day of the books is closed for ever, with a signed record."""

from datetime import date, timedelta
from typing import Annotated, Any

import typer

from adapters.cli.options import AsJson, AsOperator
from adapters.cli.output import print_json, progress


def close(
    day: Annotated[str, typer.Argument(metavar="DAY", help="A day that is over: 2026-11-23.")],
    since: Annotated[
        str | None,
        typer.Option("--since", metavar="DAY", help="Close every day from that one, in order."),
    ] = None,
    as_: AsOperator = "operator-1",
    json: AsJson = False,
) -> None:
    """Close a day: its totals are signed in the HSM, and nothing is posted in it any more.

    Days close in order. A day that is closed already stays as it is. What corrects it later is
    posted on a later day and names what it corrects.

    Example: [bold]ticketrestaurant books close 2026-11-23[/bold]
    """
    from adapters.cli.books import a_day
    from adapters.cli.operator_link import Operator, as_operator

    last = date.fromisoformat(a_day(day))
    first = date.fromisoformat(a_day(since)) if since is not None else last
    if first > last:
        raise typer.BadParameter("--since lies behind the day to close")
    days = [first + timedelta(days=n) for n in range((last - first).days + 1)]

    async def work(operator: Operator) -> list[dict[str, Any]]:
        made = []
        with progress("closing", len(days)) as done:
            for each in days:
                made.append(await operator.command("CLOSE", {"day": each.isoformat()}))
                done.advance(1)
        return made

    results = as_operator(as_, work)
    if json:
        print_json(results if since is not None else results[0])
        return
    for each in results:
        if each.get("closed_before"):
            print(f"{each['day']} was closed before")
        else:
            print(f"{each['day']} is closed as of event {each['position']:,}")
