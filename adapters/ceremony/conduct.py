"""The ceremony, step by step: each is done once, written down, and never done again.

A step does its work first and is written down after it; every work finds out by itself how far it
came before an interruption, so doing it again changes nothing (keys that exist stay, shares that
were split stay the same). Whatever happens, starting again goes on at the first missing step.
"""

from collections.abc import Callable, Iterator
from datetime import datetime
from functools import partial
from typing import Any, Protocol

from adapters.ceremony import shares as sharing
from adapters.ceremony import software
from adapters.ceremony.desk import Abandoned, Desk
from adapters.ceremony.hsm import Made
from adapters.ceremony.open_secrets import OpenSecrets
from adapters.ceremony.people import CUSTODIAN, Person, Plan
from adapters.ceremony.shares import ShareError
from adapters.ceremony.sitting import TRIES, Sitting, utc_now
from adapters.ceremony.transcript import Transcript

Step = tuple[str, Callable[[], None]]


class HsmPort(Protocol):
    """`adapters.ceremony.hsm.CeremonyHsm`."""

    def module_facts(self) -> dict[str, Any]: ...
    def provision(self, pin: str) -> dict[str, Any]: ...
    def key_facts(self, pin: str) -> list[dict[str, Any]]: ...
    def establish(self, pin: str) -> list[Made]: ...
    def opens_with(self, pin: str) -> bool: ...


