"""camt.053, BAI2 and CSV come to the same entries; what is hostile, cut or changed is refused."""

import contextlib
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.statements.bai2 import read_bai2
from adapters.statements.booked import BadStatement, Booked, Statement, cents_of
from adapters.statements.camt053 import read_camt053
from adapters.statements.reading import format_of, read_statements
from adapters.statements.statement_csv import read_csv
from tests.unit.statements.statements import DETAILS, bai2, balance, camt053, entry

CREDIT = "16,165,24000,,B1,TR05SAWQAM7NGB4,meals/"
AMOUNT = '<Amt Ccy="USD">{0}</Amt>'


def only(statements: list[Statement]) -> Statement:
    (statement,) = statements
    return statement


def test_the_formats_come_to_the_same_entries() -> None:
    of_xml = only(read_camt053(camt053(entry())))
    of_bai = only(read_bai2(bai2([CREDIT], 248_000)))
    of_csv = only(
        read_csv(b"date,amount,reference,text\n2026-11-23,240.00,B1,TR05SAWQAM7NGB4 meals\n")
    )
    booked = Booked("2026-11-23", 24_000, "TR05SAWQAM7NGB4 meals", "B1")
    assert of_xml == Statement("123456", "S-23", [booked])
    assert of_bai.entries == [booked]
    assert of_bai.account == "123456"
    assert of_csv.entries == [booked._replace(text="B1 TR05SAWQAM7NGB4 meals")]


@pytest.mark.parametrize(("raw", "name"), [
    (camt053(entry()), "camt053"),
    (b"\xef\xbb\xbf" + camt053(entry()), "camt053"),
    (bai2([CREDIT], 1), "bai2"),
    (b"date,amount,reference\n", "csv"),
])  # fmt: skip
def test_the_format_shows_at_the_beginning(raw: bytes, name: str) -> None:
    assert format_of(raw) == name


# camt.053


@pytest.mark.parametrize("version", ["02", "04", "08", "13"])
def test_every_version_is_read(version: str) -> None:
    raw = camt053(entry(), namespace=f"urn:iso:std:iso:20022:tech:xsd:camt.053.001.{version}")
    assert only(read_camt053(raw)).entries[0].amount_cents == 24_000


def test_money_that_went_out_is_below_zero_and_what_is_pending_is_left_out() -> None:
    raw = camt053(
        entry("5.00", "DBIT"), entry("7.00", status="<Sts>PDNG</Sts>"), entry("9.00", status="")
    )
    assert [each.amount_cents for each in only(read_camt053(raw)).entries] == [-500, 900]


def test_an_entry_of_several_payments_is_taken_apart_where_they_add_up() -> None:
    parts = "".join(
        DETAILS.format(text=text, amount=AMOUNT.format(amount))
        for text, amount in (("one", "100.00"), ("two", "140.00"))
    )
    found = only(read_camt053(camt053(entry(details=parts)))).entries
    assert [(each.amount_cents, each.text, each.bank_reference) for each in found] == [
        (10_000, "one meals", "B1/1"),
        (14_000, "two meals", "B1/2"),
    ]
    (whole,) = only(read_camt053(camt053(entry("240.01", details=parts)))).entries
    assert whole.amount_cents == 24_001


def test_entries_have_to_lead_from_one_balance_to_the_other() -> None:
    opening, closing = balance("OPBD", "10.00"), balance("CLBD", "250.00")
    assert read_camt053(camt053(opening, closing, entry()))
    with pytest.raises(BadStatement, match="balance"):
        read_camt053(camt053(opening, closing))


BOMB = (
    '<!DOCTYPE d [<!ENTITY a "aaaaaaaaaa">'
    + "".join(f'<!ENTITY {chr(98 + n)} "{f"&{chr(97 + n)};" * 10}">' for n in range(9))
    + "]>"
)
FILE = '<!DOCTYPE d [<!ENTITY a SYSTEM "file:///etc/passwd">]>'
HTTP = '<!DOCTYPE d SYSTEM "http://127.0.0.1:1/evil.dtd">'


