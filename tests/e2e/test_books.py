"""The books by the real programs: a refill, a payment, the bank's statement, the close."""

import asyncio
import time
from pathlib import Path
from typing import Any

from domain.books.days import clock_day, next_day
from tests.e2e.installation import Installation
from tests.e2e.tills import Tills
from tests.e2e.town import REFILL_CENTS, found_town

STATEMENT = """<?xml version="1.0"?>
<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.053.001.08"><BkToCstmrStmt><Stmt><Id>S-1</Id>
<Acct><Id><Othr><Id>123456</Id></Othr></Id></Acct>
<Ntry><Amt Ccy="USD">{amount}</Amt><CdtDbtInd>CRDT</CdtDbtInd><Sts><Cd>BOOK</Cd></Sts>
<BookgDt><Dt>{day}</Dt></BookgDt><AcctSvcrRef>E2E-{mark}</AcctSvcrRef>
<NtryDtls><TxDtls><RmtInf><Ustrd>{text}</Ustrd></RmtInf></TxDtls></NtryDtls></Ntry>
</Stmt></BkToCstmrStmt></Document>"""


def balances(installation: Installation, *at: str) -> dict[str, int]:
    """Of the trial balance; its sum is zero."""
    shown: dict[str, Any] = installation.json("books", "trial-balance", *at)
    found = {each["name"]: each["balance_cents"] for each in shown["accounts"]}
    assert shown["sum_cents"] == sum(found.values()) == 0
    return found


def test_money_is_in_the_books_from_the_refill_to_the_bank(
    installation: Installation, tmp_path: Path
) -> None:
    before = balances(installation)
    today = clock_day(time.time_ns() // 1_000)

    async def paid() -> int:
        town = await found_town(installation)
        async with Tills.opened(town) as tills:
            outcome = await tills.tills[0].pay(1_250)
            assert outcome.approved
        return 1_250

    spent_cents = asyncio.run(paid())
    after = balances(installation)
    moved = {name: after[name] - before[name] for name in after if after[name] != before[name]}
    assert moved == {
        "Processor clearing": REFILL_CENTS,
        "Cardholder balances": spent_cents - REFILL_CENTS,
        "Shop payables": -spent_cents,
    }
    listed = installation.json("books", "trial-balance")
    assert balances(installation, "--at", str(listed["position"])) == after

    # The company's money arrives; the reference is what `reconcile` lists for what is missing.
    file = tmp_path / "statement.xml"
    strange = STATEMENT.format(amount="0.01", day=today, text="who knows", mark="0")
    file.write_text(strange)
    told = installation.json("books", "reconcile", str(file), "--preview")
    assert [each["why"] for each in told["unmatched_bank"]] == ["unknown"]
    refill = max(told["unmatched_books"], key=lambda each: each["position"])
    assert refill["expected_cents"] == REFILL_CENTS
    text = f"MEALS {refill['reference']}"
    file.write_text(
        STATEMENT.format(amount=f"{REFILL_CENTS / 100:.2f}", day=today, text=text, mark="1")
    )
    for matched, matched_before in ((1, 0), (0, 1)):
        told = installation.json("books", "reconcile", str(file))
        assert (len(told["matched"]), len(told["matched_before"])) == (matched, matched_before)
    assert balances(installation)["Bank"] - after["Bank"] == REFILL_CENTS

    hostile = f'<!DOCTYPE d [<!ENTITY a SYSTEM "file:///etc/passwd">]>{strange[21:]}'
    file.write_text(hostile)
    done = installation.run("books", "reconcile", str(file))
    assert (done.returncode, "document type" in done.stderr) == (2, True)

    journal = installation.run("books", "journal", "--from", today, "--to", next_day(today))
    assert f"reconciliation.matched/1,1000,Bank,{REFILL_CENTS / 100:.2f}" in journal.stdout
    done = installation.run("books", "close", today)
    assert done.returncode == 1
    assert "is not over yet" in done.stderr or "the next one is" in done.stderr
    assert installation.json("books", "closings") == []
    installation.verify_log()
