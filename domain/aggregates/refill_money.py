"""Where a refill's money is: paid, credited, charged back, refunded, owed. Part of `refill`."""

import msgspec

AWAITING_PAYMENT, AWAITING_APPROVAL = "awaiting-payment", "awaiting-approval"
APPROVED, CREDITED, IN_PART, FAILED = "approved", "credited", "credited-in-part", "failed"
REJECTED, CANCELLED, CHARGED_BACK = "rejected", "cancelled", "charged-back"


class RefillMoney(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """`paid_fee_cents` of what was paid, and not refunded, is our fee. Debits that took back after
    chargebacks: `taken_lines`; the first `to_give_lines` of them go back, `given_lines` did.

    The company owes `receivable_cents`, after a chargeback; `fee_receivable_cents` of them are our
    fee. It paid `fee_paid_cents` of that since, which are `overpaid_cents` where the chargeback was
    won after all. `refunded_over_cents` of what was refunded gave that back, and nothing of the
    payment. `refunded_late_cents` went out when the payment was charged back,
    `refunded_late_fee_cents` of them our fee.
    """

    status: str = CREDITED
    paid_cents: int = 0
    paid_fee_cents: int = 0
    credited_lines: int = 0
    credited_cents: int = 0
    failed_cents: int = 0
    status_before: str = ""
    charged_back_cents: int = 0
    charged_back_fee_cents: int = 0
    receivable_cents: int = 0
    fee_receivable_cents: int = 0
    fee_paid_cents: int = 0
    overpaid_cents: int = 0
    refunded_cents: int = 0
    refunded_over_cents: int = 0
    refunded_late_cents: int = 0
    refunded_late_fee_cents: int = 0
    taken_lines: int = 0
    to_give_lines: int = 0
    given_lines: int = 0
    taken_cents: int = 0
    won_cents: int = 0

    @property
    def is_given_up(self) -> bool:
        """Whether it was rejected or cancelled, also before it was charged back."""
        status = self.status_before if self.is_charged_back else self.status
        return status in (REJECTED, CANCELLED)

    @property
    def is_charged_back(self) -> bool:
        """Whether its payment is not ours any more."""
        return self.status == CHARGED_BACK

    @property
    def giving_back(self) -> bool:
        """Whether what a won chargeback had taken is not on all accounts again."""
        return self.given_lines < self.to_give_lines

    @property
    def status_when_won(self) -> str:
        """What it is again once its chargeback is won. Lines that still wait are credited, unless
        money for them went back to the company."""
        if self.refunded_late_cents and self.status_before in (APPROVED, AWAITING_APPROVAL):
            return IN_PART if self.credited_lines else FAILED
        return self.status_before

    @property
    def refundable_cents(self) -> int:
        """What was paid for nothing, refunded or not."""
        if self.status in (REJECTED, CANCELLED):
            return self.paid_cents + self.overpaid_cents
        failed_cents = self.failed_cents if self.status in (IN_PART, FAILED) else 0
        return min(failed_cents, self.paid_cents) + self.overpaid_cents

    @property
    def refund_cents(self) -> int:
        """What was paid for nothing and has to go back to the company."""
        return max(0, self.refundable_cents - self.refunded_cents)

    @property
    def refund_by_processor_cents(self) -> int:
        """What of that a processor can send back: never more than it took. The rest is of a fee
        that was paid otherwise."""
        return min(self.refund_cents, max(0, self.paid_cents - self.refunded_cents))

    @property
    def payment_refunded_cents(self) -> int:
        """What of the payment itself was refunded."""
        return self.refunded_cents - self.refunded_over_cents

    @property
    def held_cents(self) -> int:
        """What was here of the payment for its lines, but for a chargeback and what came after."""
        fee_cents = self.paid_fee_cents + self.refunded_late_fee_cents
        refunded_cents = self.payment_refunded_cents - self.refunded_late_cents
        return max(0, self.paid_cents - fee_cents - refunded_cents)

    @property
    def unclaimed_cents(self) -> int:
        """What nobody else has a claim to if money goes out now: what is due back; after a
        chargeback what that left of the money for lines that were not credited, and of the fee of
        an order that was given up."""
        if not self.is_charged_back:
            return self.refund_cents
        gone_cents = self.charged_back_cents - self.charged_back_fee_cents
        late_cents = self.refunded_late_cents - self.refunded_late_fee_cents
        of_lines = self.held_cents - gone_cents - late_cents - self.credited_cents
        return max(0, of_lines) + self._unclaimed_fee_cents

    @property
    def _unclaimed_fee_cents(self) -> int:
        """What of our fee goes back where money does: only an order that was given up has none."""
        if not self.is_given_up:
            return 0
        gone_cents = self.charged_back_fee_cents if self.is_charged_back else 0
        return max(0, self.paid_fee_cents - gone_cents)

    def fee_of_chargeback(self, amount_cents: int) -> int:
        """What of a chargeback is our fee: what goes beyond the money for the lines."""
        return max(0, min(amount_cents - self.held_cents, self.paid_fee_cents))

    def fee_of_refund(self, amount_cents: int) -> int:
        """What of a refund is our fee."""
        return min(self._unclaimed_fee_cents, amount_cents)
