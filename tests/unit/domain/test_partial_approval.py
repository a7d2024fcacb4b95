"""Less than asked is approved where the terminal takes it and every rule passes that."""

from typing import Any

import pytest
from msgspec.structs import replace

from domain import authorization
from domain.aggregates import transaction as transactions
from domain.aggregates.after_payment import TermsAgreed
from domain.answers import Refusal, refusal
from domain.ids import make_id
from domain.rules import order
from domain.suspicion import REFUSE, STEP_UP, Suspicion
from domain.terms import Terms
from tests.unit.domain.material import account, card, context, request


def authorized() -> str:
    """The topic of a yes."""
    return transactions.Authorized.TOPIC


def declined() -> str:
    """The topic of a no."""
    return transactions.Declined.TOPIC


@pytest.mark.parametrize(
    ("amount_cents", "balance_cents", "granted"),
    [(1_250, 10_000, 1_250), (1_250, 500, 500), (1_250, 0, None), (6_000, 10_000, 5_000)],
)
def test_part_of_the_amount_is_approved_where_the_terminal_takes_it(
    amount_cents: int, balance_cents: int, granted: int | None
) -> None:
    asked = request(
        amount_cents=amount_cents, account=account(balance_cents), partial=True, pin_right=True
    )
    events = authorization.decide(context(), asked)
    assert (authorized() if granted == amount_cents else declined()) == authorization.decide(
        context(), replace(asked, partial=False)
    )[0].TOPIC
    first: Any = events[0]
    if granted is None:
        assert first.code == "51"
        return
    assert first.amount_cents == granted
    state = transactions.evolve(None, first)
    terms = [event for event in events if isinstance(event, TermsAgreed)]
    state = transactions.evolve(state, terms[0])
    partly = granted < amount_cents
    assert (state.code, state.amount_cents, state.net_cents) == (
        "10" if partly else "00", amount_cents, granted,
    )  # fmt: skip


def test_nothing_else_is_approved_in_part() -> None:
    no, *_ = authorization.decide(context(), request(partial=True, amount_cents=2_501))
    assert isinstance(no, transactions.Declined)
    assert no.code == "55"
    lost = request(partial=True, card=replace(card(), status="lost"), account=account(1))
    assert declined() == authorization.decide(context(), lost)[0].TOPIC


@pytest.mark.parametrize(("action", "code"), [(STEP_UP, "55"), (REFUSE, "63")])
def test_nothing_is_approved_in_part_where_a_clone_is_suspected(action: str, code: str) -> None:
    suspicion = Suspicion(100, ("rapid",), action)
    asked = request(partial=True, account=account(500), suspicion=suspicion)
    no, *rest = authorization.decide(context(), asked)
    assert isinstance(no, transactions.Declined)
    assert (no.code, [event.TOPIC for event in rest][:1]) == (code, ["alert.raised/1"])


def test_part_of_the_amount_passes_every_rule_or_is_not_approved(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def not_small(asked: authorization.Request) -> Refusal | None:
        return refusal("57", "category") if asked.amount_cents < 600 else None

    monkeypatch.setattr(order, "RULES", (*order.RULES, not_small))
    no, *_ = authorization.decide(context(), request(partial=True, account=account(500)))
    assert isinstance(no, transactions.Declined)
    assert (no.code, no.amount_cents) == ("51", 1_250)


def test_a_programme_may_want_all_or_nothing() -> None:
    asked = request(partial=True, account=account(500), terms=Terms(partial_approval=False))
    assert declined() == authorization.decide(context(), asked)[0].TOPIC


def test_a_usual_payment_has_no_terms() -> None:
    assert len(authorization.decide(context(), request())) == 2
    shared = authorization.decide(context(), request(group_id=make_id(1, 2, 3)))
    assert [event.TOPIC for event in shared][2:] == ["transaction.terms_agreed/1"]
