"""`projections …`: read models, built anew beside those in use, compared, put into their place."""

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Final

import typer

from adapters.cli import exit_codes
from adapters.cli.failure import refused
from adapters.cli.options import AsAuditor, AsJson, AsOperator
from adapters.cli.output import print_json, say, this_program

Name = Annotated[str, typer.Argument(metavar="NAME", help="As `projections list` shows it.")]
_LOOK_S: Final = 0.5


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    group = typer.Typer(
        no_args_is_help=True,
        rich_markup_mode="rich",
        help="Read models: how far they are; rebuild one beside the other, compare, switch.\n\n"
        "Example: [bold]ticketrestaurant projections rebuild settlements[/bold]",
    )
    group.command("list")(list_)
    group.command("rebuild")(rebuild)
    group.command("diff")(diff)
    group.command("switch")(switch)
    group.command("drop")(drop)
    app.add_typer(group, name="projections", rich_help_panel="Auditors and finance")


def list_(as_: AsAuditor = "auditor-1", json: AsJson = False) -> None:
    """Show every read model, how far it is in the log, and its copy, if one is being built.

    Example: [bold]ticketrestaurant projections list[/bold]
    """
    rows = _rows(as_)
    if json:
        print_json(rows)
        return
    print(f"{'name':<16} {'version':<8} {'event':>12}  {'as of':<23} copy")
    for row in rows:
        beside = row["beside_position"]
        copy = "-" if beside is None else f"at event {beside:,}"
        for stuck, what in ((row["stuck"], "stands still"), (row["beside_stuck"], "copy stands")):
            copy += f"  ({what}: {stuck})" if stuck else ""
        copy += "  (being rebuilt)" if row["rebuilding"] else ""
        print(
            f"{row['projection']:<16} {row['version']:<8} {row['position']:>12,}"
            f"  {_when(row['as_of_us']):<23} {copy}"
        )


def rebuild(
    name: Name,
    in_place: Annotated[
        bool,
        typer.Option("--in-place", help="Empty the one in use; nothing is read from it meanwhile."),
    ] = False,
    as_: AsOperator = "operator-1",
    json: AsJson = False,
) -> None:
    """Build a read model anew from the log, beside the one in use; nobody notices.

    Afterwards: [bold]projections diff[/bold] compares the two, [bold]projections switch[/bold] puts
    the new one in place of the old, [bold]projections drop[/bold] gives it up.

    Example: [bold]ticketrestaurant projections rebuild directory[/bold]
    """
    result = _ask(as_, "rebuild-in-place" if in_place else "rebuild", name)
    row = _wait(as_, name, in_place)
    if json:
        print_json({**result, **row})
        return
    where = "in place" if in_place else "beside the one in use"
    at = row["position"] if in_place else row["beside_position"]
    print(f"{name}: built anew {where}, at event {at:,}")
    if not in_place:
        print(f"next: {this_program('projections', 'diff', name)}, then switch or drop")


def diff(name: Name, as_: AsOperator = "operator-1", json: AsJson = False) -> None:
    """Compare a read model with its copy, as of the same event; exit status 1 if they differ.

    Example: [bold]ticketrestaurant projections diff settlements[/bold]
    """
    result = _ask(as_, "diff", name)
    if json:
        print_json(result)
    elif not result["total"]:
        print(f"{name}: no difference at event {result['position']:,}")
    else:
        print(f"{name}: {result['total']:,} differences at event {result['position']:,}")
        for table, key, what, fields in result["rows"]:
            words = f"differs in {', '.join(fields)}" if what == "differs" else what
            print(f"  {table}  {key}  {words}")
        if result["total"] > len(result["rows"]):
            print(f"  … and {result['total'] - len(result['rows']):,} more")
    if result["total"]:
        raise typer.Exit(exit_codes.REFUSED)


def switch(name: Name, as_: AsOperator = "operator-1", json: AsJson = False) -> None:
    """Put the copy in place of the read model in use, which is dropped.

    Example: [bold]ticketrestaurant projections switch settlements[/bold]
    """
    result = _ask(as_, "switch", name)
    if json:
        print_json(result)
        return
    print(f"{name}: the one built anew is in use from event {result['position']:,} on")


def drop(name: Name, as_: AsOperator = "operator-1", json: AsJson = False) -> None:
    """Give a copy up; the read model in use stays.

    Example: [bold]ticketrestaurant projections drop settlements[/bold]
    """
    result = _ask(as_, "drop", name)
    if json:
        print_json(result)
        return
    print(f"{name}: no copy any more")


def _ask(as_: str, action: str, name: str) -> dict[str, Any]:
    from adapters.cli.operator_link import as_operator

    body = {"action": action, "projection": name}
    return as_operator(as_, lambda operator: operator.command("PROJECTION", body))


def _rows(as_: str) -> list[dict[str, Any]]:
    from adapters.cli.operator_link import as_reader

    return as_reader(as_, lambda operator: operator.rows("QUERY", {"what": "projections"}))


def _wait(as_: str, name: str, in_place: bool) -> Mapping[str, Any]:
    """The projection's row once it has met the one in use, or the head of the log."""
    told = time.monotonic()
    while True:
        rows = _rows(as_)
        row = next(each for each in rows if each["projection"] == name)
        head = max(each["position"] for each in rows)
        at = row["position"] if in_place else row["beside_position"]
        stuck = row["stuck"] if in_place else row["beside_stuck"]
        if stuck:
            raise refused(f"{name} stands still: {stuck}")
        if at is None:
            raise refused(f"the copy of {name} is gone: the backend was started anew")
        if not row["rebuilding"] if in_place else at >= row["position"]:
            return row
        if time.monotonic() > told + 1:
            told = time.monotonic()
            say(f"  {name}: event {at:,} of {head:,}")
        time.sleep(_LOOK_S)


def _when(at_us: int) -> str:
    if not at_us:
        return "-"
    return f"{datetime.fromtimestamp(at_us / 1_000_000, UTC).astimezone():%Y-%m-%d %H:%M:%S %Z}"
