"""`proposal`: what one operator asked for and a second one must approve."""

import sys
from collections.abc import Collection
from typing import Annotated, Any

import typer

from adapters.cli.options import AsAuditor, AsDecider, AsJson, an_id
from adapters.cli.output import print_json, say, this_program

_HEADING = "Operators (signed commands through the gateway)"
_Id = Annotated[
    str, typer.Argument(metavar="PROPOSAL", help="Its id, from `proposal list`.", callback=an_id)
]


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    group = typer.Typer(
        help="See, approve or reject what another operator proposed.\n\n"
        "Example: [bold]ticketrestaurant proposal list[/bold]",
        no_args_is_help=True,
        rich_markup_mode="rich",
    )
    group.command("list")(list_)
    group.command("show")(show)
    group.command("approve")(approve)
    group.command("reject")(reject)
    app.add_typer(group, name="proposal", rich_help_panel=_HEADING)


def list_(
    every: Annotated[bool, typer.Option("--all", help="Also those that were decided.")] = False,
    as_: AsAuditor = "auditor-1",
    json: AsJson = False,
) -> None:
    """Show the proposals that wait for a second operator.

    Example: [bold]ticketrestaurant proposal list --all[/bold]
    """
    from adapters.cli.operator_link import as_reader

    rows = as_reader(as_, lambda operator: operator.rows("QUERY", {"what": "proposals"}))
    shown = [row for row in rows if every or row["status"] == "waiting"]
    if json:
        print_json(shown)
    elif not shown:
        print("no proposal waits" if not every else "no proposals yet")
    for row in shown if not json else ():
        print(f"{row['proposal']}  {row['status']:9} {row['summary']}")
        print(f"{'':36}  SHA-256   {row['command_hash']}")
    if shown and not json:
        print(f"What exactly each would do: {this_program('proposal', 'show')} PROPOSAL")


def show(proposal: _Id, as_: AsAuditor = "auditor-1", json: AsJson = False) -> None:
    """Show what exactly a proposal would do, from the bytes that were signed, and their hash.

    Example: [bold]ticketrestaurant proposal show 0192…[/bold]
    """
    from adapters.cli.operator_link import as_reader
    from adapters.cli.proposal_shown import read_proposal

    shown = as_reader(as_, lambda operator: read_proposal(operator, proposal))
    if json:
        print_json(shown.as_json())
    for line in shown.lines() if not json else ():
        print(line)


def approve(
    proposal: _Id,
    as_: AsDecider,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    json: AsJson = False,
) -> None:
    """Approve a proposal of another operator: it is carried out at once.

    Shows before what exactly would be done, and asks where somebody sits at a terminal. What is
    approved are the very bytes that are shown.

    Example: [bold]ticketrestaurant proposal approve 0192… --as operator-2[/bold]
    """
    from adapters.cli.failure import refused
    from adapters.cli.operator_link import Operator, as_operator
    from adapters.cli.proposal_shown import Shown, read_proposal

    async def look(operator: Operator) -> Shown:
        shown = await read_proposal(operator, proposal)
        for line in shown.lines():
            say(line)
        return shown

    async def say_yes(operator: Operator, shown: Shown) -> dict[str, Any]:
        body = {"proposal": proposal, "approve": True, "command_hash": shown.command_hash}
        return await operator.command("APPROVE", body)

    async def both(operator: Operator) -> dict[str, Any]:
        return await say_yes(operator, await look(operator))

    if yes or not sys.stdin.isatty():
        _tell(as_operator(as_, both), json)
        return
    shown = as_operator(as_, look)  # no session waits for a person
    if not typer.confirm(f"Approve it as {as_}?", err=True):
        raise refused("not approved; it still waits")
    _tell(as_operator(as_, lambda operator: say_yes(operator, shown)), json)


def reject(
    proposal: _Id,
    why: Annotated[str, typer.Option(help="The reason, for whoever audits this.")],
    as_: AsDecider,
    json: AsJson = False,
) -> None:
    """Reject a proposal; the operator who made it withdraws it so.

    Example: [bold]ticketrestaurant proposal reject 0192… --as operator-2 --why "wrong shop"[/bold]
    """
    from adapters.cli.operator_link import as_operator

    body = {"proposal": proposal, "approve": False, "why": why}
    _tell(as_operator(as_, lambda operator: operator.command("APPROVE", body)), json)


def tell_proposed(
    result: dict[str, Any], as_: str = "operator-1", about: Collection[str] = ()
) -> bool:
    """Says that a command of `as_` waits for a second operator; False where it was carried out.

    `about`: the people whose certificates it would revoke, who cannot approve that themselves.
    """
    if result.get("status") != "waiting":
        return False
    print(f"proposal {result['proposal']}: {result['summary']}")
    if result.get("because"):
        print(result["because"])
    print("A second operator must approve it within a day:")
    usual = ("operator-2", "operator-1")
    other = next((each for each in usual if each not in (as_, *about)), "OTHER")
    approve = ("proposal", "approve", result["proposal"], "--as", other)
    print(f"  {this_program(*approve)}")
    return True


def tell_code(result: dict[str, Any]) -> None:
    """Prints the one-time code that came with the approval of a new person, if it was one."""
    code = (result.get("result") or {}).get("code")
    if code:
        print(f"code {code}   shown once: for the one who has the package")


def _tell(result: dict[str, Any], json: bool) -> None:
    if json:
        print_json(result)
    else:
        print(f"proposal {result['proposal']} is {result['status']}: {result['summary']}")
        tell_code(result)
