"""`ticketrestaurant card …`: the virtual card on a command line. Parses, calls, prints.

Exit codes: 0 approved or done, 1 refused, 2 wrong use or unreadable input, 3 unreachable.
"""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any

import typer

from devices.card.core import UNDECIDED, Decision, VirtualCard, in_words
from devices.card.script import CardScript, parse_alert, parse_payment, parse_terminal
from devices.card_package import take_card
from devices.edge import (
    OK,
    REFUSED,
    UNREACHABLE,
    AsJson,
    DeviceFolder,
    WrongUse,
    errors_in_words,
    parse_choice,
    read_secret,
    run,
    say_json,
)
from devices.exchange import Body
from devices.identity import load_device
from devices.menu import table
from devices.money import parse_amount, show_amount
from protocol.adjustment import TEXT_MOST

_CONNECT_S = 5.0

app = typer.Typer(
    name="card",
    help="The virtual card: balance, history, and orders to a shop's POS.\n\n"
    "Example: ticketrestaurant card order --device var/devices/CARD-ID --terminal TERMINAL-ID"
    " --item soup",
    no_args_is_help=True,
    rich_markup_mode=None,
    add_completion=False,
)
Package = Annotated[
    Path, typer.Argument(metavar="PACKAGE", help="The installation package from the issuer.")
]
Terminal = Annotated[str, typer.Option(help="The id of the shop's terminal, as its sign shows.")]


def _open(folder: Path) -> VirtualCard:
    return VirtualCard(load_device(folder, "card"))


@app.command()
def enrol(package: Package, device: DeviceFolder, as_json: AsJson = False) -> None:
    """Takes a card in: makes its identity folder from a package, and removes the package.

    The one-time code is asked for, or read from standard input; it is sent to nobody.

    Example: ticketrestaurant card enrol /media/usb/ada --device var/devices/ada
    """
    with errors_in_words(as_json):
        taken = take_card(package, device, read_secret("One-time code: "))
    if as_json:
        say_json({"card": str(taken.card_id), "package_removed": taken.removed})
        return
    typer.echo(f"{device} is now card {taken.card_id}")
    if not taken.removed:
        typer.echo(f"Remove {package}: it cannot be removed from here.", err=True)


@app.command()
def balance(device: DeviceFolder, as_json: AsJson = False) -> None:
    """What the account holds, and what it may still spend today.

    Example: ticketrestaurant card balance --device var/devices/CARD-ID
    """

    async def read() -> Body:
        async with _open(device) as card:
            return await card.balance()

    found = run(read(), as_json)
    if as_json:
        say_json(found)
        return
    words = f"Balance {_amount(found.get('balance_cents'))}"
    words += f" · spent today {_amount(found.get('spent_today_cents'))}"
    limit = found.get("daily_limit_cents")
    typer.echo(words + (f" of at most {_amount(limit)}" if limit is not None else ""))
    if found.get("expires_day"):
        typer.echo(
            f"{_amount(found.get('expires_cents'))} of it can be spent until"
            f" {found['expires_day']!s:.10}"
        )


@app.command()
def history(device: DeviceFolder, as_json: AsJson = False) -> None:
    """The account's payments with any of its cards, newest first.

    Example: ticketrestaurant card history --device var/devices/CARD-ID
    """

    async def read() -> list[Body]:
        async with _open(device) as card:
            return await card.history()

    rows = run(read(), as_json)
    if as_json:
        say_json({"rows": rows})
    elif not rows:
        typer.echo("No payments yet.")
    else:
        _show_history(rows)


@app.command()
def alerts(device: DeviceFolder, as_json: AsJson = False) -> None:
    """Payments with this account's cards that looked unusual: was it you?

    Example: ticketrestaurant card alerts --device var/devices/CARD-ID
    """

    async def read() -> list[Body]:
        async with _open(device) as card:
            return await card.alerts()

    rows = run(read(), as_json)
    if as_json:
        say_json({"rows": rows})
        return
    if not rows:
        typer.echo("Nothing unusual.")
    for row in rows:
        at = datetime.fromtimestamp(row.get("raised_ms", 0) / 1000).astimezone()
        typer.echo(
            f"{at:%Y-%m-%d %H:%M %Z}  {_amount(row.get('amount_cents'))}: {row.get('words')}"
        )
        said = {"mine": "You said: it was me.", "not-mine": "You said: it was not me."}
        asked = f"Was it you? card answer {row.get('alert')} --mine or --not-mine"
        typer.echo(f"  {said.get(str(row.get('answer')), asked)}")


@app.command()
def answer(
    alert: Annotated[str, typer.Argument(help="Its id, as `card alerts` shows it.")],
    device: DeviceFolder,
    mine: Annotated[bool, typer.Option("--mine/--not-mine", help="Whether it was you.")],
    as_json: AsJson = False,
) -> None:
    """Says whether an unusual payment was yours. If not, the plastic card is blocked at once.

    Example: ticketrestaurant card answer ALERT-ID --not-mine --device var/devices/CARD-ID
    """
    with errors_in_words(as_json):
        id = parse_alert(alert)

    async def tell() -> Body:
        async with _open(device) as card:
            return await card.answer(id, mine=mine)

    result = run(tell(), as_json)
    if as_json:
        say_json(result)
        return
    typer.echo("Thank you." if mine else "Thank you. The issuer was told.")
    if result.get("blocked"):
        typer.echo(f"The card {result['blocked']} is blocked.")


