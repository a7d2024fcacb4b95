"""Issuing: a person of a company, the account, a stripe card and/or a card on the phone.

All in one commit and one partition. The full card number never comes here: only its keyed hash,
which is claimed so that no two cards share a number, and its masked form.
"""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import msgspec

from application.authorize import CARD_NUMBER
from application.command import Command, Origin, Refused, other_command
from application.ports import Claim
from application.register import KEY, KEY_IN_USE, IssuedCertificate, key_claims
from application.states import States
from application.work import Outcome
from domain.aggregates import account as accounts
from domain.aggregates import card as cards
from domain.aggregates import cardholder as cardholders
from domain.aggregates.card import Card
from domain.aggregates.cardholder import Cardholder
from domain.aggregates.company import Company
from domain.event import Context, Event
from domain.ids import derived_id, milliseconds_of, partition_of

NUMBER_TAKEN = "card-number-taken"
"""Refused only because a card number was drawn twice: draw others and submit again."""
STRIPE, VIRTUAL = "stripe", "virtual"
EMPLOYEE = "employee"
"""The kind of claim under which a company's employee is found by the e-mail address."""
HAS_CARDS = "has-cards"
_HAS_CARDS = Refused(
    HAS_CARDS,
    "An employee of this company with this e-mail address has cards already. Correct the address;"
    " or give a further account with cards on purpose (`issue --another`).",
)


