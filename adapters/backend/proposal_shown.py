"""What a second operator is shown of a proposal: the signed bytes, and what they are about.

The bytes go out whole, so that the approver's own program hashes and reads them; what an id in them
stands for now is told beside.
"""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any, Final, Protocol
from uuid import UUID

import msgspec

from adapters.backend.operator_ports import Denied, Rows
from application.enrol import shown
from domain.aggregates.cardholder import Cardholder
from domain.aggregates.certificate import Certificate
from domain.aggregates.company import Company
from domain.aggregates.policy import POLICY_ID, Policy
from domain.aggregates.proposal import Proposal
from domain.aggregates.refill import Refill
from domain.aggregates.watch import WATCH_ID, WatchRules, in_force
from protocol import bodies, messages
from protocol.encoding import b64

PIECE_BYTES: Final = 24_000
"""Of a command in one row: in base64url it fits a part of an answer."""


class States(Protocol):
    """`adapters.postgres.directory_table.DirectoryReader`."""

    def get(self, id: UUID) -> Any | None: ...


def proposal_rows(directory: States, id: UUID) -> Rows:
    """Rows with `piece`, the command's bytes in order; then rows with `about`. Raises Denied."""
    proposal = directory.get(id)
    if not isinstance(proposal, Proposal):
        raise Denied("no-such-proposal", "There is no proposal with that id.")
    raw = proposal.command
    pieces = [raw[at : at + PIECE_BYTES] for at in range(0, len(raw), PIECE_BYTES)]
    body = bodies.read(raw, messages.Command)["body"]
    return [{"piece": b64(each)} for each in pieces] + list(_about(directory, body))


def _about(directory: States, body: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for id in _ids(body.get("certificates")):
        certificate = directory.get(id)
        if isinstance(certificate, Certificate):
            yield {
                "about": "certificate",
                "certificate": str(id),
                "serial": certificate.serial,
                "role": certificate.role,
                "holder": str(certificate.subject_id),
                "revoked": certificate.revoked,
            }
    for id in _ids([body.get("cardholder")]):
        person = directory.get(id)
        if isinstance(person, Cardholder):
            yield {
                "about": "cardholder",
                "cardholder": str(id),
                "name": "" if person.erased else f"{person.first_name} {person.last_name}",
                "company": str(person.company_id),
            }
    for id in _ids([body.get("refill")]):
        refill = directory.get(id)
        if isinstance(refill, Refill):
            company = directory.get(refill.company_id)
            yield {
                "about": "refill",
                "refill": str(id),
                "company": company.name if isinstance(company, Company) else "",
                "accounts": refill.accounts,
                "total_cents": refill.total_cents,
                "credited_cents": refill.credited_cents,
                "status": refill.status,
            }
    if "profiles" in body:
        policy = directory.get(POLICY_ID)
        for row in shown(policy if isinstance(policy, Policy) else None):
            yield {"about": "profile", **row}
    if "rules" in body:
        rules = directory.get(WATCH_ID)
        known = rules if isinstance(rules, WatchRules) else None
        yield {"about": "watch", **msgspec.structs.asdict(in_force(known))}


def _ids(found: Any) -> Iterator[UUID]:
    for each in found if isinstance(found, list) else ():
        with suppress(ValueError, TypeError, AttributeError):
            yield UUID(each)