@app.command()
def menu(device: DeviceFolder, terminal: Terminal, as_json: AsJson = False) -> None:
    """The menu of the shop where the terminal stands, asked of the terminal itself.

    Example: ticketrestaurant card menu --device var/devices/CARD-ID --terminal TERMINAL-ID
    """
    with errors_in_words(as_json):
        to = parse_terminal(terminal)

    async def read() -> None:
        async with _open(device) as card:
            found = await card.menu(to)
        if as_json:
            say_json(found.body())
            return
        typer.echo(found.shop_name)
        for line in table(found):
            typer.echo(line)

    run(read(), as_json)


@app.command()
def order(
    device: DeviceFolder,
    terminal: Terminal,
    item: Annotated[list[str], typer.Option(help="Item, QUICHE or QUICHE:2; repeatable.")],
    tip_up_to: Annotated[
        str, typer.Option(metavar="DOLLARS", help="The highest tip that the shop may add.")
    ] = "",
    as_json: AsJson = False,
) -> None:
    """Orders, waits for the cashier, pays, and shows the backend's decision.

    Example: ticketrestaurant card order --device var/devices/CARD-ID --terminal ID --item Quiche:2
    """
    with errors_in_words(as_json):
        to, wanted = parse_terminal(terminal), [parse_choice(text) for text in item]
        if not wanted:
            raise WrongUse("give --item")
        tip_cents = parse_amount(tip_up_to) if tip_up_to else 0

    async def pay() -> Decision:
        async with _open(device) as card:
            return await card.order(to, wanted, tip_cents=tip_cents)

    decision = run(pay(), as_json)
    if as_json:
        say_json({**asdict(decision), "words": in_words(decision)})
    else:
        colour = "green" if decision.approved else "red"
        typer.secho(in_words(decision), fg=colour, bold=True)
    undecided = decision.code in UNDECIDED
    raise typer.Exit(OK if decision.approved else UNREACHABLE if undecided else REFUSED)


@app.command()
def dispute(
    device: DeviceFolder,
    payment: Annotated[
        str, typer.Argument(metavar="PAYMENT", help="Its id, as `card history` shows it.")
    ],
    why: Annotated[str, typer.Option(help="What is wrong, in one line.")],
    amount: Annotated[
        str, typer.Option(metavar="DOLLARS", help="Only so much of it; else all.")
    ] = "",
    document: Annotated[
        Path | None,
        typer.Option(
            help="What you can show. Only its SHA-256 is sent; keep the file.",
            exists=True,
            dir_okay=False,
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Contests a payment of your account, within 60 days. Again: tells how the dispute stands.

    Example: ticketrestaurant card dispute 019f6b1c-… --device var/devices/CARD-ID
    --why "I was not there"
    """
    with errors_in_words(as_json):
        to, cents = parse_payment(payment), parse_amount(amount) if amount else 0
        if not why.strip() or len(why) > TEXT_MOST or not why.isprintable():
            raise WrongUse(f"--why takes one line of 1 to {TEXT_MOST} characters")
        shown = sha256(document.read_bytes()).digest() if document else b""

    async def ask() -> Body:
        async with _open(device) as card:
            return await card.dispute(to, why, amount_cents=cents, document=shown)

    answer = run(ask(), as_json)
    if as_json:
        say_json(answer)
    else:
        typer.echo(_dispute_in_words(answer))
    raise typer.Exit(REFUSED if answer.get("state") == "refused" else OK)


def _dispute_in_words(answer: Body) -> str:
    words = str(answer.get("text", ""))
    if answer.get("state") == "refused":
        return words
    words += f" In dispute: {_amount(answer.get('amount_cents'))}"
    if answer.get("credited_cents"):
        words += f" · given back: {_amount(answer.get('credited_cents'))}"
    until = answer.get("decide_until_ms")
    if answer.get("state") == "open" and type(until) is int:
        words += f" · by {datetime.fromtimestamp(until / 1000).astimezone():%Y-%m-%d}"
    return f"{words} · dispute {answer.get('dispute', '')}"


@app.command()
def script(device: DeviceFolder) -> None:
    """One long session driven by JSON lines: commands on stdin, answers on stdout.

    Commands: balance, history, menu, order, dispute, quit.

    Example: echo '{"do":"balance"}' | ticketrestaurant card script --device var/devices/CARD-ID
    """

    async def serve() -> None:
        async with _open(device) as card:
            await CardScript(card).run(_CONNECT_S)

    run(serve(), as_json=True)


def _amount(cents: Any) -> str:
    return show_amount(cents) if type(cents) is int else "unknown"


def _show_history(rows: Sequence[Body]) -> None:
    for row in rows:
        ms, cents = row.get("decided_ms"), row.get("amount_cents")
        when = f"{datetime.fromtimestamp(ms / 1000).astimezone():%Y-%m-%d %H:%M %Z}" if ms else ""
        line = f"{when:<20}  {_amount(cents):>11}  {row.get('state', '')!s:<12}"
        line += f" {row.get('shop_name', '')}"
        before = row.get("original_cents", cents)
        line += f" (was {_amount(before)})" if before != cents else ""
        typer.echo(f"{line} · payment {row.get('transaction', '')}")


if __name__ == "__main__":
    app()
