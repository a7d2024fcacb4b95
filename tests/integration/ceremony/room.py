"""People around a terminal: the real command, whose questions a thread answers as they come."""

import os
import re
import subprocess
import threading
from pathlib import Path

from adapters import settings
from adapters.cli.parts import environment, program
from adapters.settings import PREFIX

CUSTODIANS = ("Chiara Ito", "Dev Roy", "Eun Kim")
PEOPLE = (
    "--administrator", "Ada Ng", "--witness", "Bo Ruiz",
    *(word for name in CUSTODIANS for word in ("--custodian", name)),
)  # fmt: skip


def command(home: Path, *arguments: str, stdin: str = "") -> "subprocess.CompletedProcess[str]":
    """A command of the program in a state folder, to its end."""
    return subprocess.run(
        program(*arguments), env=_environment(home), input=stdin, capture_output=True, text=True,
        timeout=60,
    )  # fmt: skip


def _environment(home: Path) -> dict[str, str]:
    clean = {name: text for name, text in os.environ.items() if not name.startswith(PREFIX)}
    return {**environment(settings.load({}, home)), **clean, PREFIX + "HOME": str(home)}


class Room:
    """What was said on standard error is in `said`; questions end with a colon and a blank."""

    def __init__(
        self, home: Path, *arguments: str, shares: dict[int, list[str]] | None = None
    ) -> None:
        """`shares`: those that the custodians keep already, by number."""
        self.said = ""
        self.shares = {} if shares is None else shares
        self._process = subprocess.Popen(
            program(*arguments), env=_environment(home), stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def wait(self) -> int:
        """The exit status."""
        status = self._process.wait(60)
        self._thread.join(10)
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            assert pipe is not None
            pipe.close()
        return status

    def kill(self) -> None:
        """Without a word to anybody."""
        self._process.kill()
        self.wait()

    def _listen(self) -> None:
        assert self._process.stderr is not None
        asked = 0
        while byte := self._process.stderr.read(1):
            self.said += byte.decode("latin-1")
            question = self.said[asked:]
            if question.endswith((": ", "press Enter.", "is cleared.")):
                answer = self._answer(question)
                if answer is not None:
                    asked = len(self.said)
                    self._say(answer)

    def _answer(self, question: str) -> str | None:
        if question.endswith("Type yes: "):
            return "yes"
        if question.endswith("press Enter."):
            return ""
        if question.endswith("is cleared."):
            number = len(self.shares) + 1
            self.shares[number] = re.findall(r"^ +\d+  ([a-z]+)$", question, re.MULTILINE)
            return ""
        share = re.search(r"type the words of share (\d+): $", question)
        if share:
            return " ".join(self.shares[int(share[1])]).upper()
        if question.endswith("Type the last 8 digits: "):
            found = re.findall(r"^    ((?:[0-9a-f]{4} ?){16})$", question, re.MULTILINE)
            return str(found[-1].replace(" ", "")[-8:])
        return None

    def _say(self, text: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(text.encode() + b"\n")
        self._process.stdin.flush()
