"""What commands print: results on standard output, everything else on standard error."""

import contextlib
import json
import shlex
import sys
import time
from collections.abc import Iterator
from typing import Any, Final

_GIVEN: Final[list[str]] = []
"""What of the command line a further command needs, too."""


def counted(number: int, what: str) -> str:
    """`1 event`, `1,200 events`."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def printable(text: str) -> str:
    """What others wrote must not move the cursor of who reads it: shown as \ufffd."""
    return "".join(each if each.isprintable() else "\ufffd" for each in text)


def say(text: str) -> None:
    """A line for the person who watches; not part of the result."""
    print(text, file=sys.stderr, flush=True)


def this_program(*arguments: str) -> str:
    """How to call us for the same state folder, to be typed as it stands."""
    return shlex.join(["ticketrestaurant", *_GIVEN, *arguments])


def remember_home(home: str) -> None:
    """The state folder was named on the command line: hints name it, too."""
    _GIVEN[:] = ["--home", home]


def print_json(value: Any) -> None:
    """The result for a program: UTF-8, indented, keys in the order given."""
    print(json.dumps(value, indent=2, ensure_ascii=False, default=str), flush=True)


@contextlib.contextmanager
def step(text: str) -> Iterator[None]:
    """Shows that something runs, on a terminal with a spinner, and afterwards how long it took."""
    started_s = time.monotonic()
    if sys.stderr.isatty():
        from rich.console import Console

        with Console(stderr=True).status(f"{text} …"):
            yield
    else:
        yield
    say(f"  ✓ {text} ({time.monotonic() - started_s:.1f} s)")


@contextlib.contextmanager
def progress(text: str, total: int) -> "Iterator[Progress]":
    """A bar for `total` units of work, on a terminal; silent elsewhere."""
    if not sys.stderr.isatty():
        yield Progress()
        return
    from rich.console import Console
    from rich.progress import Progress as Bars

    with Bars(console=Console(stderr=True), transient=True) as bars:
        task = bars.add_task(text, total=total)
        yield Progress(lambda units: bars.advance(task, units))


class Progress:
    """Told how many units of work were done."""

    def __init__(self, advance: Any = None) -> None:
        self._advance = advance

    def advance(self, units: int) -> None:
        """More are done."""
        if self._advance is not None:
            self._advance(units)
