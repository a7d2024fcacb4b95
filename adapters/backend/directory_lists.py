"""The lists that operators read, from the directory projection: `operator_ports.Directory`."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol
from uuid import UUID

import msgspec

from adapters.backend.holder_names import HolderNames
from adapters.backend.lot_lists import balance, lot_rows
from adapters.backend.operator_ports import Chosen, Rows
from adapters.backend.proposal_shown import proposal_rows
from application.contest import shown as shown_dispute
from application.enrol import shown
from application.ports import Clock
from application.programme import versions_of
from domain import lots
from domain.aggregates.account import Account
from domain.aggregates.alert import Alert
from domain.aggregates.card import PIN_TRIES, Card
from domain.aggregates.cardholder import Cardholder
from domain.aggregates.certificate import Certificate
from domain.aggregates.company import Company
from domain.aggregates.dispute import Dispute
from domain.aggregates.enrolment import Enrolment
from domain.aggregates.policy import Policy
from domain.aggregates.programme import programme_id
from domain.aggregates.proposal import Proposal
from domain.aggregates.shop import Shop
from domain.aggregates.terminal import Terminal
from domain.aggregates.watch import WatchRules, in_force
from domain.local_time import local_date
from domain.suspicion import WORDS
from projections.directory import KINDS

PAGE = 1_000
_OWNERS = {"account": Account, "company": Company, "shop": Shop}


class Pages(Protocol):
    """`adapters.postgres.directory_table.DirectoryReader`: states of a kind, page by page."""

    def get(self, id: UUID) -> Any | None: ...

    def ids(self, kind: str, parent: UUID) -> list[UUID]: ...

    def pages(
        self, kind: str, parent: UUID | None = None, size: int = 100
    ) -> Iterator[list[Any]]: ...


class DirectoryLists:
    """Rows for people and programs; a person who was erased has no name in them."""

    def __init__(self, directory: Pages, clock: Clock) -> None:
        self._directory = directory
        self._clock = clock

    def has(self, kind: str, id: UUID) -> bool:
        """See the port."""
        return isinstance(self._directory.get(id), _OWNERS[kind])

    def companies(self) -> Rows:
        """All companies."""
        return [
            {
                "company": str(each.id),
                "name": each.name,
                "timezone": each.timezone,
                "daily_limit_cents": each.daily_limit_cents,
            }
            for each in self._all(Company, "company")
        ]

    def shops(self) -> Rows:
        """All shops."""
        return [
            {
                "shop": str(each.id),
                "name": each.name,
                "category": each.category,
                "timezone": each.timezone,
                "menu_items": len(each.menu),
            }
            for each in self._all(Shop, "shop")
        ]

    def terminals(self, shop: UUID) -> Rows:
        """The terminals of a shop."""
        return [
            {
                "terminal": str(each.id),
                "label": each.label,
                "status": "active" if each.active else "blocked",
            }
            for each in self._all(Terminal, "terminal", shop)
        ]

    def cards(self, company: UUID) -> Rows:
        """The cards of a company's employees."""
        names = self._names(company)
        return [
            {
                "card": str(each.id),
                "kind": each.kind,
                "masked_pan": each.masked_pan,
                "expiry": each.expiry,
                "status": each.status,
                "pin": _pin_state(each),
                "name": names.get(each.cardholder_id, ""),
                "cardholder": str(each.cardholder_id),
                "account": str(each.account_id),
            }
            for each in self._all(Card, "card", company)
        ]

    def accounts(self, company: UUID) -> Rows:
        """The accounts of a company's employees, with their balances."""
        names = self._names(company)
        return [
            {
                "account": str(each.id),
                "name": names.get(each.cardholder_id, ""),
                **balance(each, self._clock.now_us()),
                "daily_limit_cents": each.daily_limit_cents,
            }
            for each in self._all(Account, "account", company)
        ]

    def lots(self, company: UUID | None, account: UUID | None, until_day: str) -> Rows:
        """The lots of a company's accounts or of one account, what expires first first."""
        if account is not None:
            found = self._directory.get(account)
            states = [found] if isinstance(found, Account) else []
        else:
            states = list(self._all(Account, "account", company))
        names = self._names(company) if company else {}
        return lot_rows(states, names, until_day, self._clock.now_us())

    def with_expired(self, pause: Callable[[], None] = lambda: None) -> Iterator[UUID]:
        """Accounts that hold money whose last day has passed and that is not booked yet.

        `pause` is called after each page: nobody waits for this.
        """
        for page in self._directory.pages("account", None, PAGE):
            for account in page:
                today = local_date(self._clock.now_us(), account.timezone)
                if lots.expired(account.lots, today):
                    yield account.id
            pause()

    def account_ids(self, company: UUID) -> list[UUID]:
        """The accounts of a company's employees, without opening what is known of them."""
        return self._directory.ids("account", company)

    def certificates(self, chosen: Chosen) -> Rows:
        """Certificates of the private PKI, oldest first. Each page is opened to be chosen from."""
        chosen_ones = [
            each
            for each in self._all(Certificate, "certificate", chosen.holder)
            if _is_chosen(each, chosen)
        ]
        names = self._holders([(each.role, each.subject_id) for each in chosen_ones])
        return [
            {**_certificate_row(each, chosen.now_us), "name": names.of(each.role, each.subject_id)}
            for each in chosen_ones
        ]

    def proposals(self) -> Rows:
        """What was proposed to a second operator, oldest first."""
        return [
            {
                "proposal": str(each.id),
                "status": each.status,
                "verb": each.verb,
                "summary": each.summary,
                "proposer": str(each.proposer_id),
                "made_ms": each.made_us // 1000,
                "expires_ms": each.expires_us // 1000,
                "command_hash": each.command_hash.hex(),
            }
            for each in self._all(Proposal, "proposal")
        ]

    def proposal(self, id: UUID) -> Rows:
        """See the port."""
        return proposal_rows(self._directory, id)

    def enrolments(self) -> Rows:
        """First certificates that were asked for, oldest first."""
        every = list(self._all(Enrolment, "enrolment"))
        names = self._holders([(each.role, each.subject_id) for each in every])
        return [
            {
                "enrolment": str(each.id),
                "status": each.status,
                "role": each.role,
                "subject": str(each.subject_id),
                "name": names.of(each.role, each.subject_id),
                "opened_ms": each.opened_us // 1000,
                "expires_ms": each.expires_us // 1000,
                "key_hash": each.key_hash.hex(),
                "why": each.why,
            }
            for each in every
        ]

    def states(self, kind: str) -> Iterator[Any]:
        """See the port."""
        return self._all(KINDS[kind], kind)

    def policy(self) -> Rows:
        """The certificate policy in force, a row a role."""
        return shown(next(self._all(Policy, "policy"), None))

    def disputes(self, now_us: int) -> Rows:
        """Disputes over payments with their evidence, oldest first."""
        return [shown_dispute(each, now_us) for each in self._all(Dispute, "dispute")]

    def programme(self, company: UUID, now_us: int) -> Rows:
        """The versions of a company's programme, latest in effect first."""
        known = self._directory.get(company)
        timezone = known.timezone if isinstance(known, Company) else "UTC"
        return versions_of(self._directory.get(programme_id(company)), timezone, now_us)

    def alerts(self) -> Rows:
        """Suspicious payments, oldest first."""
        return [alert_row(each) for each in self._all(Alert, "alert")]

    def watch(self) -> Rows:
        """The rules by which payments are watched, one row."""
        known = next(self._all(WatchRules, "watch"), None)
        return [
            {
                "version": known.version if known is not None else 0,
                **msgspec.structs.asdict(in_force(known)),
            }
        ]

    def _holders(self, holders: Sequence[tuple[str, UUID]]) -> HolderNames:
        return HolderNames(self._directory.get, self._all, holders)

    def _names(self, company: UUID) -> dict[UUID, str]:
        people = self._all(Cardholder, "cardholder", company)
        return {
            person.id: f"{person.first_name} {person.last_name}"
            for person in people
            if not person.erased
        }

    def _all(self, cls: Any, kind: str, parent: UUID | None = None) -> Iterator[Any]:
        for page in self._directory.pages(kind, parent, PAGE):
            for state in page:
                assert isinstance(state, cls)
                yield state