@pytest.mark.parametrize("before", [BOMB, FILE, HTTP, "<!DOCTYPE d>"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_a_document_type_is_refused_and_nothing_is_looked_up(before: str, encoding: str) -> None:
    raw = camt053(entry(text="&j;" if before is BOMB else "&a;"), before=before)
    text = raw.decode().replace("UTF-8", encoding).encode(encoding)
    begun = time.monotonic()
    with pytest.raises(BadStatement) as refused:
        read_camt053(text)
    assert time.monotonic() - begun < 2
    assert "root:" not in str(refused.value)


@pytest.mark.parametrize(("raw", "why"), [
    (b"<a/>", "not a camt.053"),
    (camt053(entry(), namespace="urn:iso:std:iso:20022:tech:xsd:pain.001.001.03"), "not a camt"),
    (camt053(entry())[:-20], "well-formed"),
    (b"<" * 100, "well-formed"),
    (b"<a>" * 100_000, "well-formed"),
    (camt053(entry()).replace(b"<Stmt>", b"<Rpt>").replace(b"</Stmt>", b"</Rpt>"), "no statement"),
    (camt053(entry(currency="EUR")), "entry 1: the currency is not USD"),
    (camt053(entry("1e5")), "entry 1: an amount"),
    (camt053(entry("-5.00")), "entry 1: an amount"),
    (camt053(entry("0.001")), "parts of a cent"),
    (camt053(entry("9" * 400)), "entry 1: an amount"),
    (camt053(entry(sign="BOTH")), "CRDT nor DBIT"),
    (camt053(entry(day="23.11.2026")), "entry 1: a day"),
    (camt053(entry().replace("Amt", "Amount")), "an amount is missing"),
    (camt053(*([entry()] * 3_001)), "more than 3,000"),
])  # fmt: skip
def test_what_is_no_statement_is_refused_with_the_reason(raw: bytes, why: str) -> None:
    with pytest.raises(BadStatement, match=why):
        read_camt053(raw)


# BAI2


def test_continuations_funds_types_and_debits() -> None:
    transactions = [
        "16,475,5000,V,261124,1000,B2,,check 12/",
        "16,165,24000,D,2,0,12000,1,12000,B1,",
        "88,TR05SAWQAM7NGB4,meals, and more/",
        "16,890,0,,,,a note that moves nothing/",
    ]
    found = only(read_bai2(bai2(transactions, 253_000))).entries
    assert [(each.amount_cents, each.bank_reference) for each in found] == [
        (-5_000, "B2"),
        (24_000, "B1"),
    ]
    assert "TR05SAWQAM7NGB4" in found[1].text


@pytest.mark.parametrize(("raw", "why"), [
    (bai2([CREDIT], 248_001), "control total"),
    (bai2([], 248_000), "control total"),
    (bai2([CREDIT], 248_000, end=""), "cut off"),
    (bai2([CREDIT], 248_000)[:120], "cut off"),
    (bai2(["16,165,24.00,,B1,x/"], 1), "line 4: an amount"),
    (bai2(["16,1,24000,,B1,x/"], 248_000), "line 4: a type code"),
    (bai2(["77,x/"], 1), "no record '77'"),
    (bai2([CREDIT], 248_000).replace(b"261123", b"991399"), "the day"),
    (bai2([CREDIT], 248_000).replace(b"USD", b"CAD"), "currency"),
    (bai2([CREDIT], 248_000) + b"\n16,165,1,,B,x/", "behind the end"),
    (b"01,\xff", "ASCII"),
    (b"88,x/\n", "begin with a record 01"),
    (b"01,a/\n16,165,1,,B,x/\n99,1/", "a transaction of no account"),
    (b"01,a/\n03,1,USD,010,1,,/\n99,1/", "wrong place"),
    (b"01,a/\n49,1/\n99,1/", "end of no account"),
])  # fmt: skip
def test_a_bai2_file_that_is_cut_or_changed_is_refused(raw: bytes, why: str) -> None:
    with pytest.raises(BadStatement, match=why):
        read_bai2(raw)


# CSV


def test_amounts_as_people_write_them_and_accounts_apart() -> None:
    raw = (
        b'\xef\xbb\xbfdate,amount,reference,account\r\n2026-11-23,"$1,240.50",a,one\r\n'
        b"2026-11-23,-3.00,b,two\r\n2026-11-23,0.00,c,two\r\n"
    )
    found = {each.account: [entry.amount_cents for entry in each.entries] for each in read_csv(raw)}
    assert found == {"one": [124_050], "two": [-300]}


@pytest.mark.parametrize(("raw", "why"), [
    (b"day,amount,reference\n", "first line"),
    (b"", "first line"),
    (b"date,amount,reference\n2026-11-23,12;50,x\n", "line 2: an amount"),
    (b'date,amount,reference\n2026-11-23,"12,50",x\n', "line 2: an amount"),
    (b"date,reference,amount\n2026-11-23,x,1,250.00\n", "line 2: it has more values"),
    (b"date,amount,reference,currency\n2026-11-23,12.50,x,EUR\n", "line 2: the currency"),
    (b'date,amount,reference\n2026-11-23,"1,2,3.00",x\n', "line 2: an amount"),
    (b"date,amount,reference\n11/23/2026,12.50,x\n", "line 2: a day"),
    (b"date,amount,reference\n2026-11-23,,x\n", "line 2: an amount"),
    (b"date,amount,reference\n2026-11-23,--1.00,x\n", "line 2: an amount"),
    (b"date,amount,reference\n2026-11-23\n", "line 2: an amount"),
    (b'date,amount,reference\n"2026', "not CSV"),
    (b"date,amount,reference\n" + b"2026-11-23,1.00,x\n" * 3_001, "more than 3,000"),
    (b"\xff\xfe\x00", "UTF-8"),
])  # fmt: skip
def test_a_csv_at_fault_is_refused_by_its_line(raw: bytes, why: str) -> None:
    with pytest.raises(BadStatement, match=why):
        read_csv(raw)


# Whatever comes


@given(st.binary(max_size=300))
def test_any_bytes_are_a_statement_or_are_refused(raw: bytes) -> None:
    for read in (read_camt053, read_bai2, read_csv):
        for begin in (b"", b"01,", b"date,amount,reference\n", b"<"):
            with contextlib.suppress(BadStatement):
                read(begin + raw)


@pytest.mark.parametrize(("text", "cents"), [("12", 1_200), ("12.5", 1_250), ("0.01000", 1)])
def test_amounts(text: str, cents: int) -> None:
    assert cents_of(text, "here") == cents


def test_texts_of_a_bank_cannot_command_a_terminal() -> None:
    raw = "date,amount,reference\n2026-11-23,1.00,\x1b[31mred\u202e\n".encode()
    assert only(read_csv(raw)).entries[0].text == "[31mred"


def test_a_file_of_more_than_ten_megabytes_is_not_read(tmp_path: Path) -> None:
    file = tmp_path / "large.xml"
    with file.open("wb") as out:
        out.truncate(10_000_001)
    with pytest.raises(BadStatement, match="10 MB"):
        read_statements(file)


def test_a_statement_without_entries_is_told(tmp_path: Path) -> None:
    file = tmp_path / "empty.csv"
    file.write_text("date,amount,reference\n")
    with pytest.raises(BadStatement, match="no booked entries"):
        read_statements(file)
