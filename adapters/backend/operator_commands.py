"""From an operator's signed command to the command of the application, and its answer.

What a command needs of the HSM (a card number, a certificate, the reference of a PIN) is made in
the HSM's lane first; none of it is good for anything before the engine stored the command.
"""

from collections.abc import Callable, Mapping
from hashlib import sha256
from typing import Any
from uuid import UUID

from adapters.backend.book_commands import close, reconcile
from adapters.backend.carrying_out import Answer, CarryingOut, any_partition
from adapters.backend.certifying import Certifying, NewPerson, PolicyVerb, enrolment
from adapters.backend.correcting import Correcting, correct
from adapters.backend.dispute_commands import dispute
from adapters.backend.erasing import ErasingVerb
from adapters.backend.funds import Funds
from adapters.backend.operator_ports import Certified, Denied, DrawnCard, Surroundings
from adapters.backend.programme_verbs import programme
from adapters.backend.projection_commands import projection
from adapters.backend.refill_commands import ChargeBackVerb, decided_by_two, refill, schedule
from adapters.backend.refund_by_hand import RefundByHandVerb
from adapters.backend.revoking import Revoking, revoke
from adapters.backend.rotating import Rotating
from adapters.backend.tls_commands import TlsVerb, tls
from adapters.backend.told import Told
from adapters.backend.two_persons import TwoPersons
from adapters.backend.watch_commands import WatchVerb, alert, place_of
from application import fields
from application.block import STATUSES, BlockCard, BlockTerminal
from application.issue import NUMBER_TAKEN, STRIPE, VIRTUAL, Issue, NewCard, Person, card_id
from application.menu import SetMenu
from application.read import Read
from application.register import RegisterCompany, RegisterShop, RegisterTerminal
from application.set_pin import SetPin
from domain.aggregates.company import Company
from domain.aggregates.shop import Shop
from domain.ids import derived_id
from protocol.encoding import b64, unb64
from protocol.pin import read_sealed_pin

DRAWS_MOST = 5
"""Card numbers drawn for one command: a second draw already means a crowded prefix."""


