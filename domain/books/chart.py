"""The chart of accounts: every place where the issuer's books keep money.

Balances are signed cents, debit positive: assets and expenses stand above zero, liabilities and
income below, and the sum over all accounts is zero at every position of the log.
"""

import msgspec

CURRENCY = "USD"
ASSET, LIABILITY, INCOME, EXPENSE = "asset", "liability", "income", "expense"


class BookAccount(msgspec.Struct, frozen=True, gc=False):
    """`type` is asset, liability, income or expense; `about` says what stands on the account."""

    code: str
    name: str
    type: str
    about: str
    currency: str = CURRENCY


BANK = "1000"
PROCESSOR_CLEARING = "1100"
FEES_RECEIVABLE = "1200"
DISPUTES = "1300"
COMPANY_FUNDS = "2000"
CARDHOLDERS = "2100"
EXPIRED = "2150"
SHOPS = "2200"
DONATIONS = "2300"
COMMISSION = "4000"
COMPANY_FEES = "4100"
BREAKAGE = "4200"
PROCESSOR_FEES = "5000"
DISPUTE_LOSSES = "5100"

CHART: tuple[BookAccount, ...] = (
    BookAccount(BANK, "Bank", ASSET, "What the bank's statements confirmed."),
    BookAccount(
        PROCESSOR_CLEARING, "Processor clearing", ASSET,
        "Paid by companies, not yet on a bank statement.",
    ),
    BookAccount(
        FEES_RECEIVABLE, "Company fees receivable", ASSET,
        "Invoiced and not paid, or paid and charged back.",
    ),
    BookAccount(DISPUTES, "Disputes", ASSET, "Credited to cardholders until a dispute is decided."),
    BookAccount(
        COMPANY_FUNDS, "Company funds", LIABILITY,
        "Paid in by companies and not yet on cards; a debit balance is what they still owe.",
    ),
    BookAccount(CARDHOLDERS, "Cardholder balances", LIABILITY, "What employees may still spend."),
    BookAccount(
        EXPIRED, "Expired balances", LIABILITY, "Expired, and not yet claimed or given away.",
    ),
    BookAccount(SHOPS, "Shop payables", LIABILITY, "Owed to shops for approved payments."),
    BookAccount(DONATIONS, "Donations payable", LIABILITY, "Given away by cardholders."),
    BookAccount(COMMISSION, "Commission", INCOME, "Kept from what shops are paid."),
    BookAccount(COMPANY_FEES, "Company fees", INCOME, "What companies are invoiced."),
    BookAccount(BREAKAGE, "Breakage", INCOME, "Expired money that nobody claimed."),
    BookAccount(PROCESSOR_FEES, "Processor fees", EXPENSE, "Kept by card processors and banks."),
    BookAccount(DISPUTE_LOSSES, "Dispute losses", EXPENSE, "Disputes that the issuer bears."),
)  # fmt: skip

BY_CODE = {account.code: account for account in CHART}
