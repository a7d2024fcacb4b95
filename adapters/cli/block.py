"""`block`: a card or a terminal out of use, for good."""

from typing import Annotated, Any

import typer

from adapters.cli.options import AsJson, AsOperator, an_id
from adapters.cli.output import print_json


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("block", rich_help_panel="Operators (signed commands through the gateway)")(block)


def block(
    subject: Annotated[
        str, typer.Argument(metavar="ID", help="The card's (or terminal's) id.", callback=an_id)
    ],
    why: Annotated[str, typer.Option(help="The reason, for whoever audits this.")],
    status: Annotated[str, typer.Option(help="Of a card: blocked, lost or stolen.")] = "blocked",
    terminal: Annotated[
        bool, typer.Option("--terminal", help="The id is that of a terminal.")
    ] = False,
    as_: AsOperator = "operator-1",
    json: AsJson = False,
) -> None:
    """Block a card (answered 62, 41 or 43 from now on) or a terminal (58). It stays so.

    Example: [bold]ticketrestaurant block 0192… --status lost --why "called in"[/bold]
    """
    from adapters.cli.operator_link import as_operator
    from application.block import STATUSES

    if status not in STATUSES:
        raise typer.BadParameter(f"--status must be one of: {', '.join(STATUSES)}")
    if terminal:
        if status != STATUSES[0]:
            raise typer.BadParameter("a terminal is only blocked: leave --status out")
        body: dict[str, Any] = {"terminal": subject, "why": why}
    else:
        body = {"card": subject, "status": status, "why": why}
    result = as_operator(as_, lambda operator: operator.command("BLOCK", body))
    if json:
        print_json(result)
        return
    what, status = "terminal" if terminal else "card", result.get("status", status)
    already = " already" if result.get("unchanged") or result.get("repeated") else ""
    print(f"{what} {result['id']} is {status}{already}")
