"""`watch …`: the rules by which payments are watched for cloned cards."""

import json as json_
from typing import Annotated, Any, Final

import typer

from adapters.cli.options import AsAuditor, AsJson, AsOperator
from adapters.cli.output import print_json

_DAYS: Final = 30
_WORDS: Final = {
    "speed_kmh": "nobody travels faster than so many km/h",
    "far_km": "and nearer than so many km nothing is far",
    "far_weight": "score of a use that is too far away",
    "parallel_s": "two shops within so many seconds",
    "parallel_weight": "score of that",
    "burst_count": "so many payments …",
    "burst_s": "… within so many seconds",
    "burst_weight": "score of that",
    "round_count": "so many whole-dollar amounts …",
    "round_most_cents": "… of at most so many cents …",
    "round_s": "… within so many seconds",
    "round_weight": "score of that",
    "apart_km": "stripe and phone so many km apart …",
    "apart_s": "… within so many seconds",
    "apart_weight": "score of that",
    "step_up_from": "from this score on a stripe needs its PIN",
    "refuse_from": "from this score on nothing passes",
}
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
    print("the first rules" if not version else f"rules as set {version} times")
    for name, value in row.items():
        print(f"  {name:<17} {value:>8,}  {_WORDS.get(name, '')}")


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
    print(f"  {row['people']:,} cardholders would have noticed")
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
    from adapters.cli.operator_link import as_operator
    from adapters.cli.proposal import tell_proposed

    body = {"rules": _rules(file), "why": why}
    result = as_operator(as_, lambda operator: operator.command("WATCH", body))
    if json:
        print_json(result)
    else:
        tell_proposed(result)


def _rules(file: typer.FileText) -> dict[str, Any]:
    try:
        rules = json_.load(file)
    except ValueError:
        raise typer.BadParameter("no JSON; see: ticketrestaurant watch show --json") from None
    if not isinstance(rules, dict):
        raise typer.BadParameter("not the rules; see: ticketrestaurant watch show --json")
    return rules
