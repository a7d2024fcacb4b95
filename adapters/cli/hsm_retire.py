"""`hsm retire`: the end of the older root, once nobody needs it, or with those who do."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from adapters.cli.options import AsJson, AsOperator
from adapters.cli.output import print_json

if TYPE_CHECKING:
    from adapters.cli.operator_link import Operator


def retire(
    key: Annotated[str, typer.Argument(metavar="KEY", help="CA-ROOT: no other key is retired.")],
    why: Annotated[str, typer.Option(help="The reason, for whoever audits this.")] = "followed",
    reason: Annotated[
        str, typer.Option(help="A reason of RFC 5280: superseded, keyCompromise …")
    ] = "superseded",
    cut_off: Annotated[
        bool, typer.Option("--cut-off", help="Also if somebody has no certificate under the newer.")
    ] = False,
    who: Annotated[bool, typer.Option("--who", help="Only list whom that would cut off.")] = False,
    as_: AsOperator = "operator-1",
    json: AsJson = False,
) -> None:
    """Trust in the older root no more. Two operators decide it; its key stays in the HSM.

    Refused while anybody has no certificate under the newer root, unless with --cut-off: those must
    enrol anew. Sessions under the older root end within a second.

    Example: [bold]ticketrestaurant hsm retire CA-ROOT --why "all have moved"[/bold]
    """
    from adapters.cli.failure import refused
    from adapters.cli.operator_link import as_operator
    from adapters.cli.people import people
    from adapters.cli.proposal import tell_proposed
    from application.revoke import REASONS
    from domain.aggregates.certificate import AUTHORITY_ROOT

    if key != "CA-ROOT":
        raise typer.BadParameter("only CA-ROOT is retired; older generations of others are kept")
    if reason not in REASONS:
        raise typer.BadParameter(f"--reason must be one of: {', '.join(REASONS)}")

    async def work(operator: "Operator") -> Any:
        if who:
            return await operator.rows("QUERY", {"what": "old-root"})
        rows = await operator.rows("QUERY", {"what": "certificates", "state": "valid"})
        roots = [row for row in rows if row["role"] == AUTHORITY_ROOT]
        if len(roots) < 2:
            raise refused(
                "only one root is in force; the next: ticketrestaurant hsm rotate CA-ROOT"
            )
        oldest = min(roots, key=lambda row: row["not_before_ms"])
        body = {"certificates": [str(oldest["certificate"])], "reason": reason, "why": why}
        return await operator.command("REVOKE", {**body, "cut_off": cut_off})

    result = as_operator(as_, work)
    if json:
        print_json(result)
    elif who:
        names = people()
        for row in result:
            print(f"{row['role']:8}  {row['serial']:40}  {names.get(row['holder'], row['holder'])}")
        if not result:
            print("nobody: everybody has a certificate under the newest root")
    elif not tell_proposed(result):
        print("the older root is retired")