class Conduct:
    """One ceremony at one desk, from its first step or from where it was interrupted."""

    def __init__(
        self,
        plan: Plan,
        transcript: Transcript,
        secrets: OpenSecrets,
        hsm: HsmPort,
        desk: Desk,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._plan, self._hsm, self._desk = plan, hsm, desk
        self._transcript, self._secrets = transcript, secrets
        self._sitting = Sitting(plan, transcript, secrets, desk, clock)
        self._leader = plan.administrator
        self._write, self._note = self._sitting.write, self._sitting.note

    def run(self) -> None:
        """All steps that are not done yet. Raises Abandoned, HsmUnavailable, OSError."""
        if self._transcript.find("closing") is not None:
            return  # interrupted while it was signed: nothing follows the line that is signed
        if self._transcript.entries:
            self._forget_shares()
            self._note(self._leader, "The ceremony was interrupted and goes on.")
        for name, work in self._steps():
            if self._transcript.find(name) is None:
                work()

    def _steps(self) -> Iterator[Step]:
        """Computed as it goes: later steps depend on what earlier ones found."""
        yield "opening", self._open
        for person in self._plan.people:
            yield f"present {person.name}", partial(self._sitting.be_present, person)
        yield "pin", self._make_pin
        yield "token", self._make_token
        for number, facts in enumerate(self._hsm.key_facts(self._secrets.pin), start=1):
            yield f"key {facts['label']}", partial(self._write_key, number, facts)
        made = self._hsm.establish(self._secrets.pin)
        for each in made:
            yield each.name, partial(self._write_made, each)
        yield "split", self._split
        for number, person in enumerate(self._plan.custodians, start=1):
            yield f"share {number}", partial(self._give_share, number, person)
        yield "rehearsal", self._rehearse
        for each in made:
            yield f"read {each.name}", partial(self._sitting.read_aloud, each.name, each.sha256)
        yield "closing", self._close

    def _open(self) -> None:
        plan = self._plan
        kind = "sandbox ceremony: its people do not exist" if plan.sandbox else "ceremony"
        text = (
            f"Opened as a {kind}. {len(plan.custodians)} custodians; any {plan.threshold} of"
            " their shares give the HSM's PIN."
        )
        self._write(self._leader, "opening", text, {
            **plan.as_json(), "keys": self._sitting.keys(), "machine": software.machine(),
            "software": {**software.program(), **self._hsm.module_facts()},
        })  # fmt: skip

    def _make_pin(self) -> None:
        given = self._secrets.pin_given
        if not self._secrets.pin:
            self._secrets.pin = sharing.make_pin()
        text = (
            "The HSM's PIN was handed over by its maker's tools."
            if given
            else f"The program made a random PIN of {sharing.MADE_PIN_LENGTH} letters and digits;"
            " nobody saw it."
        )
        self._write(self._leader, "pin", text, {"given": given})

    def _make_token(self) -> None:
        self._desk.tell("The HSM is initialised and makes its keys …")
        facts = self._hsm.provision(self._secrets.pin)
        text = (
            f"Token {facts['label']}, serial number {facts['serial']}, of {facts['manufacturer']}"
            f" {facts['model']}, initialised."
        )
        self._write(self._leader, "token", text, facts)

    def _write_key(self, number: int, facts: dict[str, Any]) -> None:
        text = f"Key {number}: {facts['label']}, {facts['type']}, made inside, cannot be read out."
        self._write(self._leader, f"key {facts['label']}", text, facts)

    def _write_made(self, made: Made) -> None:
        until = f", valid until {made.facts['not_after']}" if made.facts else ""
        self._desk.tell(f"{made.name}: {made.sha256}")
        text = f"The {made.name}{until}: SHA-256 {made.sha256}."
        self._write(self._leader, made.name, text, {"sha256": made.sha256, **made.facts})

    def _split(self) -> None:
        plan, secrets = self._plan, self._secrets
        if not secrets.shares:
            made = sharing.split(secrets.pin, plan.threshold, len(plan.custodians))
            secrets.shares = {str(number): words for number, words in enumerate(made, start=1)}
        first = sharing.read(secrets.shares["1"])
        text = (
            f"The PIN was split into {len(plan.custodians)} shares by SLIP-0039; {plan.threshold}"
            f" are needed. The shares' identifier is {first.identifier}."
        )
        prints = {number: sharing.fingerprint(words) for number, words in secrets.shares.items()}
        facts = {"identifier": first.identifier, "threshold": plan.threshold, "shares": prints}
        self._write(self._leader, "split", text, facts)

    def _give_share(self, number: int, person: Person) -> None:
        words = self._secrets.shares[str(number)]
        print_of_it = sharing.fingerprint(words)
        for _ in range(TRIES):
            how = self._desk.show_share(person, number, words)
            typed = self._desk.ask_share(person, number)
            if _is_same(typed, words):
                break
            self._desk.tell("That is not the share that was given. It is shown again.")
            self._note(person, f"Share {number} was given back wrongly and is given again.")
        else:
            raise Abandoned(f"share {number} was given back wrongly {TRIES} times")
        text = (
            f"Took share {number}, {how}, and gave all its words back. Its fingerprint is"
            f" {print_of_it}."
        )
        facts = {"number": number, "fingerprint": print_of_it, "shown": how}
        self._write(person, f"share {number}", text, facts)
        self._forget_shares()

    def _forget_shares(self) -> None:
        """Those that their custodians have: the next line that is written leaves them out."""
        for number in list(self._secrets.shares):
            if self._transcript.find(f"share {number}") is not None:
                del self._secrets.shares[number]

    def _rehearse(self) -> None:
        """The last custodians, so that the first share is not always among those tried."""
        split = self._transcript.find("split")
        assert split is not None
        custodians = list(enumerate(self._plan.custodians, start=1))[-self._plan.threshold :]
        names = " and ".join(person.name for _, person in custodians)
        self._desk.tell(f"\nRehearsal: {names} give the PIN back from their shares.")
        for _ in range(TRIES):
            given = [self._desk.ask_share(person, number) for number, person in custodians]
            try:
                pin = sharing.combine(given, split.facts["identifier"])
            except ShareError as error:
                self._desk.tell(f"{error}. Once more.")
                self._note(self._leader, f"The rehearsal failed: {error}. It is repeated.")
                continue
            break
        else:
            raise Abandoned(f"the rehearsal failed {TRIES} times")
        if pin != self._secrets.pin or not self._hsm.opens_with(pin):
            raise Abandoned("the shares give a PIN that does not open the HSM")
        text = f"Recovery was rehearsed: the shares of {names} gave the PIN, and it opened the HSM."
        numbers = [number for number, _ in custodians]
        self._write(self._leader, "rehearsal", text, {"shares": numbers})

    def _close(self) -> None:
        for person in self._plan.people:
            if person.role != CUSTODIAN:
                self._desk.confirm(person, "Everything was done as written, and I sign it.")
        text = (
            "Closed. The root key and every participant sign the hash of this line; then the"
            " program erases its copy of the PIN and the passing keys."
        )
        self._write(self._leader, "closing", text, {"entries": len(self._transcript.entries) + 1})


def _is_same(typed: str, words: str) -> bool:
    try:
        return sharing.normalized(typed) == sharing.normalized(words)
    except ShareError:
        return False
