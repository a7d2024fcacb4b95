"""`ticketrestaurant pos …`: the POS on a command line. Parses, calls `Pos`, prints.

Exit codes: 0 approved or done, 1 refused, 2 wrong use or unreadable input, 3 unreachable.
"""

import sys
from collections.abc import AsyncIterator, Sequence
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from devices.edge import (
    OK,
    REFUSED,
    UNREACHABLE,
    AsJson,
    DeviceFolder,
    WrongUse,
    errors_in_words,
    input_lines,
    parse_choice,
    read_secret,
    run,
    say_json,
)
from devices.identity import load_device
from devices.menu import choose, table, total_cents
from devices.money import parse_amount, show_amount
from devices.pos import after_sale
from devices.pos.after_sale import outcome_body
from devices.pos.bills import Bill
from devices.pos.core import DECISION_TIMEOUT_S, Pos
from devices.pos.payment import Outcome, Terms, in_words
from devices.pos.phones import PhoneOrder
from devices.pos.script import PosScript, order_body, settled

_CONNECT_S = 5.0
_REVERSAL_S = 10.0

app = typer.Typer(
    name="pos",
    help="The POS: takes payments by stripe and orders from phones.\n\n"
    "Example: ticketrestaurant pos sale --device var/devices/POS-ID --amount 12.50",
    no_args_is_help=True,
    rich_markup_mode=None,
    add_completion=False,
)
Timeout = Annotated[
    float, typer.Option("--timeout", help="Seconds to wait for a decision.", min=0.1, max=120)
]


def _open(folder: Path, timeout_s: float = DECISION_TIMEOUT_S, *, remember: bool = False) -> Pos:
    device = load_device(folder, "pos")
    return Pos(device, decision_timeout_s=timeout_s, remember_last=remember)


@app.command("run")
def run_screen(device: DeviceFolder) -> None:
    """The interactive POS: display, lights and pin pad in the terminal.

    Example: ticketrestaurant pos run --device var/devices/POS-ID
    """
    if not sys.stdout.isatty():
        typer.echo("This needs a terminal. Without one, use `pos sale` or `pos script`.", err=True)
        raise typer.Exit(2)
    run(_screen(device))


async def _screen(folder: Path) -> None:
    from devices.pos.screen import PosScreen  # textual takes a while to import

    async with _open(folder) as pos:
        await PosScreen(pos).run_async()


@app.command()
def sale(
    device: DeviceFolder,
    amount: Annotated[str, typer.Option(help="For example 12.50; or give items.")] = "",
    item: Annotated[
        list[str] | None, typer.Option(help="Item of the menu, QUICHE or QUICHE:2; repeatable.")
    ] = None,
    partial: Annotated[
        bool, typer.Option("--partial", help="Take less where the card does not hold all of it.")
    ] = False,
    tip_up_to: Annotated[
        str, typer.Option(metavar="DOLLARS", help="Agree on a lower tip than the usual 20 %.")
    ] = "",
    timeout: Timeout = DECISION_TIMEOUT_S,
    as_json: AsJson = False,
) -> None:
    """Takes one payment by a magnetic-stripe card.

    The track and the PIN are asked for without echo; or they are the first and the second line of
    standard input (an empty second line: no PIN). Never give them as arguments.

    Example: ticketrestaurant pos sale --device var/devices/POS-ID --amount 12.50
    """
    with errors_in_words(as_json):
        cents = parse_amount(amount) if amount else 0
        wanted = [parse_choice(text) for text in item or []]
        if not cents and not wanted:
            raise WrongUse("give --amount or --item")
        terms = Terms(partial=partial, tip_cents=parse_amount(tip_up_to) if tip_up_to else 0)
        track, pin = read_secret("Swipe the card: "), read_secret("PIN (empty for none): ")
    outcome = run(_sale(device, cents, wanted, track, pin, terms, timeout), as_json)
    _show(outcome, as_json)


async def _sale(
    folder: Path,
    cents: int,
    wanted: list[tuple[str, int]],
    track: str,
    pin: str,
    terms: Terms,
    timeout_s: float,
) -> Outcome:
    async with _open(folder, timeout_s) as pos:
        await pos.connected(_CONNECT_S)
        lines = choose(await pos.menu(), wanted) if wanted else ()
        outcome = await pos.sale(cents or total_cents(lines), track, pin, lines, terms=terms)
        return await settled(pos, outcome, _REVERSAL_S)


@app.command()
def listen(
    device: DeviceFolder,
    auto_confirm: Annotated[
        bool, typer.Option("--auto-confirm/--ask", help="Accept every order, or ask for each one.")
    ] = False,
    count: Annotated[int, typer.Option(help="Stop after so many orders; 0: never.", min=0)] = 0,
) -> None:
    """Waits for orders from phones and prints what happens as JSON lines.

    With --ask, type y or n and Enter for each order.

    Example: ticketrestaurant pos listen --device var/devices/POS-ID --auto-confirm
    """
    run(_listen(device, auto_confirm, count))


