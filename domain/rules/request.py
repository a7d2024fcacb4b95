"""A payment as the rules see it: everything that was loaded and verified before."""

from uuid import UUID

import msgspec

from domain.aggregates.account import Account
from domain.aggregates.alert import Alert
from domain.aggregates.card import Card
from domain.aggregates.company import Company
from domain.aggregates.programme import Programme
from domain.aggregates.shop import Shop
from domain.aggregates.terminal import Terminal
from domain.aggregates.transaction import Signed
from domain.suspicion import NO_SUSPICION, Suspicion
from domain.terms import STANDARD, Terms


class Request(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A payment to decide. None where the backend knows no such aggregate.

    `card_id` is the card that bears the number, `card` what is known of it: None also where the
    stripe is forged, which is nobody's. A refusal names it all the same, for its history.
    `stripe_genuine` and `pin_right` are what the HSM said; None: not asked, as for a phone card.
    `newer_reference`: what the right PIN is to be compared with from now on, empty for no change.
    `clock_off_us` is how far the terminal's clock is from ours, `now_us` ours.
    `consent_valid` is what the cardholder's signature came to; None for a stripe.
    `suspicion` is what the account's recent uses say, by the rules of `watch_version`; `alert` the
    account's of the day, where one may be raised.
    `partial`: the terminal takes an approval of part of the amount. `tip_most_cents` and `group_id`
    are the contract's, 0 and None where it names none.
    `terms` are those of `programme` in force now, `terms_version` their number, 0 for the standard.
    """

    transaction_id: UUID
    amount_cents: int
    terminal: Terminal | None
    terminal_id: UUID
    shop: Shop | None
    shop_id: UUID
    card_id: UUID | None
    card: Card | None
    account: Account | None
    company: Company | None
    stripe_genuine: bool | None
    pin_right: bool | None
    consent_valid: bool | None
    signed: Signed
    of_this_session: bool
    clock_off_us: int
    expired: bool
    reversed_before: bool = False
    masked_pan: str = ""
    now_us: int = 0
    local_date: str = ""
    year_month: str = ""
    newer_reference: bytes = b""
    programme: Programme | None = None
    terms: Terms = STANDARD
    terms_version: int = 0
    suspicion: Suspicion = NO_SUSPICION
    watch_version: int = 0
    alert: Alert | None = None
    partial: bool = False
    tip_most_cents: int = 0
    group_id: UUID | None = None


_UNSIGNED = Signed(contract=b"", contract_hash=b"", signature="")


def of_spending(
    transaction_id: UUID,
    *,
    amount_cents: int,
    terminal_id: UUID,
    shop_id: UUID,
    card_id: UUID | None,
    account: Account,
    local_date: str,
    terms: Terms,
    shop: Shop | None = None,
    card: Card | None = None,
    now_us: int = 0,
    year_month: str = "",
) -> Request:
    """Money spent as the rules over spending see it: who may spend at all was decided before."""
    return Request(
        transaction_id=transaction_id,
        amount_cents=amount_cents,
        terminal=None,
        terminal_id=terminal_id,
        shop=shop,
        shop_id=shop_id,
        card_id=card_id,
        card=card,
        account=account,
        company=None,
        stripe_genuine=True,
        pin_right=True,
        consent_valid=None,
        signed=_UNSIGNED,
        of_this_session=True,
        clock_off_us=0,
        expired=False,
        now_us=now_us,
        local_date=local_date,
        year_month=year_month,
        terms=terms,
    )
