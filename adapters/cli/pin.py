"""`pin`: a new PIN for a stripe card; wrong tries are forgotten."""

from typing import Annotated

import typer

from adapters import settings
from adapters.cli.options import AsJson, AsOperator, an_id
from adapters.cli.output import print_json, say
from adapters.cli.personalising import NOTE, PIN_FILE, Workbench


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("pin", rich_help_panel="Operators (signed commands through the gateway)")(pin)


def pin(
    card: Annotated[str, typer.Argument(help="The card's id.", callback=an_id)],
    ask: Annotated[bool, typer.Option("--ask", help="Ask for the PIN; else it is random.")] = False,
    as_: AsOperator = "operator-1",
    json: AsJson = False,
) -> None:
    """Set the PIN of a stripe card that was personalised on this machine; unlocks it after 75.

    The PIN travels sealed from here into the HSM; nobody between can read it.

    Example: [bold]ticketrestaurant pin 0192f0c1-7c1e-8001-8000-0123456789ab[/bold]
    """
    from adapters.cli.issue import asked_pin
    from adapters.cli.issuing import set_pin
    from adapters.cli.operator_link import as_operator

    bench = Workbench(settings.load().home)
    bench.pan_of(card)  # before anybody types a PIN
    chosen = asked_pin() if ask else None
    as_operator(as_, lambda operator: set_pin(operator, bench, card, chosen))
    if json:
        print_json({"card": card, "pin_file": str(bench.folder_of(card) / PIN_FILE)})
        return
    print(f"card {card} has a new PIN: {bench.folder_of(card) / PIN_FILE}")
    say(NOTE)