class OperatorCommands:
    """Carries commands out: `VERBS[verb](commands, told)` gives the result.

    Each raises Denied for a refusal, Invalid or BodyError for a field, Unavailable for the HSM.
    """

    def __init__(self, surroundings: Surroundings) -> None:
        self.outside = surroundings
        self.works = CarryingOut(surroundings)
        erasing = ErasingVerb(self.works, surroundings.erasing)
        self.revoking = Revoking(self.works, surroundings.needed, surroundings.cut_off)
        self.tls = TlsVerb(self.works, surroundings.personalisation)
        new_person = NewPerson(self.works, surroundings.personalisation)
        self._two_persons = TwoPersons(
            self.works,
            surroundings.turn,
            {
                "REVOKE": self.revoking,
                "POLICY": PolicyVerb(self.works),
                "ROTATE": Rotating(self.works, surroundings.rotation),
                "ERASE": erasing,
                "FUNDS": Funds(self.works),
                "ENROLMENT": new_person,
                "TLS": self.tls,
                "CORRECT": Correcting(self.works, surroundings),
                "WATCH": WatchVerb(self.works),
                "CHARGEBACK": ChargeBackVerb(self.works),
                "REFILL": RefundByHandVerb(self.works),
            },
            {
                "ERASE": erasing.stored,
                **dict.fromkeys(("CHARGEBACK", "REFILL"), decided_by_two(surroundings.refills)),
            },
            {"ENROLMENT": new_person.code},
            surroundings.is_revoked,
        )
        self.certifying = Certifying(self.works, surroundings.personalisation)

    async def two_persons(self, told: Told) -> Answer:
        """A command that, by what it does, one operator gives or two."""
        return await self._two_persons.give(told)

    async def propose(self, told: Told) -> Answer:
        """A command that, by what it is about, takes two."""
        return await self._two_persons.propose(told)

    async def approve(self, told: Told) -> Answer:
        """A second operator's yes or no to what another proposed."""
        return await self._two_persons.decide(told)

    async def register(self, told: Told) -> Answer:
        """A company, a shop or a terminal; where a shop is."""
        what = fields.choice(told.body, "what", ("company", "shop", "terminal", "place"))
        if what == "place":
            return await self.works.carry_out(place_of(told, self.works.deadline_us()))
        if what == "company":
            return await self._register_company(told)
        if what == "shop":
            return await self._register_shop(told)
        return await self._register_terminal(told)

    async def _register_company(self, told: Told) -> Answer:
        return await self.works.carry_out(
            RegisterCompany(
                told.origin,
                self.works.deadline_us(),
                partition=any_partition(),
                name=fields.text(told.body, "name", fields.NAME_MOST),
                timezone=fields.timezone(told.body),
                daily_limit_cents=fields.daily_limit(told.body),
            )
        )

    async def _register_shop(self, told: Told) -> Answer:
        """The activation code is in the answer only; the event holds its hash."""
        checked: dict[str, Any] = {
            "name": fields.text(told.body, "name", fields.NAME_MOST),
            "category": fields.category(told.body),
            "timezone": fields.timezone(told.body),
            "email": fields.email(told.body),
            "place": fields.place(told.body),
        }
        hsm = self.outside.personalisation
        code = await self.works.in_lane(lambda: hsm.activation_code(told.command_id))
        answer = await self.works.carry_out(
            RegisterShop(
                told.origin,
                self.works.deadline_us(),
                partition=any_partition(),
                activation_sha256=sha256(code.encode()).digest(),
                **checked,
            )
        )
        return {**answer, "activation_code": code}

    async def _register_terminal(self, told: Told) -> Answer:
        shop_id = fields.uuid(told.body, "shop")
        label = fields.text(told.body, "label", fields.LABEL_MOST)
        terminal_id = derived_id("terminal", told.command_id, told.issued_ms, any_partition())
        certified = None
        if "csr" in told.body:
            await self._must_be(shop_id, Shop, "shop")
            certified = await self._certify(told, terminal_id, "pos")
        answer = await self.works.carry_out(
            RegisterTerminal(
                told.origin,
                self.works.deadline_us(),
                terminal_id=terminal_id,
                shop_id=shop_id,
                label=label,
                certificate=certified.record if certified else None,
            )
        )
        return _with_certificate(answer, certified)

    async def issue(self, told: Told) -> Answer:
        """Cards of a new cardholder. Full number and tracks are in this answer and nowhere else."""
        body = told.body
        company_id = fields.uuid(body, "company")
        named = body.get("cardholder")
        if not isinstance(named, Mapping):
            raise fields.Invalid("cardholder", "is missing. Give first_name, last_name and email.")
        person = Person(
            first_name=fields.text(named, "first_name", fields.PERSON_MOST),
            last_name=fields.text(named, "last_name", fields.PERSON_MOST),
            email=fields.email(named),
        )
        kinds = [kind for kind in (STRIPE, VIRTUAL) if fields.flag(body, kind)]
        if not kinds:
            raise fields.Invalid("stripe", "or virtual must be true: at least one card is issued.")
        partition = any_partition()
        hsm = self.outside.personalisation
        digests = await self.works.in_lane(lambda: hsm.employee_digests(company_id, person.email))
        certified: dict[str, Certified | None] = {}
        if VIRTUAL in kinds and "csr" in body:
            await self._must_be(company_id, Company, "company")
            subject_id = card_id(VIRTUAL, told.command_id, told.issued_ms, partition)
            certified[VIRTUAL] = await self._certify(told, subject_id, "card")
        for _ in range(DRAWS_MOST):
            drawn = await self._draw(kinds, person)
            command = Issue(
                told.origin,
                self.works.deadline_us(),
                partition=partition,
                company_id=company_id,
                person=person,
                cards=[_new_card(kind, drawn[kind], certified.get(kind)) for kind in kinds],
                email_digests=digests,
                another=fields.flag(body, "another"),
            )
            try:
                answer = await self.works.carry_out(command)
            except Denied as denied:
                if denied.code != NUMBER_TAKEN:
                    raise
                continue
            return _for_encoder(answer, drawn, certified)
        raise Denied(NUMBER_TAKEN, "No free card number was found. Is the prefix nearly used up?")

    async def _draw(self, kinds: list[str], person: Person) -> dict[str, DrawnCard]:
        hsm, now_us = self.outside.personalisation, self.outside.clock.now_us()
        return await self.works.in_lane(
            lambda: {
                kind: hsm.draw_card(person.first_name, person.last_name, now_us) for kind in kinds
            }
        )

    async def _must_be(self, id: UUID, cls: type, what: str) -> None:
        """Said before a certificate is made that nobody would get. Raises Denied."""
        look = Read(id, lambda states, _: states.get(id, cls), self.works.deadline_us())
        if await self.works.through_engine(look) is None:
            raise Denied(f"no-such-{what}", f"There is no {what} with that id.")

    async def _certify(self, told: Told, subject_id: UUID, role: str) -> Certified | None:
        """A certificate for the key of the request in `csr`; None under an id that was used."""
        request = told.body.get("csr")
        try:
            der = unb64(request) if isinstance(request, str) else b""
        except ValueError:
            der = b""
        if not der:
            raise fields.Invalid("csr", "is missing. Give a certificate request, DER in base64url.")
        if await self.works.used(told.command_id):
            return None
        hsm = self.outside.personalisation
        return await self.works.in_lane(lambda: hsm.certify(der, subject_id, role))

    async def set_pin(self, told: Told) -> Answer:
        """A PIN, sealed from the operator's machine to the HSM."""
        of_card = fields.uuid(told.body, "card")
        sealed = [told.body.get(field) for field in ("ephemeral", "block")]
        ephemeral, block = (each if isinstance(each, str) else "" for each in sealed)
        point, wrapped = read_sealed_pin(ephemeral, block)
        hsm = self.outside.personalisation
        reference = await self.works.in_lane(
            lambda: hsm.pin_reference(point, wrapped, told.t4, told.issued_ms, told.pin_key)
        )
        return await self.works.carry_out(
            SetPin(told.origin, self.works.deadline_us(), card_id=of_card, reference=reference)
        )

    async def block(self, told: Told) -> Answer:
        """A card (`status` blocked, lost or stolen), or a terminal."""
        why = fields.text(told.body, "why", fields.WHY_MOST)
        if "terminal" in told.body:
            terminal_id = fields.uuid(told.body, "terminal")
            return await self.works.carry_out(
                BlockTerminal(
                    told.origin, self.works.deadline_us(), terminal_id=terminal_id, why=why
                )
            )
        body = {"status": STATUSES[0], **told.body}
        return await self.works.carry_out(
            BlockCard(
                told.origin,
                self.works.deadline_us(),
                card_id=fields.uuid(body, "card"),
                status=fields.choice(body, "status", STATUSES),
                why=why,
            )
        )

    async def menu(self, told: Told) -> Answer:
        """A shop's menu."""
        return await self.works.carry_out(
            SetMenu(
                told.origin,
                self.works.deadline_us(),
                shop_id=fields.uuid(told.body, "shop"),
                items=fields.menu(told.body),
            )
        )


