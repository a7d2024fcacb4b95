"""`python -m adapters.cli.demo`: the command line around the story, called by script/demo.

Exit status: 0 everything was as expected, 1 something was not, 5 wrong configuration, 130 Ctrl-C.
"""

import asyncio
import signal
import sys
from contextlib import contextmanager
from types import FrameType
from typing import Annotated, Final

import typer

from adapters import settings
from adapters.cli import exit_codes
from adapters.cli.background import NotReady
from adapters.cli.demo import keeping
from adapters.cli.demo.narration import Broken, Narrator
from adapters.cli.demo.servers import Servers
from adapters.cli.demo.story import Story
from adapters.settings import SettingsError

_INTERRUPTED: Final = 130
_STOP_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def main(
    keep: Annotated[
        bool, typer.Option("--keep", help="Leave the servers up, and say what to try on them.")
    ] = False,
) -> None:
    """Sets the system up, pays with real cards through it, and shows the records.

    Example: script/demo --keep
    """
    try:
        found = settings.load()
    except SettingsError as error:
        print(f"demo: {error}", file=sys.stderr)
        raise typer.Exit(exit_codes.CONFIGURATION) from None
    raise typer.Exit(_run(found, keep=keep))


def _run(found: settings.Settings, *, keep: bool) -> int:
    narrator = Narrator()
    narrator.line("TicketRestaurant US: the whole system on this machine", "bold")
    servers, story = Servers(found, narrator, keep=keep), Story(found, narrator)
    for number in _STOP_SIGNALS:
        signal.signal(number, _interrupt)
    interrupted = False
    try:
        servers.start()
        asyncio.run(_told(story))
    except Broken as broken:
        narrator.line(f"\nThe demo cannot go on after: {broken}", "bold red")
    except (KeyboardInterrupt, asyncio.CancelledError):
        interrupted = True
        narrator.line("\ninterrupted: stopping what was started", "bold")
    try:
        if interrupted or not keep:
            with _undisturbed():
                servers.stop()
        elif story.town is not None:
            keeping.tell(found, narrator, story)
    except NotReady as error:
        narrator.failed.append(str(error))
        narrator.line(str(error), "bold red")
    return _INTERRUPTED if interrupted else _verdict(narrator, story)


async def _told(story: Story) -> None:
    """The story, which any of the signals cancels: what it started ends first."""
    task = asyncio.current_task()
    assert task is not None
    for number in _STOP_SIGNALS:
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    await story.tell()


def _verdict(narrator: Narrator, story: Story) -> int:
    narrator.line()
    tally = story.tally
    if narrator.failed or not story.ledger_verified:
        for text in narrator.failed:
            narrator.line(f"not as expected: {text}", "red")
        narrator.line(
            f"demo: FAILED, {len(narrator.failed)} of {narrator.checked} checks", "bold red"
        )
        return 1
    narrator.line(f"{narrator.checked} checks in {narrator.elapsed_s:.0f} s, all as expected")
    narrator.line(
        f"demo: {tally.approved + tally.refused} authorizations, {tally.approved} approved,"
        f" {tally.refused} refused, ledger verified",
        "bold green",
    )
    return 0


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


@contextmanager
def _undisturbed():  # type: ignore[no-untyped-def]
    """Whoever presses Ctrl-C again has to wait: else processes would be left behind."""
    before = {number: signal.signal(number, signal.SIG_IGN) for number in _STOP_SIGNALS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


if __name__ == "__main__":
    typer.run(main)
