"""`ticketrestaurant pos void|refund|tip|split`: what follows a payment, and one bill over several
cards. Parses, calls `Pos`, prints."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated
from uuid import UUID

import typer

from devices.edge import (
    OK,
    REFUSED,
    UNREACHABLE,
    AsJson,
    DeviceFolder,
    WrongUse,
    errors_in_words,
    read_secret,
    run,
    say_json,
)
from devices.exchange import Body
from devices.identity import load_device
from devices.money import parse_amount
from devices.pos.adjustments import PATIENCE_S, Adjusted
from devices.pos.adjustments import in_words as adjusted_in_words
from devices.pos.core import Pos
from devices.pos.payment import Outcome, in_words
from devices.pos.split import Share, Split, split, split_in_words
from protocol.adjustment import REFUND, TIP, VOID, WHY_MOST

_CONNECT_S = 5.0
Payment = Annotated[str, typer.Argument(metavar="PAYMENT", help="Its id, as `pos bills` shows it.")]
Why = Annotated[str, typer.Option(help=f"The reason, up to {WHY_MOST} characters.")]
Timeout = Annotated[
    float, typer.Option("--timeout", help="Seconds to wait for the answer.", min=0.1, max=120)
]


def add_to(app: typer.Typer) -> None:
    """Adds the commands."""
    app.command()(void)
    app.command()(refund)
    app.command()(tip)
    app.command("split")(split_bill)


def void(
    device: DeviceFolder,
    payment: Payment,
    why: Why = "",
    timeout: Timeout = PATIENCE_S,
    as_json: AsJson = False,
) -> None:
    """Takes a whole payment of this terminal back, until its day is closed.

    Example: ticketrestaurant pos void 019f6b1c-… --device var/devices/POS-ID --why "wrong table"
    """
    _adjust(device, VOID, payment, "", why, timeout, as_json)


def refund(
    device: DeviceFolder,
    payment: Payment,
    amount: Annotated[str, typer.Argument(metavar="DOLLARS", help="How much goes back.")],
    why: Why = "",
    timeout: Timeout = PATIENCE_S,
    as_json: AsJson = False,
) -> None:
    """Gives back part or all of what is left of a payment of this shop, at any time.

    Example: ticketrestaurant pos refund 019f6b1c-… 4.50 --device var/devices/POS-ID
    """
    _adjust(device, REFUND, payment, amount, why, timeout, as_json)


def tip(
    device: DeviceFolder,
    payment: Payment,
    amount: Annotated[str, typer.Argument(metavar="DOLLARS", help="The tip, on top.")],
    timeout: Timeout = PATIENCE_S,
    as_json: AsJson = False,
) -> None:
    """Adds the tip to a payment of this shop, once, up to what the cardholder agreed to.

    Example: ticketrestaurant pos tip 019f6b1c-… 2.00 --device var/devices/POS-ID
    """
    _adjust(device, TIP, payment, amount, "", timeout, as_json)


def _adjust(
    folder: Path, action: str, payment: str, amount: str, why: str, timeout_s: float, as_json: bool
) -> None:
    with errors_in_words(as_json):
        to, cents = parse_payment(payment), parse_amount(amount) if amount else 0
        if len(why) > WHY_MOST or not why.isprintable():
            raise WrongUse(f"--why takes one line of at most {WHY_MOST} characters")

    async def ask() -> Adjusted:
        async with Pos(load_device(folder, "pos")) as pos:
            return await pos.adjustments.ask(action, to, cents, why, timeout_s=timeout_s)

    answer = run(ask(), as_json)
    if as_json:
        say_json(adjusted_body(answer))
    else:
        colour = "green" if answer.done else "red" if answer.answered else "yellow"
        typer.secho(adjusted_in_words(answer), fg=colour, bold=True)
    raise typer.Exit(OK if answer.done else REFUSED if answer.answered else UNREACHABLE)


def split_bill(
    device: DeviceFolder,
    share: Annotated[
        list[str], typer.Option(metavar="DOLLARS", help="What one card pays; once a card.")
    ],
    as_json: AsJson = False,
) -> None:
    """Takes one bill from several magnetic-stripe cards: all shares are approved, or none stands.

    Track and PIN of each card are asked for without echo; or they are two lines of standard input
    for each share (an empty second line: no PIN). If the power fails in between, the next start of
    the POS takes back what was approved.

    Example: ticketrestaurant pos split --device var/devices/POS-ID --share 12.50 --share 8.00
    """
    with errors_in_words(as_json):
        cents = [parse_amount(text) for text in share]
        shares = []
        for number, amount_cents in enumerate(cents, 1):
            track = read_secret(f"Swipe card {number}: ")
            shares.append(Share(amount_cents, track, read_secret("PIN (empty for none): ")))

    async def ask() -> Split:
        async with Pos(load_device(device, "pos")) as pos:
            await pos.connected(_CONNECT_S)
            return await split(pos, shares)

    ended = run(ask(), as_json)
    if as_json:
        say_json(split_body(ended))
    else:
        for line in split_in_words(ended):
            typer.echo(line)
    waiting = "pending" in ended.reversals.values()
    raise typer.Exit(OK if ended.approved else UNREACHABLE if waiting else REFUSED)


def parse_payment(text: str) -> UUID:
    """The payment's id. Raises WrongUse."""
    try:
        return UUID(text)
    except ValueError:
        raise WrongUse("a payment is named by its id, 36 characters; see `pos bills`") from None


def outcome_body(outcome: Outcome) -> Body:
    """The outcome for programs, with the sentence for people."""
    return {**asdict(outcome), "words": in_words(outcome)}


def adjusted_body(answer: Adjusted) -> Body:
    """The answer for programs, with the sentence for people."""
    return {**asdict(answer), "words": adjusted_in_words(answer)}


def split_body(ended: Split) -> Body:
    """How the bill ended, for programs."""
    return {
        "group": str(ended.group),
        "approved": ended.approved,
        "amount_cents": ended.amount_cents,
        "shares": [outcome_body(each) for each in ended.outcomes],
        "reversals": {str(counter): state for counter, state in ended.reversals.items()},
        "words": split_in_words(ended)[-1],
    }
