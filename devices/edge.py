"""What the command lines of POS and card share: exit codes, errors in words, input and output.

Exit codes: 0 approved or done, 1 refused, 2 wrong use or unreadable input, 3 unreachable.
"""

import asyncio
import contextlib
import json
import sys
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator, Mapping
from getpass import getpass
from pathlib import Path
from typing import Annotated, Any, NamedTuple, TypeVar

import typer

from devices.card.core import NotWhatWasOrdered
from devices.durable import InUse
from devices.exchange import Body, NoAnswer, Refused, Unreachable
from devices.identity import IdentityError
from devices.keystore import KeyStoreError
from devices.magstripe import StripeError
from devices.menu import MenuError
from devices.money import AmountError
from devices.pos.core import NotWaiting
from devices.pos.journal import JournalError
from devices.pos.payment import PinError
from protocol import errors
from protocol.errors import ProtocolError

OK, REFUSED, USAGE, UNREACHABLE = 0, 1, 2, 3
_T = TypeVar("_T")
Commands = Mapping[str, Callable[[Body], Awaitable[Body]]]
DeviceFolder = Annotated[
    Path, typer.Option("--device", help="The identity folder of the device.", metavar="DIR")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of words.")]
_AWAY = (errors.UNAVAILABLE, errors.NO_SUCH_PEER, errors.BUSY, errors.RATE_LIMITED)


class Fault(NamedTuple):
    """An error for programs (`code`), for people (`text`) and for the shell (`status`)."""

    code: str
    text: str
    status: int


class WrongUse(Exception):
    """A command that makes no sense as it was given."""


def fault_of(error: BaseException) -> Fault | None:
    """What to say about an expected error; None for one that is a fault of the program."""
    text = str(error)
    match error:
        case StripeError():
            return Fault(f"stripe-{error.code}", text, USAGE)
        case AmountError():
            return Fault("amount", text, USAGE)
        case PinError():
            return Fault("pin", text, USAGE)
        case MenuError():
            return Fault("menu", text, USAGE)
        case NotWaiting() | WrongUse():
            return Fault("usage", text, USAGE)
        case IdentityError() | KeyStoreError() | JournalError() | InUse():
            return Fault("device", text, USAGE)
        case NotWhatWasOrdered():
            return Fault("not-signed", text, REFUSED)
        case Refused():
            return Fault(error.code, text, UNREACHABLE if error.code in _AWAY else REFUSED)
        case NoAnswer():
            return Fault("no-answer", text, UNREACHABLE)
        case Unreachable():
            return Fault("unreachable", text, UNREACHABLE)
        case ProtocolError():
            return Fault(error.code, error.text, UNREACHABLE)
    return None


@contextlib.contextmanager
def errors_in_words(as_json: bool = False) -> Iterator[None]:
    """Turns expected errors into a sentence (or JSON) and an exit code."""
    try:
        yield
    except KeyboardInterrupt:
        raise typer.Exit(130) from None
    except Exception as error:
        fault = fault_of(error)
        if fault is None:
            raise
        if as_json:
            say_json({"error": fault.code, "text": fault.text})
        else:
            typer.echo(_sentence(fault.text), err=True)
        raise typer.Exit(fault.status) from None


def run(work: Coroutine[Any, Any, _T], as_json: bool = False) -> _T:
    """Runs the coroutine to its end, its expected errors in words."""
    with errors_in_words(as_json):
        return asyncio.run(work)
    raise AssertionError("unreachable")


def say_json(body: Body) -> None:
    """One line of JSON on standard output, out at once."""
    sys.stdout.write(json.dumps(body, ensure_ascii=False) + "\n")
    sys.stdout.flush()


def read_secret(prompt: str) -> str:
    """A line from standard input; asked for without echo where a person types it.

    Card data and PINs come this way and never as arguments: those every user of a machine sees.
    """
    if sys.stdin.isatty():
        return getpass(prompt)
    return sys.stdin.readline().rstrip("\r\n")


def parse_choice(text: str) -> tuple[str, int]:
    """Item and quantity of "Quiche:2" or "Quiche". Raises WrongUse."""
    name, colon, count = text.rpartition(":")
    if not colon:
        return text, 1
    if not name or not (count.isascii() and count.isdigit()) or len(count) > 3:
        raise WrongUse("an item looks like Quiche or Quiche:2")
    return name, int(count)


def wanted_items(wanted: Any) -> list[tuple[str, int]]:
    """(item, quantity) pairs of [["Quiche", 2], {"item": "7", "quantity": 1}]. Raises WrongUse."""
    pairs = []
    for each in wanted if isinstance(wanted, list) else []:
        match each:
            case [str(item), int(quantity)]:
                pairs.append((item, quantity))
            case {"item": str(item), "quantity": int(quantity)}:
                pairs.append((item, quantity))
            case {"item": str(item)}:
                pairs.append((item, 1))
            case str(item):
                pairs.append((item, 1))
            case _:
                raise WrongUse('items look like [["Quiche", 2]] or [{"item": "7", "quantity": 1}]')
    return pairs


async def input_lines() -> AsyncIterator[str]:
    """The lines of standard input, without blocking the rest; ends with it."""
    loop = asyncio.get_running_loop()
    lines: asyncio.Queue[str] = asyncio.Queue()

    def read() -> None:
        # A thread that nobody waits for: the program may end while it still reads.
        with contextlib.suppress(RuntimeError):  # the loop is closed
            while line := sys.stdin.readline():
                loop.call_soon_threadsafe(lines.put_nowait, line)
            loop.call_soon_threadsafe(lines.put_nowait, "")

    threading.Thread(target=read, daemon=True).start()
    while line := await lines.get():
        yield line


async def serve_script(commands: Commands) -> None:
    """Answers each JSON line of standard input, in order, by one JSON line on standard output.

    An answer repeats the command's `do`, and its `id` if it has one; an error has `error` and
    `text`. Ends with {"do":"quit"} or the end of the input.
    """
    async for line in input_lines():
        if not line.strip():
            continue
        command = _command(line)
        do = str(command.get("do", ""))
        if do == "quit":
            return
        head: Body = {name: command[name] for name in ("do", "id") if name in command}
        say_json({**head, **await _answer(commands, do, command)})


async def _answer(commands: Commands, do: str, command: Body) -> Body:
    if do not in commands:
        known = ", ".join([*commands, "quit"])
        return {"error": "usage", "text": f'"do" is one of: {known}'}
    try:
        return await commands[do](command)
    except Exception as error:
        fault = fault_of(error)
        if fault is None:
            raise
        return {"error": fault.code, "text": fault.text}


def _command(line: str) -> Body:
    try:
        command = json.loads(line)
    except ValueError:
        return {}
    return command if isinstance(command, dict) else {}


def _sentence(text: str) -> str:
    if "/" not in text.partition(" ")[0]:  # a path is shown as it is
        text = text[:1].upper() + text[1:]
    return text if text.endswith((".", "!", "?", "”")) else text + "."
