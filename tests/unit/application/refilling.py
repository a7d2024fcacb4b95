"""Two companies with accounts, and orders of refills over them, for tests."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from application.credit_refill import CreditLines, TakeBackLines, step_origin
from application.payment_processor import PAID as CHARGED
from application.payment_processor import Charge, RecordCharge
from application.refill import OrderRefill, Payment, Terms
from domain.aggregates import programme as programmes
from domain.aggregates import refill as refills
from domain.aggregates.account import Account
from domain.aggregates.refill import Refill
from domain.event import Event
from domain.ids import make_id
from domain.refill_lines import RefillLine
from domain.terms import Terms as ProgrammeTerms
from tests.unit.application.happened import (
    ACCOUNT,
    COMPANY,
    OTHER_COMPANY,
    account_opened,
    company_registered,
)
from tests.unit.application.ledger_double import (
    DEADLINE_US,
    ISSUER,
    NOW_MS,
    NOW_US,
    Ledger,
    context,
    origin,
)

SECOND = make_id(NOW_MS, 6, 30)
FOREIGN = make_id(NOW_MS, 6, 31)
PAID = Payment(confirmed=True, reference="WIRE-7")
BY_CARD = Payment(method=refills.CARD, token="pm_card_visa")
SMALL = Terms(alone_most_cents=10_000)
LINES = ((ACCOUNT, 6_000), (SECOND, 5_000))
DUE = 11_000
OTHER_PERSON = "operator:00000000-0000-8000-8000-00000000000b:20"


def ledger() -> Ledger:
    """Two accounts of the company, one of another."""
    return Ledger().given(
        company_registered(),
        company_registered(OTHER_COMPANY),
        account_opened(),
        account_opened(SECOND),
        account_opened(FOREIGN, OTHER_COMPANY),
    )


def order(*lines: tuple[UUID, int], number: int = 1, **facts: Any) -> OrderRefill:
    """An order of the company, paid by bank unless `payment` says otherwise."""
    given: dict[str, Any] = {"payment": PAID, "terms": Terms(), "company_id": COMPANY}
    return OrderRefill(origin(number), DEADLINE_US, lines=lines, **(given | facts))


def refill_of(place: Ledger, answer: dict[str, Any]) -> Refill:
    """The refill that an order's answer is about."""
    found = place.states.get(UUID(answer["id"]), Refill)
    assert found is not None
    return found


def balance(place: Ledger, account_id: UUID = ACCOUNT) -> int:
    """In cents."""
    account = place.states.get(account_id, Account)
    assert account is not None
    return account.balance_cents


def step(place: Ledger, refill: Refill, lines: Sequence[tuple[UUID, int]]) -> CreditLines:
    """The next step of crediting."""
    return CreditLines(
        step_origin(refill, "credit", refill.done_lines, NOW_MS, ISSUER),
        DEADLINE_US,
        refill_id=refill.id,
        place=refill.done_lines,
        lines=as_lines(lines),
    )


def step_back(refill: Refill, lines: Sequence[tuple[UUID, int]]) -> TakeBackLines:
    """The next step of taking back."""
    return TakeBackLines(
        step_origin(refill, "take-back", refill.looked_at_lines, NOW_MS, ISSUER),
        DEADLINE_US,
        refill_id=refill.id,
        place=refill.looked_at_lines,
        lines=as_lines(lines),
    )


def as_lines(lines: Sequence[tuple[UUID, int]]) -> list[RefillLine]:
    """As they are stored."""
    return [RefillLine(account_id=account, amount_cents=cents) for account, cents in lines]


def money_lasts(days: int) -> Event:
    """The company's programme from now on: what it orders can be spent for so many days."""
    terms = ProgrammeTerms(expiry_days=days)
    return programmes.set_terms(
        context(), None, company_id=COMPANY, terms=terms, effective_us=NOW_US, why="a month"
    )


def charged(place: Ledger, id: UUID, number: int, state: str, cents: int = DUE) -> Any:
    """The answer to what the processor said."""
    charge = Charge(reference="pi_1", state=state, amount_cents=cents, reason="card_declined")
    command = RecordCharge(
        origin(number), DEADLINE_US, refill_id=id, processor="sandbox", charge=charge
    )
    return place.when(command)[0]


def state(place: Ledger, id: UUID) -> Refill:
    """The refill as it is by now."""
    return refill_of(place, {"id": str(id)})


def credited_by_card(terms: Terms | None = None) -> tuple[Ledger, UUID]:
    """A refill of LINES that a card paid for and that is credited."""
    place = ledger()
    terms = terms or Terms()
    answer, _ = place.when(order(*LINES, payment=BY_CARD, terms=terms))
    id = UUID(answer["id"])
    charged(place, id, 2, CHARGED, DUE + terms.fee_cents)
    place.when(step(place, state(place, id), LINES))
    assert state(place, id).status == "credited"
    return place, id
