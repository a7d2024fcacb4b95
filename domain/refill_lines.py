"""The lines of a refill: what an account gets, and what it did not get."""

from uuid import UUID

import msgspec

from domain.lots import Lots


class RefillLine(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One account's part of a refill."""

    account_id: UUID
    amount_cents: int


class TakenLine(RefillLine, frozen=True, kw_only=True, gc=False):
    """What was taken back of an account. `lots` of it had last days; None where it was stored
    before that was said here."""

    lots: Lots | None = None


class FailedLine(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A line that was not credited, and why, for programs."""

    account_id: UUID
    amount_cents: int
    reason: str
