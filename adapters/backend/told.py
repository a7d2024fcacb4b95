"""An operator's command once its signature was verified, with the session that it came in."""

from collections.abc import Mapping
from copy import copy
from typing import Any
from uuid import UUID

from adapters.backend.signed_command import SignedCommand
from application.command import Origin
from domain.aggregates.proposal import Proposal
from protocol.record import Session


class Told:
    """What the operator signed, and who that is. `raw` and `signature` are as received.

    `proposal`: the one that is being approved, None where a command is given.
    """

    proposal: Proposal | None = None

    def __init__(self, command: SignedCommand, session: Session, issuer_id: UUID) -> None:
        peer = session.peer
        self.verb = command.verb
        self.command_id = command.command_id
        self.issued_ms = command.issued_ms
        self.body: Mapping[str, Any] = command.body
        self.raw = command.raw
        self.signature = command.signature
        self.signer_id = peer.subject_id
        self.signer_serials = (peer.kid, *(format(each, "x") for each in peer.authorities))
        """In hex: of the signer's certificate and of the authorities above it."""
        self.t4 = session.t4
        self.pin_key = session.pin_key
        self.origin = Origin(
            command_id=command.command_id,
            issued_ms=command.issued_ms,
            actor=f"{peer.role}:{peer.subject_id}:{peer.kid}",
            issuer_id=issuer_id,
        )

    @property
    def approves(self) -> bool:
        """Whether the signer approves here what another operator proposed."""
        return self.proposal is not None

    def proposed(self, body: Mapping[str, Any], proposal: Proposal) -> "Told":
        """This command with the body of the proposal that it approves: ids and times are ours."""
        told = copy(self)
        told.body, told.proposal = body, proposal
        return told
