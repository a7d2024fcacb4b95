"""What a cardholder's word over an alert does, whatever cards the alert came to be about."""

from uuid import UUID

import pytest

from application.alerts import AnswerAlert
from domain.aggregates import alert as alerts
from domain.aggregates import card as cards
from domain.aggregates.alert import Alert
from domain.aggregates.card import CardBlocked
from domain.event import Event
from domain.ids import make_id
from domain.suspicion import REFUSE, Suspicion
from tests.unit.application import happened
from tests.unit.application.ledger_double import DEADLINE_US, NOW_MS, Ledger, context

PHONE, NEWER_STRIPE = make_id(NOW_MS, 5, 40), make_id(NOW_MS, 5, 41)


def issued(id: UUID, kind: str) -> Event:
    return cards.issue(
        context(), id, account_id=happened.ACCOUNT, cardholder_id=happened.CARDHOLDER, kind=kind,
        masked_pan="984000******9876", expiry="2911",
    )  # fmt: skip


def raised(before: Alert | None, card_id: UUID, kind: str) -> Event:
    return alerts.raise_(
        context(), before, account_id=happened.ACCOUNT, card_id=card_id, kind=kind,
        shop_id=happened.SHOP, terminal_id=happened.TERMINAL, transaction_id=happened.PAYMENT,
        amount_cents=500, suspicion=Suspicion(150, ("far", "apart"), REFUSE), watch_version=0,
    )  # fmt: skip


def place(*about: tuple[UUID, str]) -> tuple[Ledger, UUID]:
    """A ledger with an alert over these cards, one after the other."""
    made = Ledger().given(
        happened.card_issued(), issued(PHONE, "virtual"), issued(NEWER_STRIPE, "stripe")
    )
    alert: Alert | None = None
    for card_id, kind in about:
        event = raised(alert, card_id, kind)
        made.given(event)
        alert = alerts.evolve(alert, event)
    assert alert is not None
    return made, alert.id


STRIPE, OTHER, MOBILE = (
    (happened.CARD, "stripe"), (NEWER_STRIPE, "stripe"), (PHONE, "virtual")
)  # fmt: skip


@pytest.mark.parametrize(
    ("about", "blocked"),
    [
        ([STRIPE], [happened.CARD]),
        ([STRIPE, MOBILE], [happened.CARD]),
        ([MOBILE, STRIPE, STRIPE], [happened.CARD]),
        ([STRIPE, OTHER, MOBILE], [happened.CARD, NEWER_STRIPE]),
        ([MOBILE], []),
    ],
)
def test_not_mine_blocks_every_stripe_of_the_alert(
    about: list[tuple[UUID, str]], blocked: list[UUID]
) -> None:
    made, alert_id = place(*about)
    work = AnswerAlert(context(), DEADLINE_US, card_id=PHONE, alert_id=alert_id, mine=False)
    answer, events, _ = work.decide(made.states, made.now_us)
    assert [each.originator_id for each in events if isinstance(each, CardBlocked)] == blocked
    assert ("blocked" in answer) == bool(blocked)
