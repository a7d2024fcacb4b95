"""`refill webhook`: what payment processors told, and asking them where they did not."""

from typing import Annotated

import typer

from adapters.cli.listing import print_table
from adapters.cli.options import AsAuditor, AsJson, AsOperator, an_id
from adapters.cli.output import print_json, this_program

_Id = Annotated[
    str, typer.Argument(metavar="REFILL", help="Its id, from `refill list`.", callback=an_id)
]
_WORDS = {
    "refused": "the card was declined by its bank: nothing was paid, the refill is rejected",
    "too late: the refill is rejected": "the card was declined, as was known: nothing changed",
    "it was paid before": "the card was charged, as was known: nothing changed",
    "paid": "the card was charged: the refill is paid",
    "still pending": "the card's bank has not decided yet",
    "nothing to do": "about nothing that is ours to decide: nothing changed",
}
"""Of outcomes that do not explain themselves: what a bank says of a card is no fault of ours."""
_FORGED = "refused: "


def register(group: typer.Typer) -> None:
    """Adds the commands to `refill`."""
    webhooks = typer.Typer(
        no_args_is_help=True,
        rich_markup_mode="rich",
        help="What payment processors told us.\n\n"
        "Example: [bold]ticketrestaurant refill webhook list[/bold]",
    )
    webhooks.command("list")(list_)
    webhooks.command()(poll)
    webhooks.command()(resend)
    group.add_typer(webhooks, name="webhook")


def list_(as_: AsAuditor = "auditor-1", json: AsJson = False) -> None:
    """List messages of payment processors and what each came to; forged ones since the start.

    Example: [bold]ticketrestaurant refill webhook list[/bold]
    """
    from adapters.cli.operator_link import as_reader

    rows = as_reader(as_, lambda operator: operator.rows("QUERY", {"what": "webhooks"}))
    if json:
        print_json(rows)
        return
    shown = [{**row, "outcome": _in_words(row["outcome"])} for row in rows]
    columns = ("received_ms", "processor", "kind", "refill", "outcome")
    print_table(columns, shown, "no webhooks yet")


def poll(refill: _Id, as_: AsOperator = "operator-1", json: AsJson = False) -> None:
    """Ask the processor what became of a charge: its webhook may be lost.

    Example: [bold]ticketrestaurant refill webhook poll 0192…[/bold]
    """
    from adapters.cli.operator_link import as_operator

    body = {"what": "poll", "refill": refill}
    result = as_operator(as_, lambda operator: operator.command("REFILL", body))
    if json:
        print_json(result)
    else:
        print(f"refill {refill}: {_in_words(result['outcome'])}")


def resend(refill: _Id, as_: AsOperator = "operator-1", json: AsJson = False) -> None:
    """Have the processor send its messages about a refill again.

    Example: [bold]ticketrestaurant refill webhook resend 0192…[/bold]
    """
    from adapters.cli.operator_link import as_operator

    body = {"what": "resend", "refill": refill}
    result = as_operator(as_, lambda operator: operator.command("REFILL", body))
    if json:
        print_json(result)
    else:
        print(f"refill {refill}: the processor was asked to send its messages again")
        print("  One that was taken before changes nothing and is not listed a second time;")
        print(
            f"  one that was lost comes within moments: {this_program('refill', 'webhook', 'list')}"
        )


def _in_words(outcome: str) -> str:
    if outcome.startswith(_FORGED):
        return f"not believed: {outcome.removeprefix(_FORGED)}; nothing changed"
    return _WORDS.get(outcome, outcome)