class Person(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The cardholder-to-be."""

    first_name: str
    last_name: str
    email: str


class NewCard(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A card to issue. `kind` is `stripe` or `virtual`, `digest` the keyed hash of its number by
    that `generation` of the key, `older_digests` those by earlier ones: it is free under none else.

    `certificate` was made for `card_id(...)` and is good for nothing until the card is stored.
    """

    kind: str
    digest: bytes
    masked_pan: str
    expiry: str
    certificate: IssuedCertificate | None = None
    generation: int = 1
    older_digests: tuple[bytes, ...] = ()


def employee(company_id: UUID, email: str) -> str:
    """What is hashed to find an employee: letter case in an address makes nobody another person."""
    return f"{company_id} {email.casefold()}"


def card_id(kind: str, command_id: UUID, issued_ms: int, partition: int) -> UUID:
    """The id that `Issue` gives its card of a kind: known before, for its certificate."""
    return derived_id("card:" + kind, command_id, issued_ms, partition)


class Issue(Command):
    """One person's cards. The command is remembered by its cardholder."""

    makes = (cardholders.CardholderRegistered,)

    def __init__(
        self,
        origin: Origin,
        deadline_us: int,
        *,
        partition: int,
        company_id: UUID,
        person: Person,
        cards: Sequence[NewCard],
        email_digests: Sequence[bytes],
        another: bool = False,
    ) -> None:
        """`email_digests`: keyed hashes of `employee(...)`, by the newest key first.

        `another`: the person gets a further account with cards, on purpose.
        """
        super().__init__(origin, deadline_us)
        self._employee = [(EMPLOYEE, digest) for digest in email_digests]
        self._another = another
        self._company_id, self._person, self._cards = company_id, person, cards
        self._ids = _Ids(origin.command_id, origin.issued_ms, partition)

    def reads(self) -> list[UUID]:
        """The company."""
        return [self._company_id]

    def claims_read(self) -> list[tuple[str, bytes]]:
        """The card numbers, the keys that were certified, the person by e-mail address."""
        return [*self._numbers(), *self._older_numbers(), *self._keys(), *self._employee]

    def _numbers(self) -> list[tuple[str, bytes]]:
        return [(CARD_NUMBER, card.digest) for card in self._cards]

    def _older_numbers(self) -> list[tuple[str, bytes]]:
        return [(CARD_NUMBER, each) for card in self._cards for each in card.older_digests]

    def _keys(self) -> list[tuple[str, bytes]]:
        return [(KEY, card.certificate.key_hash) for card in self._cards if card.certificate]

    def execute(self, states: States, context: Context) -> Outcome:
        """Registers the person, opens the account, issues the cards, claims their numbers."""
        company = states.get(self._company_id, Company)
        if company is None:
            return Outcome(Refused("no-such-company", "There is no company with that id."))
        if any(states.owner(*key) is not None for key in self._keys()):
            return Outcome(KEY_IN_USE)
        holders = [id for key in self._employee if (id := states.owner(*key)) is not None]
        if not self._another and any(_has_cards(states, id) for id in holders):
            return Outcome(_HAS_CARDS)
        numbers = self._numbers()
        taken = any(states.owner(*key) for key in (*numbers, *self._older_numbers()))
        if len(set(numbers)) < len(numbers) or taken:
            return Outcome(Refused(NUMBER_TAKEN, "This card number is taken. Try again."))
        events: list[Event] = [self._register(context), self._open(context, company)]
        claims: list[Claim] = []
        if self._employee and not holders:
            generation = len(self._employee)
            claims.append(Claim(*self._employee[0], self._ids.cardholder, generation))
        for card in self._cards:
            events.append(self._issue(context, card))
            owner = self._ids.card(card.kind)
            claims.append(Claim(CARD_NUMBER, card.digest, owner, card.generation))
            if card.certificate is not None:
                certified = card.certificate.event(context, self._ids.card(card.kind))
                events.append(certified)
                claims += key_claims(certified)
        return Outcome(self._answer(), events, claims)

    def _register(self, context: Context) -> Event:
        person = self._person
        return cardholders.register(
            context,
            self._ids.cardholder,
            company_id=self._company_id,
            first_name=person.first_name,
            last_name=person.last_name,
            email=person.email,
        )

    def _open(self, context: Context, company: Company) -> Event:
        return accounts.open(
            context,
            self._ids.account,
            company_id=company.id,
            cardholder_id=self._ids.cardholder,
            timezone=company.timezone,
            daily_limit_cents=company.daily_limit_cents,
            currency=company.currency,
        )

    def _issue(self, context: Context, card: NewCard) -> Event:
        return cards.issue(
            context,
            self._ids.card(card.kind),
            account_id=self._ids.account,
            cardholder_id=self._ids.cardholder,
            kind=card.kind,
            masked_pan=card.masked_pan,
            expiry=card.expiry,
        )

    def _answer(self) -> dict[str, Any]:
        return {
            "cardholder": str(self._ids.cardholder),
            "account": str(self._ids.account),
            "cards": [
                _shown(self._ids.card(card.kind), card.kind, card.masked_pan, card.expiry)
                for card in self._cards
            ],
        }

    def repeated(self, states: States, made: UUID) -> Any:
        """The same ids again; what was on the cards is known to nobody any more."""
        if states.get(made, Cardholder) is None:
            return other_command()
        ids = _Ids(self.origin.command_id, milliseconds_of(made), partition_of(made))
        issued = (states.get(ids.card(kind), Card) for kind in (STRIPE, VIRTUAL))
        return {
            "cardholder": str(ids.cardholder),
            "account": str(ids.account),
            "cards": [
                _shown(card.id, card.kind, card.masked_pan, card.expiry) for card in issued if card
            ],
            "repeated": True,
        }


def _has_cards(states: States, cardholder_id: UUID) -> bool:
    """Somebody who was erased is nobody any more: the address may come back."""
    holder = states.get(cardholder_id, Cardholder)
    return holder is not None and not holder.erased


class _Ids:
    """The ids of everything that one command makes."""

    def __init__(self, command_id: UUID, ms: int, partition: int) -> None:
        self._named = (command_id, ms, partition)
        self.cardholder = derived_id("cardholder", *self._named)
        self.account = derived_id("account", *self._named)

    def card(self, kind: str) -> UUID:
        return card_id(kind, *self._named)


def _shown(of_card: UUID, kind: str, masked_pan: str, expiry: str) -> dict[str, Any]:
    return {"card": str(of_card), "kind": kind, "masked_pan": masked_pan, "expiry": expiry}