async def _listen(folder: Path, auto_confirm: bool, count: int) -> None:
    answers = input_lines()
    async with _open(folder) as pos:
        await pos.connected(_CONNECT_S)
        say_json({"event": "ready", "terminal": str(pos.device.id)})
        taken = 0
        while not count or taken < count:
            order = await pos.next_order()
            if order is None:
                continue
            taken += 1
            say_json({"event": "order", **order_body(order)})
            if auto_confirm or await _accepted(order, answers):
                outcome = await settled(pos, await pos.confirm(order.number), _REVERSAL_S)
                say_json({"event": "outcome", "order": order.number, **outcome_body(outcome)})
            else:
                pos.refuse(order.number)
                say_json({"event": "refused", "order": order.number})


async def _accepted(order: PhoneOrder, answers: AsyncIterator[str]) -> bool:
    for line in order.lines:
        typer.echo(f"  {line.quantity} x {line.name}", err=True)
    typer.echo(f"Accept order {order.number}, {show_amount(order.amount_cents)}? y/n", err=True)
    return (await anext(answers, "n")).strip().lower() in ("y", "yes")


@app.command()
def menu(device: DeviceFolder, as_json: AsJson = False) -> None:
    """The shop's items and prices, as the backend has them.

    Example: ticketrestaurant pos menu --device var/devices/POS-ID
    """

    async def read() -> None:
        async with _open(device) as pos:
            await pos.connected(_CONNECT_S)
            found = await pos.menu()
        if as_json:
            say_json(found.body())
            return
        typer.echo(f"{found.shop_name} · menu {found.version}")
        for line in table(found):
            typer.echo(line)

    run(read(), as_json)


@app.command()
def bills(
    device: DeviceFolder,
    count: Annotated[int, typer.Option(help="How many, newest first.", min=1, max=10_000)] = 20,
    as_json: AsJson = False,
) -> None:
    """The past payments of this POS, each with the payment's id. Needs no connection.

    Example: ticketrestaurant pos bills --device var/devices/POS-ID --count 5
    """
    with errors_in_words(as_json):
        found = _open(device).bills.latest(count)
    if as_json:
        say_json({"bills": [asdict(bill) for bill in found]})
    elif not found:
        typer.echo("No payments yet.")
    else:
        _show_bills(found)


def _show_bills(found: Sequence[Bill]) -> None:
    for bill in found:
        when = datetime.fromtimestamp(bill.ms / 1000).astimezone()
        amount, why = show_amount(bill.amount_cents), f"{bill.code or '–':<2} {bill.reason}"
        # A refused refund of $1.00 is no refused payment of $1.00.
        is_open = bill.action and bill.state in ("refused", "unanswered")
        state = f"{bill.action.lower()} {bill.state}" if is_open else bill.state
        line = f"{when:%Y-%m-%d %H:%M:%S %Z}  {amount:>11}  {state:<18} {why:<22}"
        typer.echo(f"{line} {bill.card:<16} {bill.transaction or bill.of}".rstrip())


@app.command()
def reverse(
    device: DeviceFolder,
    timeout: Annotated[float, typer.Option(help="Seconds to try.", min=1, max=3600)] = 30,
    as_json: AsJson = False,
) -> None:
    """Takes back the payments whose decision was never heard, or whose bill was not completed,
    and finishes voids, refunds and tips that were not answered. The POS does so by itself, too.

    Example: ticketrestaurant pos reverse --device var/devices/POS-ID
    """

    async def finish() -> tuple[int, int]:
        async with _open(device) as pos:
            before = _left(pos)
            if before:
                await pos.connected(_CONNECT_S)
                await pos.reversals.finished(timeout)
                await pos.adjustments.finished(timeout)
            return before, _left(pos)

    before, after = run(finish(), as_json)
    if as_json:
        say_json({"acknowledged": before - after, "pending": after})
    elif not before:
        typer.echo("Nothing waits to be taken back.")
    else:
        typer.echo(f"{before - after} acknowledged, {after} still waiting.")
    raise typer.Exit(UNREACHABLE if after else OK)


def _left(pos: Pos) -> int:
    return len(pos.reversals.waiting()) + pos.adjustments.waiting()


@app.command()
def script(device: DeviceFolder, timeout: Timeout = DECISION_TIMEOUT_S) -> None:
    """One long session driven by JSON lines: commands on stdin, answers on stdout.

    Commands: sale, resend-last, void, refund, tip, split, menu, wait-order, confirm, refuse,
    reverse, bills, quit.

    Example: echo '{"do":"menu"}' | ticketrestaurant pos script --device var/devices/POS-ID
    """

    async def serve() -> None:
        async with _open(device, timeout, remember=True) as pos:
            await PosScript(pos).run(_CONNECT_S)

    run(serve(), as_json=True)


def _show(outcome: Outcome, as_json: bool) -> None:
    if as_json:
        say_json(outcome_body(outcome))
    else:
        colour = "green" if outcome.approved else "red" if outcome.decided else "yellow"
        typer.secho(in_words(outcome), fg=colour, bold=True)
        if outcome.transaction:
            typer.echo(f"payment {outcome.transaction}")
    raise typer.Exit(OK if outcome.approved else REFUSED if outcome.decided else UNREACHABLE)


after_sale.add_to(app)

if __name__ == "__main__":
    app()
