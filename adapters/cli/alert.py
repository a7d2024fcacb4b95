"""`alert …`: payments that looked like those of a cloned card."""

from typing import Annotated, Any

import typer

from adapters.cli.options import AsAuditor, AsJson, AsOperator, an_id
from adapters.cli.output import print_json, this_program
from adapters.cli.times import moment
from domain.answers import dollars


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    group = typer.Typer(
        no_args_is_help=True,
        rich_markup_mode="rich",
        help="Suspicious payments: list them, close them.\n\n"
        "Example: [bold]ticketrestaurant alert list[/bold]",
    )
    group.command("list")(list_)
    group.command("close")(close)
    app.add_typer(
        group, name="alert", rich_help_panel="Operators (signed commands through the gateway)"
    )


def list_(
    every: Annotated[bool, typer.Option("--all", help="Also those that are closed.")] = False,
    as_: AsAuditor = "auditor-1",
    json: AsJson = False,
) -> None:
    """Show the alerts that are open: what was unusual, and what the cardholder says.

    Example: [bold]ticketrestaurant alert list --all[/bold]
    """
    from adapters.cli.operator_link import as_reader

    rows = as_reader(as_, lambda operator: operator.rows("QUERY", {"what": "alerts"}))
    shown = [row for row in rows if every or row["status"] == "open"]
    if json:
        print_json(shown)
        return
    if not shown:
        print("no alerts yet" if every else "no alert is open")
    for row in shown:
        _print(row)
    if any(row["status"] == "open" for row in shown):
        how = this_program("alert", "close")
        print(f"Close one: {how} ALERT --verdict harmless|fraud --why …")


def _print(row: dict[str, Any]) -> None:
    state = row["status"] if row["status"] == "open" else f"closed: {row['verdict']}"
    says = {"mine": "the cardholder says: mine", "not-mine": "the cardholder says: NOT mine"}
    print(f"{row['alert']}  {state}")
    times = f", {row['times']} times" if row["times"] > 1 else ""
    what = "needed the PIN" if row["action"] == "step-up" else "refused"
    print(
        f"  {moment(row['raised_ms'])}  {row['kind']} card, {dollars(row['amount_cents'])} {what}"
        f"{times}; score {row['score']}: {row['words']}"
    )
    print(f"  card {row['card']}  shop {row['shop']}")
    print(f"  {says.get(row['answer'], 'the cardholder was asked and has not answered')}")


def close(
    alert: Annotated[str, typer.Argument(help="Its id, from `alert list`.", callback=an_id)],
    verdict: Annotated[str, typer.Option(help="harmless or fraud.")],
    why: Annotated[str, typer.Option(help="What you found, for whoever audits this.")],
    as_: AsOperator = "operator-1",
    json: AsJson = False,
) -> None:
    """Close an alert. It does not block the card: that is `block`.

    Example: [bold]ticketrestaurant alert close 0192… --verdict harmless --why "called him"[/bold]
    """
    from adapters.cli.operator_link import as_operator

    body = {"alert": alert, "verdict": verdict, "why": why}
    result = as_operator(as_, lambda operator: operator.command("ALERT", body))
    if json:
        print_json(result)
        return
    print(f"alert {alert} is closed: {result.get('verdict', verdict)}")
