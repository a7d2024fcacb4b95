"""`watch …`: the rules by which payments are watched for cloned cards."""

import json as json_
from typing import Annotated, Any, Final

import typer

from adapters.cli.options import AsAuditor, AsJson, AsOperator
from adapters.cli.output import counted, print_json
from adapters.cli.watch_words import WORDS, differences, said

_DAYS: Final = 30
File = Annotated[
    typer.FileText, typer.Argument(help="The rules as `watch show --json` prints them.")
]


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    group = typer.Typer(
        no_args_is_help=True,
        rich_markup_mode="rich",
        help="The rules that watch for cloned cards: show, rehearse on the past, set.\n\n"
        "Example: [bold]ticketrestaurant watch show[/bold]",
    )
    group.command("show")(show)
    group.command("rehearse")(rehearse)
    group.command("set")(set_)
    app.add_typer(
        group, name="watch", rich_help_panel="Operators (signed commands through the gateway)"
    )


def show(as_: AsAuditor = "auditor-1", json: AsJson = False) -> None:
    """Show the rules in force. A weight of 0 turns a signal off.

    Example: [bold]ticketrestaurant watch show --json > watch.json[/bold]
    """
    from adapters.cli.operator_link import as_reader

    (row,) = as_reader(as_, lambda operator: operator.rows("QUERY", {"what": "watch"}))
    version = row.pop("version")
    if json:
        print_json(row)
        return
    print("the first rules" if not version else f"rules as set {counted(version, 'time')}")
    for name, value in row.items():
        print(f"  {name:<17} {said(name, value):>9}  {WORDS.get(name, '')}")


def rehearse(
    file: File,
    days: Annotated[int, typer.Option(min=1, max=400, help="So many days back.")] = _DAYS,
    as_: AsAuditor = "auditor-1",
    json: AsJson = False,
) -> None:
    """Try other rules on the payments of the last days; nothing changes.

    Example: [bold]ticketrestaurant watch rehearse watch.json --days 14[/bold]
    """
    from adapters.cli.operator_link import as_reader

    body = {"what": "watch-rehearsal", "rules": _rules(file), "days": days}
    (row,) = as_reader(as_, lambda operator: operator.rows("QUERY", body))
    if json:
        print_json(row)
        return
    print(f"{row['payments']:,} approved payments of the last {days} days:")
    print(f"  {row['step_ups']:,} would have needed the PIN, {row['refusals']:,} been refused")
    print(f"  {counted(row['people'], 'cardholder')} would have noticed")
    for name, count in sorted(row["by_signal"].items()):
        print(f"  signal {name}: {count:,}")


def set_(
    file: File,
    why: Annotated[str, typer.Option(help="The reason, for whoever audits this.")],
    as_: AsOperator = "operator-1",
    json: AsJson = False,
) -> None:
    """Propose other rules; a second operator must approve them.

    Example: [bold]ticketrestaurant watch set watch.json --why "holidays"[/bold]
    """
    from adapters.cli.operator_link import Operator, as_operator
    from adapters.cli.proposal import tell_proposed

    rules = _rules(file)
    body = {"rules": rules, "why": why}

    async def propose(operator: Operator) -> tuple[dict[str, Any], dict[str, Any]]:
        (before,) = await operator.rows("QUERY", {"what": "watch"})
        return before, await operator.command("WATCH", body)

    before, result = as_operator(as_, propose)
    if json:
        print_json(result)
        return
    for line in differences(before, rules):
        print(line)
    tell_proposed(result)


def _rules(file: typer.FileText) -> dict[str, Any]:
    try:
        rules = json_.load(file)
    except ValueError:
        raise typer.BadParameter("no JSON; see: ticketrestaurant watch show --json") from None
    if not isinstance(rules, dict):
        raise typer.BadParameter("not the rules; see: ticketrestaurant watch show --json")
    return rules
