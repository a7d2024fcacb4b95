"""What an operator types is signed, sent, carried out and shown; exit statuses are reliable."""

import stat
from pathlib import Path

import pytest

from adapters.cli import operator_link
from devices.identity import load_device
from devices.magstripe import read_stripe
from devices.personalisation import load_card
from domain.aggregates.account import Account
from domain.aggregates.card import Card
from domain.aggregates.company import CompanyRegistered
from domain.aggregates.shop import Shop
from domain.ids import make_id
from protocol.encoding import b64
from tests.unit.application import happened
from tests.unit.cli.backend_double import BackendDouble
from tests.unit.cli.conftest import Program

ANA = ("--first-name", "Ana", "--last-name", "Diaz", "--email", "ana@example.com")


def registered_company(program: Program) -> str:
    return str(program.json("register", "company", "--name", "Acme")["company"])


def test_a_company_is_registered(program: Program, backend: BackendDouble) -> None:
    company = program.json("register", "company", "--name", "Acme", "--daily-limit", "50.00")
    (event,) = backend.outside.ledger.log.events
    assert isinstance(event, CompanyRegistered)
    assert str(event.originator_id) == company["company"]
    assert event.daily_limit_cents == 5_000


def test_an_answer_together_with_a_sign_of_life_is_heard(
    program: Program, backend: BackendDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(operator_link, "SILENCE_S", 1.0)
    backend.sign_with_answer = True
    company = program.json("register", "company", "--name", "Acme")
    assert "repeated" not in company, "the first answer counted"


def test_another_operator_signs_with_a_key_of_their_own(
    program: Program, backend: BackendDouble
) -> None:
    program.json("register", "company", "--name", "Acme", "--as", "operator-2")
    device = load_device(backend.home / "operators" / "operator-2")
    actor = f"operator:{device.id}:{device.serial}"
    assert backend.outside.ledger.log.events[0].actor == actor


def test_an_auditor_cannot_command(program: Program, backend: BackendDouble) -> None:
    ended = program("register", "company", "--name", "Acme", "--as", "auditor-1")
    assert ended.status == 5
    assert "auditor" in ended.err


def test_a_shop_gets_its_code_and_menu(program: Program, backend: BackendDouble) -> None:
    ended = program("register", "shop", "--name", "Deli", "--email", "deli@example.com")
    assert ended.status == 0
    assert "CODE-" in ended.out
    shop = ended.out.split()[1]
    items = ("--item", "soup:Soup: the day's:6.50", "--item", "tea:Tea:2")
    assert program.json("menu", shop, *items)["items"] == 2
    state = backend.outside.ledger.states.get(
        backend.outside.ledger.log.events[0].originator_id, Shop
    )
    assert state is not None
    assert [(item.name, item.price_cents) for item in state.menu] == [
        ("Soup: the day's", 650),
        ("Tea", 200),
    ]


def test_a_terminal_gets_an_identity_of_its_own(program: Program, backend: BackendDouble) -> None:
    shop = program.json("register", "shop", "--name", "Deli", "--email", "d@example.com")["shop"]
    made = program.json("register", "terminal", "--shop", shop, "--label", "Till 1")
    folder = Path(made["folder"])
    device = load_device(folder, "pos")
    assert folder == backend.home / "devices" / made["terminal"]
    assert (str(device.id), str(device.shop), device.shop_name) == (made["terminal"], shop, "Deli")
    assert device.gateway == ("127.0.0.1", backend.authority.port)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert all(stat.S_IMODE(file.stat().st_mode) == 0o600 for file in folder.iterdir())


def test_a_refused_terminal_leaves_no_folder(program: Program, backend: BackendDouble) -> None:
    ended = program("register", "terminal", "--shop", str(happened.SHOP), "--label", "Till")
    assert ended.status == 1
    assert "no shop" in ended.err
    assert list((backend.home / "devices").iterdir()) == []


def test_cards_are_issued_with_stripe_pin_and_phone(
    program: Program, backend: BackendDouble
) -> None:
    company = registered_company(program)
    made = program.json("issue", "--company", company, *ANA, "--virtual")
    stripe, virtual = made["cards"]
    folder = Path(stripe["folder"])
    read = read_stripe((folder / "stripe.txt").read_text())
    pin = (folder / "pin.txt").read_text().strip()
    assert read.masked == stripe["masked_pan"]
    assert all(stat.S_IMODE(file.stat().st_mode) == 0o600 for file in folder.iterdir())
    reference = next(iter(backend.hsm.pins))
    assert backend.hsm.holds(reference, pin, read.pan)
    phone = load_device(Path(virtual["folder"]), "card")
    assert str(phone.id) == virtual["card"]
    assert load_card(phone).track2.startswith(";" + load_card(phone).pan)
    assert read.pan not in str(made)


def test_a_pin_is_set_anew(program: Program, backend: BackendDouble) -> None:
    company = registered_company(program)
    made = program.json("issue", "--company", company, *ANA)
    card = made["cards"][0]["card"]
    program.json("pin", card)
    states = backend.outside.ledger.states
    events = [e for e in backend.outside.ledger.log.events if e.TOPIC == "card.pin_set/1"]
    assert len(events) == 2
    state = states.get(events[1].originator_id, Card)
    assert state is not None
    pan = read_stripe((Path(made["cards"][0]["folder"]) / "stripe.txt").read_text()).pan
    pin = (Path(made["cards"][0]["folder"]) / "pin.txt").read_text().strip()
    assert backend.hsm.holds(state.pin_reference, pin, pan)
    assert program("pin", str(happened.CARD)).status == 5


def test_a_pin_is_sealed_to_no_key_without_our_certificate(
    program: Program, backend: BackendDouble
) -> None:
    made = program.json("issue", "--company", registered_company(program), *ANA)
    before = len(backend.hsm.pins)
    other = [b64(each) for each in backend.authority.pin_chain(other=True)]
    for chain in (None, other):
        backend.ready = {"pin_certificate": chain}
        ended = program("pin", made["cards"][0]["card"])
        assert ended.status == 3
        assert "PIN key" in ended.err
    assert len(backend.hsm.pins) == before


def write_list(home: Path, *rows: str) -> str:
    path = home / "staff.csv"
    path.write_text("\n".join(["first_name,last_name,email", *rows]) + "\n")
    return str(path)


def test_a_list_of_employees_is_issued_once(program: Program, backend: BackendDouble) -> None:
    company = registered_company(program)
    people = [f"Ana{n},Diaz,ana{n}@example.com" for n in range(20)]
    arguments = ("issue", "--company", company, "--employees", write_list(backend.home, *people))
    made = program.json(*arguments, "--virtual")
    assert len(made) == 20
    before = len(backend.outside.ledger.log.events)
    again = program.json(*arguments, "--virtual")
    assert len(backend.outside.ledger.log.events) == before
    assert all(each["repeated"] for each in again)
    assert {each["account"] for each in again} == {each["account"] for each in made}
    assert not [path for path in (backend.home / "devices").iterdir() if path.name[0] == "."]


def test_a_list_at_fault_is_refused_before_anything_is_sent(
    program: Program, backend: BackendDouble
) -> None:
    path = write_list(backend.home, "Ana,Diaz,ana@example.com", "Bob,,bob", ",Cy,cy@example.com")
    ended = program("issue", "--company", str(happened.COMPANY), "--employees", path)
    assert ended.status == 2
    assert "Line 3" in ended.err
    assert "Line 4" in ended.err
    assert "Bob" not in ended.err
    assert backend.lines == 0


@pytest.mark.parametrize(
    "content", ["", "name\nAna\n", "first_name,last_name,email\n", 'first_name,last_name,email\n"']
)
def test_a_file_that_is_no_list_is_refused(
    program: Program, backend: BackendDouble, content: str
) -> None:
    path = backend.home / "staff.csv"
    path.write_text(content)
    ended = program("issue", "--company", str(happened.COMPANY), "--employees", str(path))
    assert ended.status == 2
    assert str(path) in ended.err


def test_accounts_are_refilled(program: Program, backend: BackendDouble) -> None:
    company = registered_company(program)
    account = program.json("issue", "--company", company, *ANA)["account"]
    backend.outside.directory.rows = [{"account": account}]
    assert program.json("refill", company, "--each", "50.00")["total_cents"] == 5_000
    assert program.json("refill", company, "--line", f"{account}:0.25")["total_cents"] == 25
    path = backend.home / "lines.csv"
    path.write_text(f"account,amount\n{account},1.00\n")
    assert program.json("refill", company, "--file", str(path))["accounts"] == 1
    assert "2 accounts" not in program("refill", company, "--each", "1").out
    states = backend.outside.ledger.states
    (account_id,) = {
        event.originator_id
        for event in backend.outside.ledger.log.events
        if event.TOPIC == "account.opened/1"
    }
    state = states.get(account_id, Account)
    assert state is not None
    assert state.balance_cents == 5_225


def test_a_refill_of_thousands_travels_in_pieces(program: Program, backend: BackendDouble) -> None:
    company = registered_company(program)
    rows = [f"{make_id(1, 0, n)},1.00" for n in range(5_000)]
    path = backend.home / "lines.csv"
    path.write_text("\n".join(["account,amount", *rows]))
    lines = backend.lines
    ended = program("refill", company, "--file", str(path))
    assert ended.status == 1
    assert "4,980 more" in ended.err
    assert backend.lines - lines > 10


def test_cards_and_terminals_are_blocked(program: Program, backend: BackendDouble) -> None:
    backend.outside.ledger.given(happened.card_issued(), happened.terminal_registered())
    why = ("--why", "called in")
    assert "is lost" in program("block", str(happened.CARD), *why, "--status", "lost").out
    assert "already" in program("block", str(happened.CARD), *why).out
    assert program("block", str(happened.TERMINAL), *why, "--terminal").status == 0
    assert program("block", str(happened.CARD), *why, "--status", "eaten").status == 2
    assert program("block", str(happened.SHOP), *why).status == 1


def test_an_answer_lost_on_the_way_is_asked_for_again(
    program: Program, backend: BackendDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(operator_link, "PAUSE_S", 0.01)
    backend.lose_answers = 1
    made = program.json("register", "company", "--name", "Acme")
    assert made["repeated"]
    assert len(backend.outside.ledger.log.events) == 1


def test_a_card_whose_data_was_lost_is_not_taken_for_good(
    program: Program, backend: BackendDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(operator_link, "PAUSE_S", 0.01)
    company = registered_company(program)
    backend.lose_answers = 1
    ended = program("issue", "--company", company, *ANA)
    assert ended.status == 1
    assert "block it and issue another" in ended.err


def test_an_unreachable_backend_is_told_apart_from_a_refusal(
    program: Program, backend: BackendDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(operator_link, "CONNECT_S", 0.3)
    backend._loop.call_soon_threadsafe(backend._server.close)
    ended = program("register", "company", "--name", "Acme")
    assert ended.status == 3
    assert "serve" in ended.err
    (backend.home / "operators" / "operator-1" / "identity.json").write_text("{")
    assert program("register", "company", "--name", "Acme").status == 5


def test_without_an_identity_nothing_is_tried(
    program: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TICKETRESTAURANT_HOME", str(tmp_path))
    ended = program("register", "company", "--name", "Acme")
    assert ended.status == 5
    assert "init" in ended.err
    assert program("register", "company", "--name", "Acme", "--as", "../x").status == 5


@pytest.mark.parametrize(
    "arguments",
    [
        ("register", "company"),
        ("register", "company", "--name", "A", "--daily-limit", "1.234"),
        ("issue", "--company", "x"),
        ("issue", "--company", "x", *ANA, "--no-stripe"),
        ("refill", "x"),
        ("refill", "x", "--each", "1", "--line", "y:1"),
        ("menu", "x"),
        ("menu", "x", "--item", "soup"),
        ("correct", "x", "-1", "--why", "y"),
        ("export", "settlements", "--from", "2026-13-01", "--to", "2026-12-01"),
        ("list", "cards"),
    ],
)
def test_wrong_usage_is_status_2(program: Program, arguments: tuple[str, ...]) -> None:
    assert program(*arguments).status == 2


@pytest.mark.parametrize(
    "command",
    ["register company", "register shop", "register terminal", "menu", "issue", "pin", "refill",
     "correct", "block", "export settlements", "list", "audit history", "refill list",
     "refill show", "refill confirm", "refill approve", "refill reject", "refill cancel",
     "refill refunded", "refill fee-paid", "refill chargeback", "refill receipt",
     "refill group set", "refill webhook poll", "schedule add", "schedule list", "schedule pause"],
)  # fmt: skip
def test_every_command_has_help_with_an_example(program: Program, command: str) -> None:
    ended = program(*command.split(), "--help")
    assert ended.status == 0
    assert f"ticketrestaurant {command}" in " ".join(ended.out.split())
    assert "Example:" in ended.out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("list", "cards", "x"), "is not an id"),
        (("correct", "x", "4.50", "--why", "w", "--evidence", "e"), "is not an id"),
        (("correct", str(happened.CARD), "4.5", "--why", "w"), "write 4.50"),
        (("correct", str(happened.CARD), "-1", "--why", "w"), "-1 is not an amount"),
        (("correct", str(happened.CARD), "1.00", "--evidence", "e"), "give --why"),
        (("correct", str(happened.CARD), "1.00", "--why", "w"), "give --evidence"),
        (("correct", str(happened.CARD)), "its right amount"),
        (("register", "shop", "--name", "Deli", "--email", "x"), "not an e-mail address"),
        (("register", "company", "--name", "A", "--timezone", "EST"), "not a time zone"),
        (("refill", str(happened.COMPANY), "--each", "90000000"), "amount for each: must be"),
    ],
)
def test_what_no_ledger_would_take_is_wrong_use(
    program: Program, backend: BackendDouble, arguments: tuple[str, ...], said: str
) -> None:
    ended = program(*arguments)
    assert ended.status == 2
    assert said in " ".join(ended.err.replace("│", " ").split())


def test_a_repeated_issue_gives_no_second_account(program: Program, backend: BackendDouble) -> None:
    company = registered_company(program)
    program.json("issue", "--company", company, *ANA)
    before = len(backend.outside.ledger.log.events)
    again = (*ANA[:-1], "ANA@example.com")
    ended = program("issue", "--company", company, *again)
    assert (ended.status, "--another" in ended.err) == (1, True)
    assert len(backend.outside.ledger.log.events) == before
    people = backend.home / "staff.csv"
    people.write_text(
        "first_name,last_name,email\nAna,Diaz,ana@example.com\nBen,Okafor,ben@example.com\n"
    )
    ended = program("issue", "--company", company, "--employees", str(people))
    assert ended.status == 0
    assert "1 were passed over" in ended.err
    assert len(program.json("issue", "--company", company, *ANA, "--another")["cards"]) == 1
    other = registered_company(program)
    assert program("issue", "--company", other, *ANA).status == 0
