"""How a refill is told at the command line, and how one waits for it."""

import asyncio
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

import typer

from adapters.cli import exit_codes
from adapters.cli.output import counted, progress, this_program
from domain.answers import dollars
from domain.books.bank import reference_of

if TYPE_CHECKING:
    from adapters.cli.operator_link import Operator

WAIT_S: Final = 30.0
_PAUSE_S: Final = 0.25
_UNDER_WAY: Final = "approved"
_BY_CARD: Final = "awaiting-payment"
_TO_APPROVE: Final = ("awaiting-payment", "awaiting-approval")
_CAME_TO_NOTHING: Final = ("rejected", "failed")
IN_WORDS: Final = {
    "awaiting-payment": "waits for its payment",
    "awaiting-approval": "is paid and waits for another operator's approval",
    "approved": "is approved and being credited",
    "credited": "is credited",
    "credited-in-part": "is credited in part",
    "failed": "could not be credited",
    "rejected": "is rejected",
    "cancelled": "is cancelled",
    "charged-back": "was charged back",
}


def why_two(result: Mapping[str, Any]) -> str:
    """Why an order of less than the limit needs another person."""
    before = dollars(result["alone_before_cents"])
    return f"with {before} ordered alone in the last 24 hours, it is above the limit for one person"


async def until_done(operator: "Operator", result: dict[str, Any]) -> dict[str, Any]:
    """The result once nothing goes on by itself any more; as it is after half a minute."""
    deadline_s = time.monotonic() + WAIT_S
    if not _goes_on(result):
        return result
    with progress("crediting", result["accounts"]) as bar:
        done = 0
        while time.monotonic() < deadline_s:
            row = await refill_row(operator, result["id"])
            bar.advance(row["done_lines"] - done)
            done = row["done_lines"]
            told = ("status", "credited_cents", "failed_lines", "failed_cents", "why")
            result = {**result, **{name: row[name] for name in told}}
            if not _goes_on(result):
                break
            await asyncio.sleep(_PAUSE_S)
    return result


def _goes_on(result: dict[str, Any]) -> bool:
    by_card = result["method"] == "card" and result["status"] == _BY_CARD
    return bool(by_card or result["status"] == _UNDER_WAY)


async def refill_row(operator: "Operator", refill: str) -> dict[str, Any]:
    """What is known of one refill."""
    (row,) = await operator.rows("QUERY", {"what": "refill", "of": refill})
    return row


def end_with(result: dict[str, Any]) -> None:
    """Exit status 1 where nothing was credited and nothing will be: a refused card, for one."""
    if result["status"] in _CAME_TO_NOTHING:
        raise typer.Exit(exit_codes.REFUSED)


def print_refill(result: dict[str, Any]) -> None:
    """The outcome of an order or a decision, and what to do next."""
    before = " (carried out before)" if result.get("repeated") else ""
    print(
        f"refill {result['id']}: {counted(result['accounts'], 'account')},"
        f" {dollars(result['total_cents'])}{before}"
    )
    print(f"It {IN_WORDS.get(result['status'], result['status'])}.")
    if result.get("alone_before_cents") and result["status"] in _TO_APPROVE:
        print(f"Another operator has to approve it: {why_two(result)}.")
    if result.get("why"):
        print(result["why"])
    if result.get("left_out_lines"):
        shown = this_program("refill", "show", result["id"])
        print(f"{counted(result['left_out_lines'], 'line')} left out; see: {shown}")
    if result["status"] == _BY_CARD and result["method"] != "card":
        confirm = this_program("refill", "confirm", result["id"], "--reference", "…")
        print(f"On the payment should stand: {reference_of(UUID(result['id']))}")
        print(f"When the money is here:\n  {confirm}")
    if result["status"] == _BY_CARD and result["method"] == "card":
        poll = this_program("refill", "webhook", "poll", result["id"])
        print(f"The processor has not said yet. To ask it:\n  {poll}")
    if result["status"] == "awaiting-approval":
        print(f"  {this_program('refill', 'approve', result['id'], '--as', 'operator-2')}")
