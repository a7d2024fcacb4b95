"""Sections 6, 7 and the first half of 8: a correction, the auditor's replay, the settlement."""

import csv
import io
import time
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

from lxml import etree

from adapters.cli.demo.counter import LUNCH_CENTS, TWICE_CENTS, UNHEARD_CENTS, Counter
from adapters.cli.demo.history import HISTORY, History
from adapters.cli.demo.narration import Narrator
from adapters.cli.demo.phone import ORDER_CENTS
from adapters.cli.demo.programs import Ahead, Failed, Ticketrestaurant
from adapters.cli.demo.town import Town, side_by_side
from adapters.reports.settlements_xml import NAMESPACE, SCHEMA
from domain.answers import dollars

RIGHT_CENTS: Final = 13_40
"""What Ana's lunch cost: the cashier typed two digits the wrong way round."""
_CHECKPOINT_S: Final = 10.0


@dataclass(frozen=True, slots=True)
class Settlement:
    """A shop's totals over a period as exported. `payments` are those that stand."""

    first: date
    last: date
    net: str
    payments: int
    corrected: int
    reversed: int

    @property
    def query(self) -> str:
        """The same period for the website."""
        return urlencode({"from": self.first.isoformat(), "to": self.last.isoformat()})

    @property
    def in_words(self) -> str:
        """As people write it."""
        return (
            f"total ${self.net} for {self.payments} payments,"
            f" {self.corrected} corrected, {self.reversed} reversed besides"
        )


class Books:
    """What operators, auditors and finance do after lunch."""

    def __init__(
        self,
        program: Ticketrestaurant,
        narrator: Narrator,
        town: Town,
        counter: Counter,
        ahead: Ahead,
    ) -> None:
        self._program, self._narrator, self._town = program, narrator, town
        self._counter, self._ahead = counter, ahead
        self._first = datetime.fromtimestamp(town.registered_us / 1e6, town.timezone).date()

    async def correct(self) -> None:
        """Section 6. Raises narration.Broken."""
        counter, narrator = self._counter, self._narrator
        narrator.section("6. A wrong amount is corrected")
        back_cents = LUNCH_CENTS - RIGHT_CENTS
        before, after = counter.ana_cents, counter.ana_cents + back_cents
        counter.ana_cents = after
        with narrator.step(
            f"operator-1 asks: lunch was {dollars(RIGHT_CENTS)}, typed {dollars(LUNCH_CENTS)}",
            expected="it waits for another operator",
        ) as step:
            asked = await self._program.json(
                "correct", counter.lunch, f"{RIGHT_CENTS / 100:.2f}",
                "--why", "digits swapped", "--evidence", "the shop's bill",
            )  # fmt: skip
            step.saw(f"it is {asked['status']}", asked["status"] == "waiting")
            proposal = str(asked["proposal"])
            step.note(f"proposal {proposal}")
        with narrator.step(
            "operator-2 approves what is asked for in the queue",
            expected=f"payment {dollars(LUNCH_CENTS)} → {dollars(RIGHT_CENTS)},"
            f" balance {dollars(before)} → {dollars(after)}",
        ) as step:
            approve = ("queue", "approve", proposal, "--as", "operator-2")
            (made,) = (await self._program.json(*approve))["result"]["lines"]
            step.compare(
                f"payment {_change(made['amount_cents'])}, balance {_change(made['balance_cents'])}"
            )
        await counter.balance_is("Ana's phone shows it")

    async def audit(self) -> bool:
        """Section 7; whether the whole log is as it was written. Raises narration.Broken."""
        narrator, program = self._narrator, self._program
        narrator.section("7. The auditor replays the card's history, and checks the whole log")
        card = self._town.ana.stripe
        reading = self._ahead.start(program.json("audit", "history", card.id))
        verifying = self._ahead.start(program.json("audit", "verify"))
        with narrator.step(
            f"auditor-1: every event of Ana's stripe card {card.masked}",
            expected=f"{len(HISTORY)} events, each with who, when, before and after",
        ) as step:
            town = self._town
            lines = await reading
            history = History(lines, town.counter, town.timezone, program.settings.home)
            faults = history.faults(HISTORY, self._counter.ana_cents)
            step.saw("\n".join([f"{len(history.lines)} events", *faults]), not faults)
            for line in history.in_words():
                step.note(line)
        newest = int(lines[-1]["position"]) if lines else 0
        with narrator.step(
            "auditor-1: the whole log against its signed checkpoint, kept outside the database",
            expected="every event, up to this card's newest, is what was written",
        ) as step:
            verified = await verifying
            deadline_s = time.monotonic() + _CHECKPOINT_S
            while verified["protected"] < newest and time.monotonic() < deadline_s:
                verified = await program.json("audit", "verify")
            step.saw(
                f"{verified['protected']} events are what was written; newest {newest}",
                verified["intact"] and verified["protected"] >= newest > 0,
            )
        return step.ok is True

    async def export(self) -> Settlement:
        """Section 8. Raises narration.Broken."""
        narrator, shop = self._narrator, self._town.shop
        narrator.section("8. The shop's settlement, and its page on the website")
        last = datetime.now(self._town.timezone).date()
        wanted = _expected(self._first, last)
        with narrator.step(
            "the settlement is exported as CSV and as XML", expected=wanted.in_words
        ) as step:
            files = await side_by_side(self._exported("csv", last), self._exported("xml", last))
            found = _from_csv(files[0], shop, self._first, last)
            same = _from_xml(files[1], shop, self._first, last) == found
            valid = "valid by its schema, with the same totals" if same else "with OTHER totals"
            step.saw(found.in_words, found == wanted and same)
            step.note(f"exports/{files[0].name}")
            step.note(f"exports/{files[1].name}")
            step.note(f"the XML is {valid}")
        return found

    async def _exported(self, form: str, last: date) -> Path:
        folder = self._program.settings.home / "exports"
        path = folder / f"settlements-{self._town.shop}-{last.isoformat()}.{form}"
        await self._program.json(
            "export", "settlements", "--shop", self._town.shop, "--from", self._first.isoformat(),
            "--to", last.isoformat(), "--format", form, "--out", str(path),
        )  # fmt: skip
        return path


