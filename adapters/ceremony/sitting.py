"""What every ceremony does alike: people are there, lines are written, fingerprints read aloud."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from adapters.ceremony import signatures
from adapters.ceremony.desk import Abandoned, Desk, grouped
from adapters.ceremony.open_secrets import OpenSecrets
from adapters.ceremony.people import WITNESS, Person, Plan
from adapters.ceremony.transcript import NOTE, Entry, Transcript

TRIES: Final = 5


def utc_now() -> datetime:
    """This machine's clock."""
    return datetime.now(UTC)


class Sitting:
    """The people of one ceremony at one desk, with its transcript. Methods raise Abandoned."""

    def __init__(
        self,
        plan: Plan,
        transcript: Transcript,
        secrets: OpenSecrets,
        desk: Desk,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self.plan, self.transcript, self.desk = plan, transcript, desk
        self._secrets, self._clock = secrets, clock
        self.leader = plan.administrator

    def keys(self) -> list[dict[str, Any]]:
        """Each participant's public key, as the opening holds it; makes the passing ones."""
        people = []
        for person in self.plan.people:
            own = self._secrets.key_files.get(person.name)
            key = signatures.own_key(Path(own)) if own else self._passing_key(person)
            public = signatures.public_pem(key)
            people.append({"name": person.name, "own_key": bool(own), "public_key": public})
        return people

    def _passing_key(self, person: Person) -> signatures.ParticipantKey:
        pem = self._secrets.keys.setdefault(person.name, signatures.passing_key())
        return signatures.private_key(pem.encode())

    def be_present(self, person: Person) -> None:
        """The person says so."""
        self.desk.confirm(person, "I am present, and know what I am here for.")
        self.write(person, f"present {person.name}", f"Is present as {person.role}.", {})

    def read_aloud(self, name: str, sha256: str) -> None:
        """The witness reads a fingerprint, and somebody types its end."""
        (witness, *_) = self.plan.in_role(WITNESS)
        for _ in range(TRIES):
            typed = self.desk.ask_ending(witness, name, sha256)
            if "".join(typed.split()).lower() == sha256[-8:]:
                break
            self.desk.tell("These are not its last eight digits.")
            self.note(witness, f"The fingerprint of the {name} was misread.")
        else:
            raise Abandoned(f"the fingerprint of the {name} was misread {TRIES} times")
        text = f"Read the fingerprint of the {name} aloud; all agreed: {grouped(sha256)}."
        self.write(witness, f"read {name}", text, {"sha256": sha256})

    def note(self, person: Person, text: str) -> None:
        """Something besides the steps."""
        self.write(person, NOTE, text, {})

    def write(self, person: Person, step: str, text: str, facts: dict[str, Any]) -> Entry:
        """The next line; what must survive is saved before it. Raises OSError."""
        entry = self.transcript.draft(str(person), step, text, facts, self._clock())
        self._secrets.save(self.transcript)
        self.transcript.append(entry)
        if step != NOTE:
            self.desk.tell(f"  ✓ {entry.n:>2}  {text}")
        return entry
