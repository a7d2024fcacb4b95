"""Who takes part in a ceremony, in which role, and how many custodians open the HSM together."""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

ADMINISTRATOR: Final = "administrator"
WITNESS: Final = "witness"
CUSTODIAN: Final = "custodian"
CUSTODIANS_MOST: Final = 16
"""SLIP-0039 counts members of a group with four bits."""
_NAME_MOST: Final = 60
_PDF_LETTERS: Final = "cp1252"


class PlanError(Exception):
    """A ceremony cannot be held with these people; the message says what to change."""


@dataclass(frozen=True, slots=True)
class Person:
    """A participant. Names are unique in a ceremony."""

    name: str
    role: str

    def __str__(self) -> str:
        return f"{self.name} ({self.role})"


@dataclass(frozen=True, slots=True)
class Plan:
    """Everybody, and the threshold: so many custodians' shares give the PIN, fewer give nothing."""

    people: tuple[Person, ...]
    threshold: int
    sandbox: bool = False

    @property
    def administrator(self) -> Person:
        """Who runs the program."""
        return self.in_role(ADMINISTRATOR)[0]

    @property
    def custodians(self) -> tuple[Person, ...]:
        """Who get a share each, in this order."""
        return self.in_role(CUSTODIAN)

    def in_role(self, role: str) -> tuple[Person, ...]:
        """Those in a role."""
        return tuple(person for person in self.people if person.role == role)

    def as_json(self) -> dict[str, Any]:
        """As the transcript holds it."""
        people = [{"name": each.name, "role": each.role} for each in self.people]
        return {"participants": people, "threshold": self.threshold, "sandbox": self.sandbox}

    @classmethod
    def from_json(cls, found: Any) -> "Plan":
        """The plan in a transcript. Raises KeyError, TypeError."""
        people = tuple(Person(each["name"], each["role"]) for each in found["participants"])
        return cls(people, int(found["threshold"]), bool(found["sandbox"]))


SANDBOX: Final = Plan(
    (
        Person("Sandbox Administrator", ADMINISTRATOR),
        Person("Sandbox Witness", WITNESS),
        *(Person(f"Sandbox Custodian {number}", CUSTODIAN) for number in (1, 2, 3)),
    ),
    threshold=2,
    sandbox=True,
)
"""People who do not exist: for the demo and for tests."""


def planned(
    administrator: str, witnesses: Sequence[str], custodians: Sequence[str], threshold: int
) -> Plan:
    """The plan of a real ceremony. Raises PlanError."""
    named = [
        (administrator, ADMINISTRATOR),
        *((name, WITNESS) for name in witnesses),
        *((name, CUSTODIAN) for name in custodians),
    ]
    people = tuple(Person(_checked(name), role) for name, role in named)
    if len({person.name.casefold() for person in people}) != len(people):
        raise PlanError("each participant has one role only: a name is there twice")
    if not witnesses:
        raise PlanError("a ceremony needs a witness, who holds no share and runs nothing")
    if not 2 <= threshold <= len(custodians) <= CUSTODIANS_MOST:
        raise PlanError(
            f"{len(custodians)} custodians and a threshold of {threshold} do not fit: the"
            f" threshold is 2 or more, and there are at least as many custodians, {CUSTODIANS_MOST}"
            " at most"
        )
    return Plan(people, threshold)


def _checked(name: str) -> str:
    name = " ".join(unicodedata.normalize("NFC", name).split())
    if not 1 <= len(name) <= _NAME_MOST or not name.isprintable():
        raise PlanError(f"a participant's name has 1 to {_NAME_MOST} printable characters")
    try:
        name.encode(_PDF_LETTERS)
    except UnicodeEncodeError:
        raise PlanError(
            f"the transcript's font lacks a letter of {name!r}: write the name in Latin letters,"
            " as it stands in the passport's last lines"
        ) from None
    return name
