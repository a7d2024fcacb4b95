"""`privacy erase`: a person is forgotten; balances, proofs and statements stay."""

from typing import Annotated

import typer

from adapters.cli.options import AsJson, AsOperator
from adapters.cli.output import print_json


def register(app: typer.Typer) -> None:
    """Adds the command."""
    group = typer.Typer(
        help="Erase a person's data for good.\n\n"
        'Example: [bold]ticketrestaurant privacy erase 0192… --why "asked for it"[/bold]',
        no_args_is_help=True,
        rich_markup_mode="rich",
    )
    group.callback()(lambda: None)
    group.command()(erase)
    app.add_typer(
        group, name="privacy", rich_help_panel="Operators (signed commands through the gateway)"
    )


def erase(
    cardholder: Annotated[
        str, typer.Argument(metavar="CARDHOLDER", help="Its id, from `issue` or `list cards`.")
    ],
    why: Annotated[str, typer.Option(help="The reason, without a name: it is kept for ever.")],
    as_: AsOperator = "operator-1",
    json: AsJson = False,
) -> None:
    """Propose to erase a cardholder: names and e-mail address go, for good, from everything.

    A second operator approves it (`proposal approve`); then it is done and cannot be undone.
    Backups made before hold the data until they expire; a restore erases it again. The person's
    cards go on paying: block them first if they must not.

    Example: [bold]ticketrestaurant privacy erase 0192… --why "asked for it in writing"[/bold]
    """
    from adapters.cli.operator_link import as_operator
    from adapters.cli.proposal import tell_proposed

    body = {"cardholder": cardholder, "why": why}
    result = as_operator(as_, lambda operator: operator.command("ERASE", body))
    if json:
        print_json(result)
    elif not tell_proposed(result):
        print(f"cardholder {result['cardholder']} was erased")
