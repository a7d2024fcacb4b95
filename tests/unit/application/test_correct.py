"""Wrong amounts are put right by compensating events, all or none; no balance goes below zero."""

from typing import Any
from uuid import UUID

import pytest
from msgspec.structs import replace

from adapters.backend.correcting import LINES_MOST
from adapters.backend.operator_reads import PART_BYTES
from adapters.correction_reads import STATEMENTS_MOST
from application.correct import CorrectAmounts, PreviewCorrections
from application.corrections import Agreement, Correction, Credited, Effect, Plan, Seen
from application.fields import NAME_MOST
from domain.aggregates.account import Account, DebitCorrected
from domain.aggregates.after_credit import CreditCorrected
from domain.aggregates.credit import Corrected as CreditPutRight
from domain.aggregates.transaction import Corrected
from domain.grounds import Grounds
from domain.ids import partition_of
from protocol.encoding import to_json
from tests.unit.application import happened
from tests.unit.application.ledger_double import DEADLINE_US, Ledger, origin

PROPOSAL, OPERATOR_1 = UUID(int=71), UUID(int=72)
REFILL = happened.COMPANY
"""What `happened.credited` names as its refill."""
CREDITED = {(REFILL, happened.ACCOUNT): Credited(10_000, 2)}


def ledger() -> Ledger:
    return Ledger().given(
        happened.account_opened(),
        happened.credited(10_000),
        happened.authorized(4_500),
        happened.debited(4_500),
    )


def payment(to_cents: int, version: int = 1, cents: int = 4_500) -> Correction:
    return Correction(
        transaction_id=happened.PAYMENT,
        to_cents=to_cents,
        why="typed 45.00 for 4.50",
        evidence="bill 17",
        seen=Seen(version, cents),
    )


def credit(to_cents: int, version: int = 0, cents: int = 10_000) -> Correction:
    return Correction(
        refill_id=REFILL,
        account_id=happened.ACCOUNT,
        to_cents=to_cents,
        why="the list said 10.00",
        document_sha256=b"d" * 32,
        seen=Seen(version, cents),
    )


def correct(*asked: Correction, number: int = 1) -> CorrectAmounts:
    return CorrectAmounts(
        origin(number),
        DEADLINE_US,
        asked=[replace(each, line=line) for line, each in enumerate(asked, start=1)],
        credited=CREDITED,
        agreement=Agreement(PROPOSAL, OPERATOR_1),
    )


def balance(place: Ledger) -> int:
    account = place.states.get(happened.ACCOUNT, Account)
    assert account is not None
    return account.balance_cents


def test_the_difference_goes_back_to_the_account() -> None:
    place = ledger()
    answer, (corrected, account) = place.when(correct(payment(450)))
    assert isinstance(corrected, Corrected)
    assert (corrected.from_cents, corrected.to_cents, corrected.corrects_version) == (4_500, 450, 1)
    assert corrected.grounds == Grounds(
        evidence="bill 17", proposal_id=PROPOSAL, requested_by=OPERATOR_1
    )
    assert isinstance(account, DebitCorrected)
    assert (account.change_cents, account.corrects_version) == (4_050, 3)
    assert balance(place) == 9_550
    (line,) = answer["lines"]
    assert line["amount_cents"] == {"before": 4_500, "after": 450}
    assert line["balance_cents"] == {"before": 5_500, "after": 9_550}


def test_a_correction_of_a_correction_names_the_events_of_the_first() -> None:
    place = ledger()
    place.when(correct(payment(450)))
    _, (corrected, account) = place.when(correct(payment(4_600, 2, 450), number=2))
    assert isinstance(corrected, Corrected)
    assert (corrected.from_cents, corrected.corrects_version) == (450, 2)
    assert isinstance(account, DebitCorrected)
    assert (account.change_cents, account.corrects_version) == (-4_150, 4)
    assert balance(place) == 5_400


def test_a_refill_credit_is_corrected_and_corrected_again() -> None:
    place = ledger()
    answer, (corrected, account) = place.when(correct(credit(7_000)))
    assert isinstance(corrected, CreditPutRight)
    assert (corrected.from_cents, corrected.to_cents, corrected.corrects_version) == (
        *(10_000, 7_000, 2),
    )
    assert partition_of(corrected.originator_id) == partition_of(happened.ACCOUNT)
    assert isinstance(account, CreditCorrected)
    assert (account.change_cents, account.refill_id) == (-3_000, REFILL)
    assert answer["lines"][0]["refill"] == str(REFILL)
    _, (_, account) = place.when(correct(credit(8_000, 1, 7_000), number=2))
    assert isinstance(account, CreditCorrected)
    assert (account.change_cents, account.corrects_version) == (1_000, 4)
    assert balance(place) == 3_500


