"""What an event was, in plain words, and which facts of a state a reader wants to see change."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from domain.aggregates.account import (
    Account,
    AccountCredited,
    AccountDebited,
    AccountOpened,
    DebitCorrected,
    DebitReversed,
)
from domain.aggregates.after_credit import CreditCorrected, CreditGivenBack, CreditTakenBack
from domain.aggregates.after_debit import DebitRefunded, DisputeCredited, TipDebited
from domain.aggregates.after_payment import (
    Disputed,
    DisputeDecided,
    Refunded,
    TermsAgreed,
    Tipped,
    Voided,
)
from domain.aggregates.card import (
    PIN_TRIES,
    Card,
    CardBlocked,
    CardIssued,
    PinAccepted,
    PinFailed,
    PinReferenced,
    PinSet,
)
from domain.aggregates.cardholder import Cardholder, CardholderErased, CardholderRegistered
from domain.aggregates.certificate import Certificate, CertificateIssued, CertificateRevoked
from domain.aggregates.dispute import Dispute, DisputeClosed, DisputeOpened, EvidenceGiven
from domain.aggregates.expired_money import LotDonated, LotExpired, LotReactivated, LotReturned
from domain.aggregates.transaction import Authorized, Corrected, Declined, Reversed, Transaction
from domain.answers import dollars
from domain.event import Event
from domain.expiry import year_and_month
from domain.grounds import Grounds
from domain.lots import total

CENTS, COUNT, TEXT = "cents", "count", "text"
Facts = dict[tuple[str, str], int | str]


def describe(event: Event, names: Mapping[UUID, str]) -> str:
    """One sentence. `names`: what people call the shops, terminals and companies."""
    match event:
        case Authorized():
            return f"Payment of {dollars(event.amount_cents)} approved{_at(event, names)}."
        case Declined():
            said = f"{event.code} {event.reason}"
            return f"Payment of {dollars(event.amount_cents)} refused ({said}){_at(event, names)}."
        case Reversed(corrects_version=0):
            return "The terminal took back a payment that had not arrived; it bars that payment."
        case Reversed():
            return f"The terminal took the payment back: {dollars(event.amount_cents)} returned."
        case Corrected():
            return (
                f"Amount corrected from {dollars(event.from_cents)} to {dollars(event.to_cents)}"
                f"{_grounds(event.grounds)}."
            )
        case AccountOpened():
            return f"Account opened, {_named(names, event.company_id, 'company')}."
        case AccountCredited():
            until = f", to be spent until {event.last_day}" if event.last_day else ""
            return f"{dollars(event.amount_cents)} credited by a refill{until}."
        case CreditTakenBack():
            return f"{dollars(event.amount_cents)} of a refill taken back: it was charged back."
        case CreditGivenBack():
            return f"{dollars(event.amount_cents)} given back: the chargeback was won."
        case AccountDebited():
            return f"{dollars(event.amount_cents)} debited for a payment."
        case DebitReversed():
            return f"{dollars(event.amount_cents)} given back for a payment that was taken back."
        case DebitCorrected():
            verb = "given back" if event.change_cents >= 0 else "debited in addition"
            return f"{dollars(abs(event.change_cents))} {verb} for a corrected payment."
        case CreditCorrected():
            verb = "added" if event.change_cents >= 0 else "taken back"
            return f"{dollars(abs(event.change_cents))} {verb}: a refill's amount was corrected."
        case LotExpired() | LotReactivated() | LotReturned() | LotDonated():
            return _of_expired_money(event)
        case CardIssued():
            card = f"{event.kind.capitalize()} card {event.masked_pan}"
            return f"{card} issued, valid to {year_and_month(event.expiry)}."
        case _:
            return _of_later_life(event) or _of_card_and_person(event)


def _of_later_life(event: Event) -> str:
    match event:
        case TermsAgreed():
            return _terms(event)
        case Voided():
            return f"The terminal voided the payment: {dollars(event.amount_cents)} returned."
        case Refunded():
            return f"The shop refunded {dollars(event.amount_cents)}."
        case Tipped():
            return f"A tip of {dollars(event.amount_cents)} was added."
        case Disputed():
            return f"{dollars(event.amount_cents)} of the payment are in dispute."
        case DisputeDecided(credited_cents=0) | DisputeClosed(credited_cents=0):
            return "The dispute was decided for the shop."
        case DisputeDecided() | DisputeClosed():
            cents = dollars(event.credited_cents)
            return f"The dispute was decided for the cardholder: {cents} credited."
        case DisputeOpened():
            who = "An operator" if event.opened_by else "The cardholder"
            return f"{who} opened a dispute over {dollars(event.amount_cents)}."
        case EvidenceGiven():
            return f"Evidence of the {event.side}."
        case DebitRefunded():
            return f"{dollars(event.amount_cents)} given back for a refund."
        case TipDebited():
            return f"{dollars(event.amount_cents)} debited for a tip."
        case DisputeCredited():
            return f"{dollars(event.amount_cents)} given back for a dispute."
    return ""


def _terms(event: TermsAgreed) -> str:
    said = [f"{dollars(event.requested_cents)} were asked for"]
    if event.tip_most_cents:
        said.append(f"a tip of up to {dollars(event.tip_most_cents)} was agreed to")
    if event.group_id is not None:
        said.append("the payment is one of a shared bill")
    return f"By the contract {', '.join(said)}."


def _of_expired_money(event: LotExpired | LotReactivated | LotReturned | LotDonated) -> str:
    amount = dollars(event.amount_cents)
    match event:
        case LotExpired():
            return f"{amount} expired: it could be spent until {event.last_day}."
        case LotReactivated():
            return f"{amount} that had expired reactivated, to be spent until {event.last_day}."
        case LotReturned():
            return f"{amount} that had expired returned to the company."
        case LotDonated():
            return f"{amount} that had expired donated to {event.cause}."


def _of_card_and_person(event: Event) -> str:
    match event:
        case PinSet():
            return "PIN set."
        case PinFailed():
            return f"Wrong PIN; {event.tries_left} tries left."
        case PinAccepted():
            return "Right PIN; the count of wrong ones starts again."
        case PinReferenced():
            return "The PIN is kept by a newer key of the HSM."
        case CardBlocked():
            return f"Card taken out of use: {event.status}."
        case CardholderErased():
            return "Erased: names and address of this person were removed for good."
        case CardholderRegistered():
            return f"{event.first_name} {event.last_name} registered."
        case CertificateIssued():
            return f"Certificate {event.serial} issued to the {event.role}."
        case CertificateRevoked():
            return f"Certificate revoked: {event.reason}."
    return event.TOPIC


def _at(event: Authorized | Declined, names: Mapping[UUID, str]) -> str:
    shop = names.get(event.shop_id)
    terminal = names.get(event.terminal_id)
    return (f" at {shop}" if shop else "") + (f", {terminal}" if terminal else "")


def _grounds(grounds: Grounds) -> str:
    """The evidence, and who asked for it; who approved it is the event's actor."""
    said = []
    if grounds.evidence:
        said.append(f"evidence: {grounds.evidence}")
    if grounds.document_sha256:
        said.append(f"document of SHA-256 {grounds.document_sha256.hex()}")
    if grounds.requested_by:
        said.append(f"asked for by operator …{str(grounds.requested_by)[-4:]}")
    return f" ({'; '.join(said)})" if said else ""


def _named(names: Mapping[UUID, str], id: UUID, kind: str) -> str:
    return f"{kind} {names.get(id) or id}"


def facts(state: Any) -> Facts:
    """What of a state may change, by what it is called and its unit."""
    found: Facts
    match state:
        case Account():
            found = {("balance", CENTS): state.balance_cents}
            if state.expired:
                found["expired", CENTS] = total(state.expired)
            return found
        case Transaction():
            found = {("status", TEXT): state.status}
            if state.contract_hash:
                found["amount", CENTS] = state.net_cents
            return found
        case Dispute():
            return {("dispute", TEXT): state.status}
        case Card():
            return {
                ("status", TEXT): state.status,
                ("PIN", TEXT): "set" if state.pin_reference else "not set",
                ("PIN tries left", COUNT): PIN_TRIES - state.pin_failures,
            }
        case Cardholder():
            return {("registered", TEXT): "erased" if state.erased else "yes"}
        case Certificate():
            return {("valid", TEXT): "revoked" if state.revoked else "yes"}
    return {}
