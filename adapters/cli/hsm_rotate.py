"""`hsm rotate`: the next generation of a key, while everything is served."""

import asyncio
from typing import TYPE_CHECKING, Annotated, Any

import typer

from adapters.cli.options import AsJson, AsOperator
from adapters.cli.output import print_json, say

if TYPE_CHECKING:
    from adapters.cli.operator_link import Operator

_LOOK_S = 0.5


def rotate(
    key: Annotated[str, typer.Argument(metavar="KEY", help="Its name, as in `hsm keys`.")],
    why: Annotated[str, typer.Option(help="The reason, for whoever audits this.")] = "scheduled",
    wait: Annotated[
        bool, typer.Option("--wait", help="Wait until all data keys are sealed by the newest K_DB.")
    ] = False,
    ceremony: Annotated[
        str | None,
        typer.Option(
            help="Of CA-ROOT: the hash that `ceremony new-root` shows.",
            metavar="HASH",
            show_default=False,
        ),
    ] = None,
    as_: AsOperator = "operator-1",
    json: AsJson = False,
) -> None:
    """Make the next generation of a key in the HSM and take it into use at once.

    What older generations made stays good: cards, PINs, certificates, everything stored. CA-ROOT,
    CA-ISSUING and K_DB need a second operator (`proposal approve`). CA-ROOT brings a new CA-ISSUING
    with it; where the first root was made in a key ceremony it needs one, too (`ceremony
    new-root`). Back up ledger and token afterwards.

    Example: [bold]ticketrestaurant hsm rotate K_CVV --why "every year"[/bold]
    """
    from adapters.cli.operator_link import as_operator
    from adapters.cli.proposal import tell_proposed

    async def work(operator: "Operator") -> dict[str, Any]:
        if wait and key == "K_DB" and await _left(operator):
            return {"key": key, **await _resealed(operator)}
        rows = await operator.rows("QUERY", {"what": "hsm-keys"})
        newest = max((r["generation"] for r in rows if r["key"] == key and r["in_use"]), default=1)
        body = {"key": key, "generation": newest + 1, "why": why}
        if ceremony is not None:
            body["ceremony"] = "".join(ceremony.split()).lower()
        result = await operator.command("ROTATE", body)
        if wait and result.get("generation"):
            result |= await _resealed(operator)
        return result

    result = as_operator(as_, work)
    if json:
        print_json(result)
    elif not tell_proposed(result):
        if "generation" in result:
            for name, generation in ((result["key"], result["generation"]), *_also(result)):
                print(f"{name}/{generation} is in use")
        if "data_keys" in result:
            print(f"all {result['data_keys']:,} data keys are sealed by it")
        print("Back up now: ticketrestaurant backup FILE (an older backup does not hold this key)")


def _also(result: dict[str, Any]) -> list[tuple[str, int]]:
    return list(result.get("also", {}).items())


async def _left(operator: "Operator") -> int:
    (row,) = await operator.rows("QUERY", {"what": "hsm"})
    return int(row["data_keys_left"])


async def _resealed(operator: "Operator") -> dict[str, Any]:
    """Waits until nothing is left, and tells how far it is."""
    told = -1
    while True:
        (row,) = await operator.rows("QUERY", {"what": "hsm"})
        total, left = int(row["data_keys"]), int(row["data_keys_left"])
        if not left:
            return {"data_keys": total, "data_keys_left": 0}
        if left != told:
            say(f"sealing data keys anew: {total - left:,} of {total:,}")
            told = left
        await asyncio.sleep(_LOOK_S)
