"""DISPUTE as operators command it: open for a cardholder, enter evidence, decide."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from application import fields
from application.command import Command
from application.contest import DecideDispute, GiveEvidence, OpenDispute
from domain.aggregates.dispute import FOR_CARDHOLDER, FOR_SHOP, SIDES, TEXT_MOST

if TYPE_CHECKING:
    from adapters.backend.operator_commands import OperatorCommands
    from adapters.backend.told import Told

DO = ("open", "evidence", "decide")
_HASH_HEX = 64


async def dispute(commands: "OperatorCommands", told: "Told") -> dict[str, Any]:
    """The dispute as the command left it."""
    do = fields.choice(told.body, "do", DO)
    make = {"open": _open, "evidence": _evidence, "decide": _decide}[do]
    return await commands.works.carry_out(make(told, commands.works.deadline_us()))


def _open(told: "Told", deadline_us: int) -> Command:
    body = told.body
    return OpenDispute(
        told.origin,
        deadline_us,
        transaction_id=fields.uuid(body, "transaction"),
        amount_cents=_cents(body, "amount_cents") or 0,
        text=fields.text(body, "text", TEXT_MOST),
        document_sha256=_document(body),
        operator_id=told.signer_id,
    )


def _evidence(told: "Told", deadline_us: int) -> Command:
    body = told.body
    return GiveEvidence(
        told.origin,
        deadline_us,
        dispute_id=fields.uuid(body, "dispute"),
        side=fields.choice(body, "side", SIDES),
        text=fields.text(body, "text", TEXT_MOST),
        document_sha256=_document(body),
    )


def _decide(told: "Told", deadline_us: int) -> Command:
    body = told.body
    for_shop = fields.choice(body, "winner", (FOR_CARDHOLDER, FOR_SHOP)) == FOR_SHOP
    if for_shop and "amount_cents" in body:
        raise fields.Invalid("amount_cents", "goes with a decision for the cardholder only.")
    return DecideDispute(
        told.origin,
        deadline_us,
        dispute_id=fields.uuid(body, "dispute"),
        credited_cents=0 if for_shop else _cents(body, "amount_cents"),
        why=fields.text(body, "why", fields.WHY_MOST),
        operator_id=told.signer_id,
    )


def _cents(body: Mapping[str, Any], field: str) -> int | None:
    """None where it is missing: all of it."""
    return fields.cents(body, field, 1, fields.CORRECT_MOST_CENTS) if field in body else None


def _document(body: Mapping[str, Any]) -> bytes:
    if "document_sha256" not in body:
        return b""
    return fields.hex_bytes(body, "document_sha256", _HASH_HEX)