@pytest.mark.parametrize("line", [payment(400), credit(9_000)])
def test_of_two_who_saw_the_same_record_one_wins_and_the_other_is_told(line: Correction) -> None:
    place = ledger()
    first = payment(450) if line.transaction_id else credit(8_000)
    assert len(place.when(correct(first))[1]) == 2
    before = balance(place)
    answer, events = place.when(correct(line, number=2))
    assert (answer.code, events, balance(place)) == ("stale", [], before)
    assert "ask again" in answer.text


def test_the_amount_that_was_approved_is_the_one_that_is_corrected() -> None:
    assert ledger().when(correct(payment(450, cents=5_400)))[0].code == "stale"


def test_a_file_is_done_whole_or_not_at_all_and_every_line_at_fault_is_named() -> None:
    place = ledger()
    lines = [payment(450), payment(500), credit(10_000), credit(999_999)]
    answer, events = place.when(correct(*lines))
    assert (answer.code, events) == ("correction-lines", [])
    for part in ("Line 2: the record of line 1 again", "Line 3: The credit has that amount"):
        assert part in answer.text
    assert "Line 1" not in answer.text.replace("line 1 again", "")
    answer, events = place.when(correct(payment(450), credit(5_000), number=2))
    assert (answer["corrections"], len(events)) == (2, 4)
    assert answer["balances_change_cents"] == 4_050 - 5_000
    assert balance(place) == 4_550


def test_each_line_sees_what_the_ones_before_left_of_the_account() -> None:
    answer, events = ledger().when(correct(credit(4_500), payment(4_600)))
    assert (answer.code, events) == ("correction-lines", [])
    assert "Line 2: The account holds $0.00" in answer.text


def test_the_same_file_again_corrects_nothing() -> None:
    place = ledger()
    place.when(correct(payment(450), credit(9_000)))
    answer, events = place.when(correct(payment(450), credit(9_000), number=2))
    assert (answer.code, events) == ("correction-lines", [])


def test_a_preview_shows_before_and_after_and_stores_nothing() -> None:
    place = ledger()

    def preview(line: Correction) -> Any:
        work: Any = PreviewCorrections(origin(), DEADLINE_US, asked=[line], credited=CREDITED)
        return place.when(work)

    plan, events = preview(payment(450))
    assert (plan.refused, events) == (None, [])
    (effect,) = plan.effects
    assert (effect.version, effect.balance_after, effect.shop_change_cents) == (1, 9_550, -4_050)
    assert balance(place) == 5_500
    assert len(place.when(correct(payment(450)))[1]) == 2, "a preview uses up no command id"
    assert preview(payment(450))[0] is None, "this command was carried out"


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (payment(4_500), "no-change"),
        (payment(-1), "amount"),
        (payment(1 << 31), "amount"),
        (payment(10_001), "balance"),
        (credit(10_000), "no-change"),
        (credit(1_000_001), "amount"),
        (credit(4_499), "spent-credit"),
    ],
)
def test_what_cannot_be_right_is_refused(line: Correction, code: str) -> None:
    place = ledger()
    answer, events = place.when(correct(line))
    assert (answer.code, events) == (code, [])
    assert balance(place) == 5_500


def test_a_refused_payment_has_no_amount_to_correct() -> None:
    place = Ledger().given(happened.account_opened(), happened.declined())
    assert place.when(correct(payment(450, cents=0)))[0].code == "not-approved"


def test_what_is_unknown_is_refused() -> None:
    assert Ledger().when(correct(payment(450)))[0].code == "no-such-payment"
    other = Correction(
        refill_id=UUID(int=5), account_id=happened.ACCOUNT, to_cents=1, why="x", seen=Seen(0, 2)
    )
    assert ledger().when(correct(other))[0].code == "no-such-credit"


def test_the_answer_to_the_longest_file_fits_a_line_of_the_protocol() -> None:
    big = (1 << 31) - 1
    effects = [
        Effect(line=10_000_000 - n, record=UUID(int=n), account_id=UUID(int=n), version=999,
               from_cents=big - n, to_cents=n, balance_before=0, balance_after=big - n,
               shop_id=UUID(int=n))
        for n in range(LINES_MOST)
    ]  # fmt: skip
    amounts = {"before": big, "after": big}
    days = ["2026-11-23"] * 5
    statement = {"shop": str(UUID(int=1)), "name": "é" * NAME_MOST, "day": "2026-11-24",
                 "net_cents": amounts, "settled_days": days}  # fmt: skip
    seen = [[effect.version, effect.from_cents] for effect in effects]
    answer = {**Plan(effects, [], []).answer, "statements": [statement] * STATEMENTS_MOST}
    assert len(to_json({**answer, "seen": seen, "preview": True})) < PART_BYTES