def alert_row(alert: Alert) -> dict[str, Any]:
    """An alert as it is told; `words` says what was unusual."""
    return {
        "alert": str(alert.id),
        "status": alert.status,
        "account": str(alert.account_id),
        "card": str(alert.card_id),
        "kind": alert.kind,
        "shop": str(alert.shop_id),
        "transaction": str(alert.transaction_id),
        "amount_cents": alert.amount_cents,
        "raised_ms": alert.raised_us // 1000,
        "times": alert.times,
        "score": alert.score,
        "reasons": list(alert.reasons),
        "words": "; ".join(WORDS.get(each, each) for each in alert.reasons),
        "action": alert.action,
        "answer": alert.answer,
        "verdict": alert.verdict,
    }


def _is_chosen(certificate: Certificate, chosen: Chosen) -> bool:
    return (
        chosen.serial in (None, certificate.serial)
        and chosen.state in (None, _state_of(certificate, chosen.now_us))
        and (chosen.until_us is None or certificate.not_after_us <= chosen.until_us)
    )


def _state_of(certificate: Certificate, now_us: int) -> str:
    if certificate.revoked:
        return "revoked"
    return "valid" if now_us <= certificate.not_after_us else "expired"


def _certificate_row(certificate: Certificate, now_us: int) -> dict[str, Any]:
    row = {
        "certificate": str(certificate.id),
        "serial": certificate.serial,
        "state": _state_of(certificate, now_us),
        "role": certificate.role,
        "holder": str(certificate.subject_id),
        "not_before_ms": certificate.not_before_us // 1000,
        "not_after_ms": certificate.not_after_us // 1000,
        "fingerprint": certificate.fingerprint.hex(),
        "how": certificate.how,
        "replaces": certificate.replaces,
    }
    if certificate.revoked:
        row |= {"reason": certificate.reason, "revoked_ms": certificate.revoked_us // 1000}
    return row


def _pin_state(card: Card) -> str:
    if not card.pin_reference:
        return "none"
    return "locked" if card.pin_failures >= PIN_TRIES else "set"
