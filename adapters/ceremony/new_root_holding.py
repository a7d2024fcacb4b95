"""A ceremony for a new root, held beside the first one: begun, gone on with, and closed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from adapters.ceremony.desk import Abandoned, Desk
from adapters.ceremony.first import First, read_first
from adapters.ceremony.holding import (
    NotAgain,
    check_key_files,
    finish,
    is_open,
    recorded_plan,
)
from adapters.ceremony.hsm import CeremonyHsm
from adapters.ceremony.new_root import NewRoot, ServingPort, checked
from adapters.ceremony.open_secrets import FILE, OpenSecrets
from adapters.ceremony.order import folder_of
from adapters.ceremony.people import SANDBOX, Plan, PlanError, planned
from adapters.ceremony.signatures import SIGNATURES_FILE
from adapters.ceremony.transcript import TRANSCRIPT_FILE, Transcript, TranscriptBroken
from devices.durable import FolderLock


@dataclass(frozen=True, slots=True)
class Who:
    """Everybody. `shares`: which share each custodian keeps, by name."""

    plan: Plan
    shares: dict[str, int]
    key_files: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Held:
    """A closed ceremony: for which root, where, and its transcript."""

    generation: int
    folder: Path
    transcript: Transcript


def who_comes(
    first: First, administrator: str, witnesses: Sequence[str], custodians: Sequence[str]
) -> Who:
    """The people of a ceremony, of which the custodians are those of the first one.

    A custodian is a name of the first transcript, or NAME=NUMBER for who keeps that share now.
    Raises PlanError.
    """
    numbers = {person.name: n for n, person in enumerate(first.plan.custodians, start=1)}
    threshold = first.plan.threshold
    if len(custodians) < threshold:
        raise PlanError(
            f"{threshold} of the first ceremony's {len(numbers)} shares are needed, and"
            f" {len(custodians)} custodians are named; they are: {', '.join(numbers)}"
        )
    named: dict[str, str] = {}
    for each in custodians:
        name, _, number = each.partition("=")
        named[name] = number
    plan = planned(administrator, witnesses, list(named), threshold)
    shares: dict[str, int] = {}
    for person, number in zip(plan.custodians, named.values(), strict=True):
        if number and not (number.isascii() and number.isdigit() and int(number) in first.shares):
            raise PlanError(f"there is no share {number}: the first ceremony made {len(numbers)}")
        if not number and person.name not in numbers:
            raise PlanError(
                f"{person.name} got no share in the first ceremony, but {', '.join(numbers)}; who"
                " keeps another's share now is named with its number: NAME=NUMBER"
            )
        shares[person.name] = int(number) if number else numbers[person.name]
    if len(set(shares.values())) != len(shares):
        raise PlanError("a share is named twice")
    return Who(plan, shares)


def sandbox_people() -> Who:
    """As many of the sandbox as are needed: the first custodian and the last."""
    first, _, last = SANDBOX.custodians
    people = tuple(each for each in SANDBOX.people if each not in SANDBOX.custodians)
    return Who(replace(SANDBOX, people=(*people, first, last)), {first.name: 1, last.name: 3})


def first_of(ceremonies: Path) -> First:
    """The first ceremony. Raises NotAgain where none was held, TranscriptBroken, OSError."""
    first = read_first(ceremonies)
    if first is None:
        raise NotAgain(
            "the first root was made without a ceremony, and so is the next, by two operators:"
            " ticketrestaurant hsm rotate CA-ROOT"
        )
    return first


def open_generation(ceremonies: Path) -> int | None:
    """For which root a ceremony was begun and not closed; None where none is open."""
    for folder in sorted(ceremonies.glob("root-*")):
        number = folder.name.removeprefix("root-")
        if number.isascii() and number.isdigit() and is_open(folder):
            return int(number)
    return None


def hold_new_root(
    ceremonies: Path, hsm: CeremonyHsm, serving: ServingPort, desk: Desk, who: Who | None
) -> Held:
    """Begins a ceremony, or goes on with the one that is open; returns when it is closed.

    `who` may be None to go on. Raises NotAgain, PlanError, KeyFileError, Abandoned,
    TranscriptBroken, HsmUnavailable, OSError, `devices.durable.InUse`.
    """
    first = first_of(ceremonies)
    generation = open_generation(ceremonies)
    if generation is None:
        generation = _may_begin(ceremonies, serving, who)
    folder = folder_of(ceremonies, generation)
    folder.mkdir(mode=0o700, exist_ok=True)
    with FolderLock(folder):
        transcript = _held(folder, generation, first, hsm, serving, desk, who)
    (folder / "lock").unlink(missing_ok=True)
    return Held(generation, folder, transcript)


def _may_begin(ceremonies: Path, serving: ServingPort, who: Who | None) -> int:
    """For which root. Nothing is made before."""
    if who is None:
        raise PlanError("name the people of the ceremony: --administrator, --witness, --custodian")
    check_key_files(who.plan, who.key_files)
    state = serving.state()
    generation = state.generation + 1
    try:
        checked(state, generation)
    except Abandoned as error:
        raise NotAgain(str(error)) from None
    folder = folder_of(ceremonies, generation)
    if (folder / TRANSCRIPT_FILE).exists():  # from a backup that was made while it was open
        raise NotAgain(
            f"a ceremony for root {generation} was begun, and what it needs to go on is not here:"
            f" move {folder} away and begin anew"
        )
    return generation


def _held(
    folder: Path,
    generation: int,
    first: First,
    hsm: CeremonyHsm,
    serving: ServingPort,
    desk: Desk,
    who: Who | None,
) -> Transcript:
    secrets = OpenSecrets.open(folder)
    if secrets is None:
        assert who is not None
        secrets = OpenSecrets(folder / FILE, key_files=who.key_files)
    transcript = Transcript.open(folder / TRANSCRIPT_FILE)
    if not (folder / SIGNATURES_FILE).exists():
        secrets.check(transcript)
    who = _recorded(transcript, first, who)
    conduct = NewRoot(
        who.plan, generation, who.shares, first, transcript, secrets, hsm, serving, desk
    )
    conduct.run()

    def signed(head: str) -> tuple[str, str]:
        pin = conduct.pin()
        return hsm.sign(pin, head, generation), hsm.sign(pin, head, generation - 1)

    finish(folder, transcript, secrets, signed)
    return transcript


def _recorded(transcript: Transcript, first: First, who: Who | None) -> Who:
    """The people of the opening, once there is one."""
    opening = transcript.find("opening")
    if opening is None:
        if who is None:
            raise PlanError("the ceremony was interrupted before its opening: name its people")
        return who
    plan, facts = recorded_plan(opening.facts), _facts(opening.facts)
    if facts != (first.head, plan.threshold):
        raise TranscriptBroken("it is of another first ceremony than the one here")
    shares = {str(name): int(each) for name, each in opening.facts["shares"].items()}
    if who is not None and (who.plan, who.shares) != (plan, shares):
        raise PlanError("a ceremony with other people is open here: go on without naming any")
    return Who(plan, shares)


def _facts(facts: Mapping[str, object]) -> tuple[object, object]:
    return facts.get("first"), facts.get("threshold")