VERBS: dict[str, Callable[[OperatorCommands, Told], Any]] = {
    "REGISTER": OperatorCommands.register,
    "ISSUE": OperatorCommands.issue,
    "PIN": OperatorCommands.set_pin,
    "REFILL": refill,
    "SCHEDULE": schedule,
    "CHARGEBACK": OperatorCommands.two_persons,
    "CORRECT": correct,
    "BLOCK": OperatorCommands.block,
    "MENU": OperatorCommands.menu,
    "REVOKE": revoke,
    "APPROVE": OperatorCommands.approve,
    "ENROLMENT": enrolment,
    "POLICY": OperatorCommands.two_persons,
    "ROTATE": OperatorCommands.two_persons,
    "ERASE": OperatorCommands.two_persons,
    "FUNDS": OperatorCommands.two_persons,
    "TLS": tls,
    "CLOSE": close,
    "RECONCILE": reconcile,
    "DISPUTE": dispute,
    "PROJECTION": projection,
    "PROGRAMME": programme,
    "WATCH": OperatorCommands.two_persons,
    "ALERT": alert,
}


def _new_card(kind: str, drawn: DrawnCard, certified: Certified | None) -> NewCard:
    return NewCard(
        kind=kind,
        digest=drawn.digest,
        generation=drawn.generation,
        older_digests=drawn.older_digests,
        masked_pan=drawn.masked_pan,
        expiry=drawn.expiry,
        certificate=certified.record if certified else None,
    )


def _for_encoder(
    answer: Answer, drawn: Mapping[str, DrawnCard], certified: Mapping[str, Certified | None]
) -> Answer:
    """The answer with what goes onto the cards, unless they were issued earlier."""
    if answer.get("repeated"):
        return answer
    cards = []
    for card in answer["cards"]:
        made = drawn[card["kind"]]
        shown = {**card, "pan": made.pan, "track1": made.track1, "track2": made.track2}
        cards.append(_with_certificate(shown, certified.get(card["kind"])))
    return {**answer, "cards": cards}


def _with_certificate(answer: Answer, certified: Certified | None) -> Answer:
    if certified is None or answer.get("repeated"):
        return answer
    return {**answer, "certificate": [b64(der) for der in certified.chain_der]}
