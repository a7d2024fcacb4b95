"""One payment pays for one refill: its reference is confirmed once for a company."""

from collections.abc import Sequence
from uuid import UUID

from application.command import Refused
from application.ports import Claim
from application.states import States

REFERENCE_CLAIM = "refill-reference"


def same_reference(reference: str) -> str:
    """As it is compared: upper and lower case and the number of blanks make no difference."""
    return " ".join(reference.split()).casefold()


def reads_of(digests: Sequence[bytes]) -> list[tuple[str, bytes]]:
    """The claims to look at. `digests`: keyed hashes of company and reference, newest first."""
    return [(REFERENCE_CLAIM, digest) for digest in digests]


def why_not_paid_by(states: States, digests: Sequence[bytes]) -> Refused | None:
    """That it paid for another refill before, if it did."""
    owners = (states.owner(*each) for each in reads_of(digests))
    owner = next((owner for owner in owners if owner is not None), None)
    if owner is None:
        return None
    return Refused(
        "reference-used",
        f"A payment with that reference was confirmed before: for refill {owner}. Nothing was"
        " confirmed. If one transfer paid for both, say so in the reference: WIRE-7/2 for WIRE-7.",
    )


def claims_of(digests: Sequence[bytes], refill_id: UUID) -> list[Claim]:
    """It pays for this refill."""
    return [Claim(REFERENCE_CLAIM, each, refill_id, len(digests)) for each in digests[:1]]
