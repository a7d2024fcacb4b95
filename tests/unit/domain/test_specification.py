"""docs/TR-BEFS.md, section 6: its tables of rules and answers are what the domain does."""

from typing import Any

import pytest
from msgspec.structs import replace

from domain import authorization
from domain import payment_life as life
from domain.aggregates.card import PIN_FREE_CENTS
from domain.answers import TEXTS
from tests.specification import section, tables
from tests.unit.domain.material import account, card, request, shop, terminal

RULES, OTHERS = tables(section("TR-BEFS", "6"))

# For each row a payment that this rule refuses.
REFUSED: dict[tuple[str, str], dict[str, Any]] = {
    ("05", "reversed-before"): {"reversed_before": True},
    ("12", "foreign-session"): {"of_this_session": False},
    ("12", "stale-clock"): {"clock_off_us": -5 * 60_000_000 - 1},
    ("12", "expired-contract"): {"expired": True},
    ("13", "amount"): {"amount_cents": 1 << 31},
    ("58", "terminal"): {"terminal": terminal(active=False)},
    ("63", "card-check"): {"stripe_genuine": False},
    ("14", "unknown-card"): {"card": None},
    ("63", "consent"): {"card": card("virtual")},
    ("41", "card-lost"): {"card": replace(card(), status="lost")},
    ("43", "card-stolen"): {"card": replace(card(), status="stolen")},
    ("62", "card-blocked"): {"card": replace(card(), status="blocked")},
    ("54", "card-expired"): {"card": replace(card(), expiry="2610")},
    ("57", "category"): {"shop": shop(category="5813")},
    ("75", "pin-tries"): {"card": replace(card(), pin_failures=3), "amount_cents": 1},
    ("55", "pin-required"): {"amount_cents": PIN_FREE_CENTS + 1},
    ("55", "wrong-pin"): {"pin_right": False, "amount_cents": 1},
    ("61", "daily-limit"): {"amount_cents": 5_001},
    ("51", "balance"): {"account": account(100)},
}


def test_the_rules_are_those_of_the_code_in_its_order() -> None:
    named = list(dict.fromkeys(row[0] for row in RULES))
    assert named == [rule.__name__ for rule in authorization.RULES]


@pytest.mark.parametrize(("rule", "code", "reason"), [row[:3] for row in RULES])
def test_each_rule_gives_the_answer_beside_it(rule: str, code: str, reason: str) -> None:
    no = getattr(authorization, rule)(request(**REFUSED[code, reason]))
    assert no is not None
    assert (no.code, no.reason) == (code, reason)


def test_the_two_tables_name_every_answer_once() -> None:
    of_rules = [(row[1], row[2]) for row in RULES]
    others = [(row[0], row[1]) for row in OTHERS]
    told = of_rules + others
    assert len(set(told)) == len(told)
    # Approvals are no refusals; in-doubt has the text of unavailable.
    answers = {("00", "approved"), ("10", "partial"), ("91", "in-doubt")}
    assert set(told) - answers == TEXTS.keys()


def test_the_table_of_a_payment_s_life_is_the_code_s() -> None:
    (rows,) = tables(section("TR-BEFS", "7.2"))
    told = {
        row[0]: dict(zip(life.STEPS, (cell.replace("`", "") for cell in row[1:]), strict=True))
        for row in rows
    }
    assert told == {
        state: {step: _cell(to) for step, to in steps.items()} for state, steps in life.LIFE.items()
    }


def _cell(step: life.To | life.No) -> str:
    if isinstance(step, frozenset):
        return "→ " + ", ".join(state for state in life.STATES if state in step)
    return f"{step[0]} {step[1]}"
