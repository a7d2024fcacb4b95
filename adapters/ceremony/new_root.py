"""The ceremony for a new root in an installation that serves, step by step.

The custodians of the first ceremony prove themselves with their shares of the HSM's PIN, which is
never written: after an interruption it is asked for again. The root itself is made by two
operators' command, as every new root is; the command names, by its hash, the line of the transcript
that asks for it. A step is written once it is done, and starting again goes on at the first one
that is missing.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, Final, Protocol

from adapters.ceremony import shares as sharing
from adapters.ceremony import software
from adapters.ceremony.desk import Abandoned, Desk
from adapters.ceremony.first import First
from adapters.ceremony.hsm import Made
from adapters.ceremony.open_secrets import OpenSecrets
from adapters.ceremony.order import CLOSING, ORDER
from adapters.ceremony.people import CUSTODIAN, Person, Plan
from adapters.ceremony.shares import ShareError
from adapters.ceremony.sitting import TRIES, Sitting, utc_now
from adapters.ceremony.transcript import Transcript

KIND: Final = "new-root"
"""In the opening's facts; the first ceremony's opening names no kind."""
PRESENT: Final = "present root certificate"
MADE: Final = ("new root certificate", "link certificate", "new issuing certificate")
"""What the rotation makes, as `Made.name` and as the steps are named."""
READ: Final = (PRESENT, MADE[0], MADE[2])
Step = tuple[str, Callable[[], None]]


class HsmPort(Protocol):
    """`adapters.ceremony.hsm.CeremonyHsm`."""

    def module_facts(self) -> dict[str, Any]: ...
    def token_facts(self, pin: str) -> dict[str, Any]: ...
    def opens_with(self, pin: str) -> bool: ...
    def under_root(self, pin: str, generation: int) -> list[Made]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """How it is with the roots: the generation in use; the fingerprints (SHA-256, hex) of those in
    force, oldest first, as the ledger and as `pki/root.pem` have them."""

    generation: int
    in_force: tuple[str, ...]
    in_file: tuple[str, ...]


class ServingPort(Protocol):
    """The installation that serves, through its gateway and its state folder."""

    def state(self) -> State:
        """Now."""

    def rotated(self, order: str, generation: int, tell: Callable[[str], None]) -> dict[str, Any]:
        """Returns once the generation is in use, with the proposal that names the order: its id,
        who proposed it, SHA-256 of the signed command; all empty where none does."""

    def heard(self) -> tuple[str, ...]:
        """The fingerprints of the roots that somebody knows who just opened a session."""

    def backed_up(self, after: datetime) -> dict[str, Any] | None:
        """The backup that was made after that time, or is made now; None where there is none."""


class NewRoot:
    """One ceremony for the root `generation`, from its first step or from where it stopped."""

    def __init__(
        self,
        plan: Plan,
        generation: int,
        shares: Mapping[str, int],
        first: First,
        transcript: Transcript,
        secrets: OpenSecrets,
        hsm: HsmPort,
        serving: ServingPort,
        desk: Desk,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        """`shares`: which share each custodian keeps, by name."""
        self._plan, self._generation, self._shares, self._first = plan, generation, shares, first
        self._transcript, self._hsm, self._serving, self._desk = transcript, hsm, serving, desk
        self._sitting = Sitting(plan, transcript, secrets, desk, clock)
        self._write, self._note = self._sitting.write, self._sitting.note
        self._leader, self._clock = plan.administrator, clock
        self._words: dict[int, str] = {}
        self._pin = ""

    def run(self) -> None:
        """All steps that are not done yet. Raises Abandoned, HsmUnavailable, OSError."""
        if self._transcript.find(CLOSING) is not None:
            return
        if self._transcript.entries:
            self._note(self._leader, "The ceremony was interrupted and goes on.")
        for name, work in self._steps():
            if self._transcript.find(name) is None:
                work()

    def pin(self) -> str:
        """The HSM's, from the custodians' shares; asked for where this process has not had them."""
        if not self._pin:
            if self._transcript.find("proof") and not self._transcript.find(CLOSING):
                self._note(self._leader, "The custodians give their shares once more.")
            given = [self._words_of(person) for person in self._plan.custodians]
            pin = sharing.combine(given[: self._plan.threshold], self._first.identifier)
            if not self._hsm.opens_with(pin):
                raise Abandoned("the shares give a PIN that does not open the HSM")
            self._pin = pin
        return self._pin

    def _steps(self) -> Iterator[Step]:
        yield "opening", self._open
        for person in self._plan.people:
            yield f"present {person.name}", partial(self._sitting.be_present, person)
        yield "state", self._look
        for person in self._plan.custodians:
            yield f"share {self._shares[person.name]}", partial(self._take_share, person)
        yield "proof", self._prove
        yield PRESENT, self._write_present
        yield f"read {PRESENT}", partial(self._read, PRESENT)
        yield ORDER, self._order
        yield "rotated", self._rotate
        for name in MADE:
            yield name, partial(self._write_made, name)
        for name in READ[1:]:
            yield f"read {name}", partial(self._read, name)
        yield "distribution", self._distribute
        yield "backup", self._back_up
        yield CLOSING, self._close

    def _open(self) -> None:
        first, plan = self._first, self._plan
        kind = "A sandbox: its people do not exist. " if plan.sandbox else ""
        text = (
            f"Opened for root {self._generation} of an installation that serves. {kind}Its first"
            f" ceremony was held on {first.held[:10]}, its transcript's hash is {first.head}."
            f" {len(plan.custodians)} of its {len(first.shares)} shares are here; any"
            f" {plan.threshold} give the HSM's PIN."
        )
        self._write(self._leader, "opening", text, {
            **plan.as_json(), "kind": KIND, "generation": self._generation,
            "shares": dict(self._shares), "of": len(first.shares), "first": first.head,
            "keys": self._sitting.keys(), "machine": software.machine(),
            "software": {**software.program(), **self._hsm.module_facts()},
        })  # fmt: skip

    def _look(self) -> None:
        state = checked(self._serving.state(), self._generation)
        (root,) = state.in_force
        text = (
            f"The installation serves. One root is in force, generation {state.generation}, the"
            f" same in the ledger and in pki/root.pem: SHA-256 {root}."
        )
        facts = {"generation": state.generation, "sha256": root}
        self._write(self._leader, "state", text, facts)

    def _take_share(self, person: Person) -> None:
        number = self._shares[person.name]
        print_of_it = sharing.fingerprint(self._words_of(person))
        got = self._first.plan.custodians[number - 1].name
        handed = "" if got == person.name else f" It was handed over: {got} took it then."
        text = (
            f"Gave all words of share {number}. Its fingerprint is {print_of_it}, the one of the"
            f" first ceremony's transcript.{handed}"
        )
        facts = {"number": number, "fingerprint": print_of_it}
        self._write(person, f"share {number}", text, facts)

    def _words_of(self, person: Person) -> str:
        number = self._shares[person.name]
        if number in self._words:
            return self._words[number]
        for _ in range(TRIES):
            words = self._desk.ask_share(person, number)
            why = self._wrong(words, number)
            if not why:
                self._words[number] = words
                return words
            self._desk.tell(f"{why}. Once more.")
            if not self._transcript.find(CLOSING):
                self._note(person, f"Share {number} was not given: {why}.")
        raise Abandoned(f"share {number} was given wrongly {TRIES} times")

    def _wrong(self, words: str, number: int) -> str:
        try:
            known = sharing.read(words)
        except ShareError as error:
            return str(error)
        if known.identifier != self._first.identifier:
            return "it is a share of another ceremony"
        if known.number != number:
            return f"it is share {known.number}"
        if sharing.fingerprint(words) != self._first.shares.get(number):
            return "it is not the share that was given out"
        return ""

    def _prove(self) -> None:
        facts = self._hsm.token_facts(self.pin())
        now = "is the first ceremony's" if facts["serial"] == self._first.token else (
            f"is not the first ceremony's, which was {self._first.token}"
        )  # fmt: skip
        text = (
            f"{self._plan.threshold} shares gave the HSM's PIN, and it opened the token"
            f" {facts['label']}. Its serial number, {facts['serial']}, {now}."
        )
        self._write(self._leader, "proof", text, facts)

    def _write_present(self) -> None:
        (made, *_) = self._hsm.under_root(self.pin(), self._generation - 1)
        state = self._transcript.find("state")
        assert state is not None
        if made.sha256 != state.facts["sha256"]:
            raise Abandoned("the root in the HSM is another than the one in force")
        if self._generation == 2 and made.sha256 != self._first.root:
            raise Abandoned("the root in force is another than the first ceremony's")
        self._certificate(Made(PRESENT, made.sha256, made.facts), "The root in the HSM")

    def _order(self) -> None:
        before = self._generation - 1
        text = (
            f"Two operators are asked to rotate CA-ROOT to generation {self._generation}, which the"
            f" root of generation {before} certifies, and to name the hash of this line."
        )
        self._write(self._leader, ORDER, text, {"key": "CA-ROOT", "generation": self._generation})

    def _rotate(self) -> None:
        order = self._transcript.find(ORDER)
        assert order is not None
        found = self._serving.rotated(order.hash, self._generation, self._desk.tell)
        by = (
            f"by proposal {found['proposal']}, whose signed command has SHA-256"
            f" {found['command_hash']} and names line {order.n} by its hash, {order.hash}"
            if found["proposal"]
            else f"but no proposal on record that was approved names line {order.n}"
        )
        text = f"Two operators rotated CA-ROOT to generation {self._generation}, {by}."
        self._write(self._leader, "rotated", text, {"order": order.hash, **found})

    def _write_made(self, name: str) -> None:
        every = self._hsm.under_root(self.pin(), self._generation)
        made = next((each for each in every if each.name == name), None)
        if made is None:
            raise Abandoned(f"the HSM holds no {name} yet")
        self._certificate(made, f"The {name}")

    def _certificate(self, made: Made, what: str) -> None:
        text = f"{what}, valid until {made.facts['not_after']}: SHA-256 {made.sha256}."
        self._write(self._leader, made.name, text, {"sha256": made.sha256, **made.facts})

    def _read(self, name: str) -> None:
        self._sitting.read_aloud(name, self._sha256_of(name))

    def _sha256_of(self, name: str) -> str:
        entry = self._transcript.find(name)
        assert entry is not None
        return str(entry.facts["sha256"])

    def _distribute(self) -> None:
        both = (self._sha256_of(PRESENT), self._sha256_of(MADE[0]))
        state, heard = self._serving.state(), self._serving.heard()
        for where, found in (
            ("the ledger", state.in_force), ("pki/root.pem", state.in_file), ("a session", heard)
        ):  # fmt: skip
            if set(found) != set(both):
                raise Abandoned(f"{where} does not have the two roots: {', '.join(found)}")
        text = (
            "The old and the new root, and no other, are in the ledger, in pki/root.pem, and with"
            " somebody who opened a session after the rotation."
        )
        self._write(self._leader, "distribution", text, {"roots": list(both)})

    def _back_up(self) -> None:
        rotated = self._transcript.find("rotated")
        assert rotated is not None
        facts = self._serving.backed_up(datetime.fromisoformat(rotated.at))
        if facts is None:
            self._desk.confirm(
                self._leader,
                "No backup since the new root was made is known here (ticketrestaurant backup"
                " FILE). HSM and ledger were backed up by other means.",
            )
            text = "Said that HSM and ledger were backed up by other means; the program saw none."
            facts = {}
        else:
            text = (
                f"The installation with its token was backed up: {facts['file']}, SHA-256"
                f" {facts['sha256']}."
            )
        self._write(self._leader, "backup", text, facts)

    def _close(self) -> None:
        for person in self._plan.people:
            if person.role != CUSTODIAN:
                self._desk.confirm(person, "Everything was done as written, and I sign it.")
        text = (
            "Closed. Both root keys and every participant sign the hash of this line; then the"
            " program erases the passing keys."
        )
        self._write(self._leader, CLOSING, text, {"entries": len(self._transcript.entries) + 1})


def checked(state: State, generation: int) -> State:
    """That this generation of the root can be made now. Raises Abandoned."""
    if len(state.in_force) > 1:
        raise Abandoned(
            "two roots are in force: retire the older one first (ticketrestaurant hsm retire"
            " CA-ROOT)"
        )
    if state.generation + 1 != generation:
        raise Abandoned(
            f"CA-ROOT is at generation {state.generation}, and this ceremony is for {generation}"
        )
    if not state.in_force or state.in_file != state.in_force:
        raise Abandoned("pki/root.pem holds another root than the ledger")
    return state
