"""A ceremony without an HSM: people who answer as a test says, and an HSM that only counts."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from adapters.ceremony.conduct import Conduct
from adapters.ceremony.hsm import Made
from adapters.ceremony.open_secrets import FILE, OpenSecrets
from adapters.ceremony.people import SANDBOX, Person, Plan
from adapters.ceremony.transcript import TRANSCRIPT_FILE, Transcript

PRINTS = {"root certificate": "ab" * 32, "log key": "cd" * 32}


class HsmDouble:
    """Says what it would have made. `pins` are those that it was opened with."""

    def __init__(self, root: tuple[str, dict[str, Any]] = (PRINTS["root certificate"], {})) -> None:
        self.pins: list[str] = []
        self._root = root

    def module_facts(self) -> dict[str, Any]:
        return {"pkcs11_module": "double", "pkcs11_sha256": "00"}

    def provision(self, pin: str) -> dict[str, Any]:
        self.pins.append(pin)
        return {"label": "t", "serial": "1", "manufacturer": "none", "model": "double"}

    def key_facts(self, pin: str) -> list[dict[str, Any]]:
        return [{"label": "K_DB/1", "type": "AES-256"}]

    def establish(self, pin: str) -> list[Made]:
        return [
            Made("root certificate", *self._root), Made("log key", PRINTS["log key"], {}),
        ]  # fmt: skip

    def opens_with(self, pin: str) -> bool:
        return pin in self.pins


class Table:
    """Honest people, except where a test puts something else into `lies`, in order."""

    def __init__(self) -> None:
        self.shares: dict[int, str] = {}
        self.shown = 0
        self.lies: list[Callable[[str], str]] = []
        self.misread: list[str] = []
        self.told: list[str] = []

    def tell(self, text: str) -> None:
        self.told.append(text)

    def confirm(self, person: Person, statement: str) -> None:
        pass

    def show_share(self, person: Person, number: int, words: str) -> str:
        self.shown += 1
        self.shares[number] = words
        return "on the screen"

    def ask_share(self, person: Person, number: int) -> str:
        words = self.shares[number]
        return self.lies.pop(0)(words) if self.lies else words

    def ask_ending(self, person: Person, name: str, fingerprint: str) -> str:
        return self.misread.pop(0) if self.misread else fingerprint[-8:]


def conduct(folder: Path, hsm: HsmDouble, table: Table, plan: Plan = SANDBOX) -> Transcript:
    """Runs to the end, from wherever the folder is."""
    folder.mkdir(parents=True, exist_ok=True)
    transcript = Transcript.open(folder / TRANSCRIPT_FILE)
    secrets = OpenSecrets.open(folder) or OpenSecrets(folder / FILE)
    secrets.check(transcript)
    Conduct(plan, transcript, secrets, hsm, table).run()
    return transcript
