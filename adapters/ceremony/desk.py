"""Where the people sit: what the ceremony says to them and asks of them, one at a time.

Three desks: a terminal; a terminal where shares go into files instead of onto the screen; and a
sandbox that answers by itself.
"""

import contextlib
import getpass
import os
import re
import sys
from pathlib import Path
from typing import Protocol

from adapters.ceremony.people import Person


class Abandoned(Exception):
    """Somebody said no, or left: the ceremony waits, and goes on when it is started again."""


class Desk(Protocol):
    """What the conduct of a ceremony needs of its surroundings. All methods raise Abandoned."""

    def tell(self, text: str) -> None:
        """For everybody in the room."""

    def confirm(self, person: Person, statement: str) -> None:
        """Returns once the person has said yes to the statement."""

    def show_share(self, person: Person, number: int, words: str) -> str:
        """Gives the custodian the share, nobody else; says how: `on the screen`, `in a file`."""

    def ask_share(self, person: Person, number: int) -> str:
        """The words of a share as its custodian gives them, perhaps wrong."""

    def ask_ending(self, person: Person, name: str, fingerprint: str) -> str:
        """The last eight digits of a fingerprint, typed by who heard it read aloud."""


class TerminalDesk:
    """Everybody around one terminal. `shares_to`: a folder that shares go to, each in a file."""

    def __init__(self, shares_to: Path | None = None) -> None:
        self._shares_to = shares_to

    def tell(self, text: str) -> None:
        """See the port."""
        print(text, file=sys.stderr, flush=True)

    def confirm(self, person: Person, statement: str) -> None:
        """See the port."""
        answer = _ask(f"{person}: {statement} Type yes: ")
        while answer.strip().lower() != "yes":
            if answer.strip().lower() in ("no", "n"):
                raise Abandoned(f"{person} said no")
            answer = _ask("Type yes, or no to stop here: ")

    def show_share(self, person: Person, number: int, words: str) -> str:
        """See the port."""
        if self._shares_to is not None:
            path = write_share(self._shares_to, person, number, words)
            self.tell(f"{person}: share {number} is in {path}")
            return "in a file"
        _ask(f"{person}: come to the screen alone, and press Enter.")
        for place, word in enumerate(words.split(), start=1):
            self.tell(f"    {place:>2}  {word}")
        _ask("Write all words down in this order, then press Enter: the screen is cleared.")
        if sys.stderr.isatty():
            print("\033[2J\033[3J\033[H", end="", file=sys.stderr, flush=True)
        return "on the screen"

    def ask_share(self, person: Person, number: int) -> str:
        """See the port: not shown where it is typed."""
        prompt = f"{person}: type the words of share {number}: "
        if not sys.stdin.isatty():
            return _ask(prompt)
        try:
            return getpass.getpass(prompt)
        except (EOFError, KeyboardInterrupt):
            raise Abandoned("the input ended") from None

    def ask_ending(self, person: Person, name: str, fingerprint: str) -> str:
        """See the port."""
        self.tell(f"\n{name}:\n    {grouped(fingerprint)}")
        return _ask(f"{person}: read it aloud. Everybody else: compare. Type the last 8 digits: ")


class SandboxDesk:
    """Nobody is there: it answers what honest people would. Shares lie in files."""

    def __init__(self, shares_to: Path, *, quiet: bool = False) -> None:
        self._shares_to = shares_to
        self._quiet = quiet

    def tell(self, text: str) -> None:
        """See the port."""
        if not self._quiet:
            print(text, file=sys.stderr, flush=True)

    def confirm(self, person: Person, statement: str) -> None:
        """See the port."""

    def show_share(self, person: Person, number: int, words: str) -> str:
        """See the port."""
        write_share(self._shares_to, person, number, words)
        return "in a file"

    def ask_share(self, person: Person, number: int) -> str:
        """See the port."""
        try:
            return share_file(self._shares_to, person, number).read_text(encoding="utf-8")
        except OSError as error:
            raise Abandoned(f"{person}'s share cannot be read: {error.strerror}") from None

    def ask_ending(self, person: Person, name: str, fingerprint: str) -> str:
        """See the port."""
        return fingerprint[-8:]


def share_file(folder: Path, person: Person, number: int) -> Path:
    """Where a custodian's share goes."""
    name = re.sub(r"[^a-z0-9]+", "-", person.name.lower()).strip("-")
    return folder / f"share-{number}-{name or 'custodian'}.txt"


def write_share(folder: Path, person: Person, number: int, words: str) -> Path:
    """A new file of mode 0600 for one custodian, and for nobody else. Raises Abandoned."""
    path = share_file(folder, person, number)
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with contextlib.suppress(FileNotFoundError):
            if path.read_text(encoding="utf-8") == words + "\n":  # before an interruption
                return path
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(words + "\n")
            file.flush()
            os.fsync(file.fileno())
    except FileExistsError:
        raise Abandoned(f"{path} is there already and is another share: move it away") from None
    except OSError as error:
        raise Abandoned(f"{path}: {error.strerror}") from None
    return path


def grouped(fingerprint: str) -> str:
    """In groups of four, as it is read aloud."""
    return " ".join(fingerprint[at : at + 4] for at in range(0, len(fingerprint), 4))


def _ask(prompt: str) -> str:
    print(prompt, end="", file=sys.stderr, flush=True)
    try:
        line = sys.stdin.readline()
    except KeyboardInterrupt:
        line = ""
    if not line:
        raise Abandoned("the input ended")
    return line.rstrip("\r\n")
