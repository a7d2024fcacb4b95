"""`proposal`: what one operator asked for and a second one must approve."""

from typing import Annotated, Any

import typer

from adapters.cli.options import AsAuditor, AsJson, AsOperator, an_id
from adapters.cli.output import print_json, this_program

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


def approve(proposal: _Id, as_: AsOperator = "operator-2", json: AsJson = False) -> None:
    """Approve a proposal of another operator: it is carried out at once.

    Example: [bold]ticketrestaurant proposal approve 0192… --as operator-2[/bold]
    """
    from adapters.cli.failure import refused
    from adapters.cli.operator_link import Operator, as_operator

    async def work(operator: Operator) -> dict[str, Any]:
        rows = await operator.rows("QUERY", {"what": "proposals"})
        found = [row for row in rows if row["proposal"] == proposal]
        if not found:
            raise refused(
                "there is no proposal with that id; see: " + this_program("proposal", "list")
            )
        body = {"proposal": proposal, "approve": True, "command_hash": found[0]["command_hash"]}
        return await operator.command("APPROVE", body)

    _tell(as_operator(as_, work), json)


def reject(
    proposal: _Id,
    why: Annotated[str, typer.Option(help="The reason, for whoever audits this.")],
    as_: AsOperator = "operator-2",
    json: AsJson = False,
) -> None:
    """Reject a proposal; the operator who made it withdraws it so.

    Example: [bold]ticketrestaurant proposal reject 0192… --why "the wrong shop"[/bold]
    """
    from adapters.cli.operator_link import as_operator

    body = {"proposal": proposal, "approve": False, "why": why}
    _tell(as_operator(as_, lambda operator: operator.command("APPROVE", body)), json)


def tell_proposed(result: dict[str, Any]) -> bool:
    """Says that a command waits for a second operator; False where it was carried out."""
    if result.get("status") != "waiting":
        return False
    print(f"proposal {result['proposal']}: {result['summary']}")
    print("A second operator must approve it within a day:")
    approve = ("proposal", "approve", result["proposal"], "--as", "operator-2")
    print(f"  {this_program(*approve)}")
    return True


def _tell(result: dict[str, Any], json: bool) -> None:
    if json:
        print_json(result)
    else:
        print(f"proposal {result['proposal']} is {result['status']}: {result['summary']}")
        code = (result.get("result") or {}).get("code")
        if code:
            print(f"code {code}   shown once: for the one who has the package")
