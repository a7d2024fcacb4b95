"""The rehearsal: the token is lost with its machine, and comes back from its file elsewhere."""

import asyncio
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.books import Books
from tests.e2e.installation import Installation
from tests.e2e.tills import Till, Tills
from tests.e2e.town import Town, found_town


@pytest.fixture
def first(tmp_path: Path) -> Iterator[Installation]:
    made = Installation(tmp_path / "first")
    try:
        made.start()
        yield made
    finally:
        made.stop()


async def pay_with_pin(town: Town) -> list[Till]:
    async with Tills.opened(town) as opened:
        (till,) = opened.tills
        await till.pay_until_approved(pin=True)
        till.card, right = _with_pin(till, "000000000000"), till.card
        assert (await till.pay(pin=True)).code == "55"
        till.card = right
        await till.pay_until_approved(pin=True)
        await opened.settled()
    return list(opened.tills)


def _with_pin(till: Till, pin: str):  # type: ignore[no-untyped-def]
    from dataclasses import replace

    return replace(till.card, pin=pin)


@pytest.mark.timeout(240)
def test_in_another_home_the_ledger_opens_and_pins_verify(
    first: Installation, tmp_path: Path
) -> None:
    town = asyncio.run(found_town(first, terminals=1, cards=1))
    tills = asyncio.run(pay_with_pin(town))
    row = first.json("hsm", "status")
    assert (row["provider"], row["answers"], row["threads"]) == ("software", True, 1)
    keys = first.json("hsm", "keys")
    assert {key["key"] for key in keys} >= {"K_DB", "PIN-ENC", "CA-ROOT", "LOG"}
    assert all(key["sound"] for key in keys)
    assert "K_PVV2" in first.run("hsm", "keys", "--as", "operator-1").stdout
    first.stop()

    words, token, rest = (tmp_path / name for name in ("words", "token.age", "rest.tar"))
    words.write_text("a passphrase of the test\n")
    first.json("hsm", "backup", str(token), "--passphrase-file", str(words))
    first.json("backup", str(rest))

    second = Installation.__new__(Installation)
    second.home = tmp_path / "second"
    second.json("restore", str(rest))
    shutil.rmtree(second.home / "hsm")  # only the token's own file brings it back
    assert second.run("backend").returncode != 0
    told = second.json("hsm", "restore", str(token), "--passphrase-file", str(words))
    assert told["keys_checked"]
    try:
        second.start()
        tills += asyncio.run(pay_with_pin(town))
        books = Books.read(second.settings)
        books.check()
        books.check_told(tills)
        second.verify_log()
    finally:
        second.stop()
