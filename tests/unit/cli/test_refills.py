"""`refill` and `schedule` at the command line: the old form, the words for people, wrong usage."""

from uuid import UUID

import pytest

from adapters.cli import refill, refill_orders, schedule
from domain.books.bank import reference_of
from tests.unit.application import happened
from tests.unit.cli.backend_double import BackendDouble
from tests.unit.cli.conftest import Program

COMPANY, ACCOUNT = str(happened.COMPANY), str(happened.ACCOUNT)


@pytest.fixture
def company(backend: BackendDouble) -> str:
    backend.outside.ledger.given(happened.company_registered(), happened.account_opened())
    backend.outside.directory.rows = [{"account": ACCOUNT}]
    return COMPANY


def test_the_form_without_a_second_word_orders(program: Program, company: str) -> None:
    for words in (("refill",), ("refill", "order")):
        ended = program(*words, company, "--each", "2.00")
        assert ended.status == 0, ended.err
        assert "1 account, $2.00" in ended.out
        assert "It is credited." in ended.out


def test_what_waits_for_another_says_how_to_approve_it(program: Program, company: str,
                                                       backend: BackendDouble) -> None:  # fmt: skip
    terms = type(backend.outside.refills.terms)
    backend.outside.refills.terms = terms(alone_most_cents=1)
    ended = program("refill", company, "--each", "2.00")
    assert "waits for another operator's approval" in ended.out
    assert "ticketrestaurant refill approve" in ended.out
    id = ended.out.split()[1].rstrip(":")
    done = program("refill", "approve", id, "--as", "operator-1")
    assert (done.status, "another person" in done.err) == (1, True)


def test_orders_that_are_above_the_limit_together_say_so(
    program: Program, company: str, backend: BackendDouble
) -> None:
    terms = type(backend.outside.refills.terms)
    backend.outside.refills.terms = terms(alone_most_cents=300)
    assert "It is credited." in program("refill", company, "--each", "2.00").out
    ended = program("refill", company, "--each", "2.00")
    assert "waits for another operator's approval" in ended.out
    assert "with $2.00 ordered alone in the last 24 hours" in ended.out


def test_what_is_not_paid_says_what_the_payment_should_name_and_how_to_confirm_it(
    program: Program, company: str
) -> None:
    ended = program("refill", company, "--each", "2.00", "--unpaid")
    assert ended.status == 0
    id = ended.out.split()[1].rstrip(":")
    reference = reference_of(UUID(id))
    assert reference in ended.out
    assert f"ticketrestaurant refill confirm {id} --reference" in ended.out


@pytest.mark.parametrize(
    ("outcome", "status"),
    [("credited", 0), ("awaiting-payment", 0), ("rejected", 1), ("failed", 1)],
)
def test_an_order_of_which_nothing_was_credited_is_status_1(
    program: Program, company: str, monkeypatch: pytest.MonkeyPatch, outcome: str, status: int
) -> None:
    async def ended(operator: object, result: dict[str, object]) -> dict[str, object]:
        return {**result, "status": outcome}

    monkeypatch.setattr(refill, "until_done", ended)
    monkeypatch.setattr(refill_orders, "until_done", ended)
    assert program("refill", company, "--each", "2.00").status == status
    assert program("refill", company, "--each", "2.00", "--json").status == status


def test_an_empty_list_says_so(program: Program, company: str) -> None:
    assert program("refill", "list").out.strip() == "no refills yet"
    listed = program("refill", "list", "--status", "failed")
    assert listed.out.strip() == "no refill is failed"
    assert program("schedule", "list").out.strip() == "no schedules yet"
    assert program("refill", "group", "list", company).out.strip() == "no groups yet"
    assert program("refill", "webhook", "list").out.strip() == "no webhooks yet"


@pytest.mark.parametrize(
    ("outcome", "words"),
    [
        ("refused", "the card was declined by its bank"),
        ("too late: the refill is rejected", "the card was declined, as was known"),
        ("refused: its signature is wrong", "not believed: its signature is wrong"),
        ("charged back", "charged back"),
    ],
)
def test_what_a_processor_told_is_said_in_words(
    program: Program, backend: BackendDouble, outcome: str, words: str
) -> None:
    row = {"received_ms": 1, "processor": "sandbox", "event": "", "kind": "", "refill": COMPANY}
    backend.outside.refills.given = [{**row, "outcome": outcome}]
    head, line = program("refill", "webhook", "list").out.splitlines()
    assert head.startswith("received (") and words in line
    assert program.json("refill", "webhook", "list")[0]["outcome"] == outcome


@pytest.mark.parametrize(
    "arguments",
    [
        ("refill", COMPANY),
        ("refill", COMPANY, "--each", "1", "--method", "cash"),
        ("refill", COMPANY, "--each", "1", "--method", "card"),
        ("refill", COMPANY, "--each", "1", "--token", "pm_1"),
        ("refill", COMPANY, "--line", f"{ACCOUNT}:1", "--group", "x"),
        ("refill", "list", "--status", "lost"),
        ("refill", "approve", "x"),
        ("refill", "reject", COMPANY),
        ("refill", "group", "set", COMPANY, "Night"),
        ("schedule", "add", COMPANY, "--each", "1"),
        ("schedule", "add", COMPANY, "--each", "1", "--weekly", "freitag"),
        ("schedule", "add", COMPANY, "--each", "1", "--weekly", "friday", "--monthly", "1"),
        ("schedule", "add", COMPANY, "--each", "1", "--monthly", "1", "--at", "17:30"),
        ("schedule", "add", COMPANY, "--each", "1", "--monthly", "32"),
        ("schedule", "add", COMPANY, "--each", "1", "--monthly", "1", "--until", "soon"),
    ],
)
def test_wrong_usage_is_status_2(
    program: Program, company: str, arguments: tuple[str, ...]
) -> None:
    assert program(*arguments).status == 2


def test_a_schedule_is_added_as_people_write_it(program: Program, company: str) -> None:
    made = program.json(
        "schedule", "add", company, "--each", "60", "--weekly", "Friday", "--at", "17:00"
    )
    assert made["status"] == "active"
    told = program("schedule", "add", company, "--each", "60", "--monthly", "1").out
    assert "is active; next 20" in told and told.endswith("-01 06:00 America/New_York\n")
    assert (
        "is active"
        in program(
            "schedule", "add", company, "--each", "60", "--monthly", "1", "--until", "2099-12-31"
        ).out
    )
    early = program(
        "schedule", "add", company, "--each", "60", "--monthly", "1", "--until", "2020-12-31"
    )
    assert (early.status, "Nothing would ever be ordered" in early.err) == (1, True)
    assert program("schedule", "pause", made["id"], "--why", "closed").out.endswith("is paused\n")


@pytest.mark.usefixtures("company")
def test_what_a_second_message_does_is_said(program: Program) -> None:
    out = program("refill", "webhook", "resend", ACCOUNT).out
    assert "was asked to send its messages again" in out and "changes nothing" in out


def test_the_last_day_of_a_schedule_is_shown(
    program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = {
        "schedule": COMPANY, "status": "ended", "group": "", "each_cents": 500,
        "every": "monthly", "day": 1, "hour": 6, "timezone": "America/New_York",
        "until": "2026-12-31",
    }  # fmt: skip
    monkeypatch.setattr(schedule, "_rows", lambda *_: [row])
    assert program("schedule", "list").out.endswith("all accounts, ended, until 2026-12-31\n")
    assert "until        2026-12-31\n" in program("schedule", "show", COMPANY).out
