"""What the demo prints: numbered sections, and for each step what was expected and what was seen.

Plain text; colours and a clock that runs appear on a terminal only. Whatever is printed passes
`masked`: no card number is shown beyond its first six and last four digits, by no mistake either.
"""

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.text import Text

_WIDTH = 100
_CARD_NUMBER = re.compile(r"(?<![0-9a-f-])([0-9]{6})([0-9]{2,9})([0-9]{4})(?![0-9a-f-])")


class Broken(Exception):
    """A step could not be carried out, and what follows would make no sense."""


class Step:
    """What one step turned out to be; where nothing is expected, that it was done is enough."""

    def __init__(self, text: str, expected: str) -> None:
        self.text, self.expected, self.seen = text, expected, ""
        self.ok: bool | None = None
        self.notes: list[str] = []

    def saw(self, seen: str, ok: bool) -> None:
        """What was seen, and whether it is what was expected."""
        self.seen, self.ok = seen, ok

    def compare(self, seen: str) -> None:
        """For what is expected word by word."""
        self.saw(seen, seen == self.expected)

    def note(self, text: str) -> None:
        """A further line for whoever wants to know more."""
        self.notes.append(text)


class Narrator:
    """Prints the story and counts what was as expected."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(highlight=False, soft_wrap=True)
        self._section_s = self._began_s = time.monotonic()
        self.checked = 0
        self.failed: list[str] = []

    @property
    def elapsed_s(self) -> float:
        """Since the beginning."""
        return time.monotonic() - self._began_s

    def line(self, text: str = "", style: str = "") -> None:
        """A line as it is."""
        self._console.print(Text(masked(text), style=style))

    def section(self, title: str) -> None:
        """The head of a part of the story."""
        self.line()
        self._ruled(title, f"at {self.elapsed_s:.1f} s", "bold")

    def told(self, name: str, value: str) -> None:
        """A fact, aligned with the others of its kind."""
        self.line(f"      {name:<11}{value}")

    @contextmanager
    def step(self, text: str, expected: str = "") -> Iterator[Step]:
        """Does one step: `step.saw` says how it ended; an exception ends the story.

        While it runs, a terminal shows so. Raises Broken in place of any other failure.
        """
        step, began_s = Step(text, expected), time.monotonic()
        try:
            with self._running(text):
                yield step
        except Exception as error:
            step.saw(str(error) or type(error).__name__, False)
            self._finish(step, began_s)
            raise Broken(text) from error
        self._finish(step, began_s)

    def _finish(self, step: Step, began_s: float) -> None:
        # Something expected that nobody looked at is as good as not seen.
        right = step.ok if step.ok is not None else not step.expected
        self.checked += bool(step.expected) or not right
        if not right:
            self.failed.append(step.text)
        took_s = time.monotonic() - began_s
        took = f"{took_s:.1f} s" if took_s >= 0.1 else f"{took_s * 1000:.0f} ms"
        self._ruled(f"  {'✓' if right else '✗'} {step.text}", took, "" if right else "bold red")
        if step.expected:
            self.line(f"      expected  {step.expected}", "dim")
        if step.seen:
            first, *others = step.seen.splitlines()
            self.line(f"      seen      {first}", "green" if right else "bold red")
            for other in others:
                self.line(f"                {other}", "" if right else "red")
        for note in step.notes:
            self.line(f"                {note}", "dim")

    @contextmanager
    def _running(self, text: str) -> Iterator[None]:
        """On a terminal, a line with a running clock until the step is done."""
        if not self._console.is_terminal:
            yield
            return
        columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
        with Progress(*columns, console=self._console, transient=True) as progress:
            progress.add_task(escape(masked(text)), total=None)
            yield

    def _ruled(self, left: str, right: str, style: str) -> None:
        """Text on the left, its time at the right margin."""
        left = masked(left)
        room = max(1, _WIDTH - len(left) - len(right))
        shown = Text(left, style=style)
        shown.append(" " * room + right, style="dim")
        self._console.print(shown)


def masked(text: str) -> str:
    """The text with every run of digits that could be a card number reduced to 6 + 4."""
    return _CARD_NUMBER.sub(lambda found: f"{found[1]}{'*' * len(found[2])}{found[3]}", text)
