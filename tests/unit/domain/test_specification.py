"""docs/TR-BEFS.md, section 6: its tables of rules and answers are what the domain does."""

from typing import Any

import pytest
from msgspec.structs import fields, replace

from domain import authorization
from domain import payment_life as life
from domain.answers import TEXTS, dollars
from domain.rules import behaviour, message, spending
from domain.suspicion import DEFAULTS, REFUSE, SIGNALS, STEP_UP, Suspicion
from domain.terms import EVERY_DAY, PIN_FREE_CENTS, STANDARD, Terms, Window
from tests.specification import section, tables
from tests.unit.domain.material import TODAY, account, card, paid, request, shop, terminal

RULES, OTHERS, TERMS, SIGNALS_TOLD = tables(section("TR-BEFS", "6"))

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
    ("63", "suspicion"): {"suspicion": Suspicion(120, ("far", "parallel"), REFUSE)},
    ("55", "step-up"): {"suspicion": Suspicion(80, ("far",), STEP_UP), "amount_cents": 1},
    ("75", "pin-tries"): {"card": replace(card(), pin_failures=3), "amount_cents": 1},
    ("55", "pin-required"): {"amount_cents": PIN_FREE_CENTS + 1},
    ("55", "wrong-pin"): {"pin_right": False, "amount_cents": 1},
    ("57", "weekday"): {"terms": Terms(weekdays=(2, 3))},  # it is a Monday
    ("57", "holiday"): {"terms": Terms(holidays=(TODAY,))},
    ("57", "hours"): {"terms": Terms(hours=(Window(0, 1_080), Window(1_081, 1_440)))},  # 18:00
    ("65", "daily-count"): {"account": paid(), "terms": Terms(payments_per_day=1)},
    ("65", "weekly-count"): {"account": paid(), "terms": Terms(payments_per_week=1)},
    ("65", "monthly-count"): {"account": paid(), "terms": Terms(payments_per_month=1)},
    ("61", "payment-limit"): {"terms": Terms(per_payment_cents=1_249)},
    ("61", "daily-limit"): {"amount_cents": 5_001},
    ("61", "weekly-limit"): {"terms": Terms(per_week_cents=1_249)},
    ("61", "monthly-limit"): {"terms": Terms(per_month_cents=1_249)},
    ("61", "legal-limit"): {
        "account": replace(account(900_000), daily_limit_cents=900_000),
        "amount_cents": 200_001,
    },
    ("51", "balance"): {"account": account(100)},
}


def test_the_rules_are_those_of_the_code_in_its_order() -> None:
    named = list(dict.fromkeys(row[0] for row in RULES))
    assert named == [rule.__name__ for rule in authorization.RULES]


@pytest.mark.parametrize(("rule", "code", "reason"), [row[:3] for row in RULES])
def test_each_rule_gives_the_answer_beside_it(rule: str, code: str, reason: str) -> None:
    module = next(each for each in (message, behaviour, spending) if hasattr(each, rule))
    no = getattr(module, rule)(request(**REFUSED[code, reason]))
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
    (rows,) = tables(section("TR-BEFS", "7.3"))
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


def test_the_terms_of_a_programme_are_those_of_the_code() -> None:
    assert [row[0] for row in TERMS] == [field.name for field in fields(Terms)]


def test_the_standard_terms_are_those_that_are_told() -> None:
    told = {row[0]: row[1] for row in TERMS}
    lifted = {name for name, value in told.items() if value in ("none", "never")}
    assert all(not getattr(STANDARD, name) for name in lifted)
    assert told["pin_free_cents"] == dollars(STANDARD.pin_free_cents)
    assert told["tip_percent"] == str(STANDARD.tip_percent)
    assert STANDARD.refused_categories == (told["refused_categories"].split(" ")[0],)
    rest = {"weekdays", "hours", "allowed_categories", "partial_approval"}
    assert told.keys() == lifted | rest | {"pin_free_cents", "tip_percent", "refused_categories"}
    assert (STANDARD.weekdays, STANDARD.hours) == (EVERY_DAY, ())
    assert (STANDARD.allowed_categories, STANDARD.partial_approval) == ((), True)


def test_the_signals_are_those_of_the_code_with_their_first_weights() -> None:
    told = [(row[0], int(row[2])) for row in SIGNALS_TOLD]
    assert told == [(name, weight(DEFAULTS)) for name, (_, weight) in SIGNALS.items()]