def _expected(first: date, last: date) -> Settlement:
    """What the story's payments come to."""
    net = dollars(RIGHT_CENTS + TWICE_CENTS + ORDER_CENTS)
    assert UNHEARD_CENTS, "taken back, so it is counted beside the others and worth nothing"
    return Settlement(first, last, net.removeprefix("$"), payments=3, corrected=1, reversed=1)


def _from_csv(path: Path, shop: str, first: date, last: date) -> Settlement:
    text = path.read_text(encoding="utf-8")
    rows = [row for row in csv.DictReader(io.StringIO(text)) if row["shop"] == shop]
    totals = [row for row in rows if row["record"] == "shop-total"]
    if len(totals) != 1:
        raise Failed(f"{path} has no total of the shop")
    return _settlement(first, last, totals[0])


def _from_xml(path: Path, shop: str, first: date, last: date) -> Settlement:
    """Raises Failed where the file is not valid by its schema."""
    document = etree.parse(path)
    schema = etree.XMLSchema(etree.parse(SCHEMA))
    if not schema.validate(document):
        raise Failed(f"{path}: {schema.error_log.last_error}")
    names = {"s": NAMESPACE}
    found = document.xpath("//s:shop[@id=$shop]/s:total", namespaces=names, shop=shop)
    total = {name.replace("-", "_"): value for name, value in found[0].attrib.items()}
    return _settlement(first, last, total)


def _settlement(first: date, last: date, total: dict[str, Any]) -> Settlement:
    return Settlement(
        first, last, total["net"], int(total["payments"]),
        int(total["payments_corrected"]), int(total["payments_reversed"]),
    )  # fmt: skip


def _change(cents: dict[str, int]) -> str:
    return f"{dollars(cents['before'])} → {dollars(cents['after'])}"
