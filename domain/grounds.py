"""What a correction rests on: the evidence, and the two operators' agreement that it refers to."""

from uuid import UUID

import msgspec


class Grounds(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """`evidence` refers to it in words, `document_sha256` is of a document; at least one is given.

    `requested_by` asked for it in `proposal_id`, which holds both operators' signatures; who
    approved it is the event's actor.
    """

    evidence: str = ""
    document_sha256: bytes = b""
    proposal_id: UUID | None = None
    requested_by: UUID | None = None


NO_GROUNDS = Grounds()
"""Of a correction from before two operators and evidence were asked for."""
