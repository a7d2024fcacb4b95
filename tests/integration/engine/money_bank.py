"""The bank in the scene: fees that companies pay apart, and statements that are reconciled."""

from collections import Counter
from typing import Any
from uuid import UUID

from adapters.backend.book_commands import _line
from application.command import Command, Refused
from application.match_statement import MOVED_ON, MatchStatement
from application.pay_fee import PayFee
from domain.aggregates.reconciliation import RECONCILIATION_ID
from domain.books.bank import reference_of
from domain.books.matching import Match, match
from domain.books.statement import entries
from tests.integration.engine.money_corrections import same
from tests.integration.engine.money_scene import Intent, Scene

Row = tuple[UUID | None, int, str]
"""An entry: the refill that its text names, signed cents, and the text."""


class Bank:
    """What comes in and goes out, as operators tell it and as statements show it."""

    def __init__(self, scene: Scene) -> None:
        self._scene, self._funding = scene, scene.model.funding

    # Fees

    def pay_fee(self, which: int, cents: int, off: int) -> list[Intent]:
        """A fee that is owed, in part where `cents` is less; `off`: by how much too much. Where
        none is owed: of any refill that was paid, as when it is paid twice."""
        funding = self._funding
        owing = [id for id, paid in funding.of.items() if paid.owed_fee_cents] or list(funding.of)
        if not owing:
            return []
        refill = owing[-1 - which % len(owing)]
        owed_cents = funding.of[refill].owed_fee_cents
        return [self._pay_fee(refill, max(1, min(owed_cents, cents or owed_cents) + off))]

    def _pay_fee(self, refill: UUID, cents: int) -> Intent:
        origin, scene = self._scene.origin(), self._scene

        def make() -> Command:
            return PayFee(
                origin, scene.deadline_us(), refill_id=refill, amount_cents=cents, text="WIRE"
            )

        def settle(answer: Any, resent: bool) -> bool:
            owed_cents = self._funding.of[refill].owed_fee_cents
            if isinstance(answer, Refused):
                code = "more-than-owed" if owed_cents else "no-fee-owed"
                assert resent or (answer.code == code and cents > owed_cents)
                return False
            if not scene.model.first_time(origin.command_id):
                return False
            self._funding.fee_paid(refill, cents)
            assert resent or answer["fee_receivable_cents"] == owed_cents - cents
            return True

        return Intent("pay-fee", make, settle, same)

    # Statements

    def statement(self, first: int, most: int, off: int, again: bool) -> list[Intent]:
        """A statement of some of what is awaited, named or not, with a payment of nobody. `off`:
        by how much the first entry is wrong; `again`: with an entry that was shown before."""
        awaited = list(self._funding.awaited.elements())
        at = first % len(awaited) if awaited else 0
        shown = awaited[at : at + most]
        rows = [self._row(id, cents, at + place) for place, (id, cents) in enumerate(shown)]
        if rows and off:
            (id, cents), *_ = shown
            rows[0] = self._row(id, cents + off or 1, 0)
        if again:
            rows += [self._row(id, cents, 0) for id, cents in self._funding.shown[-1:]]
        return self._matching([*rows, (None, 4_242, "rent")])

    @staticmethod
    def _row(id: UUID, cents: int, style: int) -> Row:
        texts = (f"refill {reference_of(id)} thanks", f"TRANSFER {id}", "")
        text = texts[style % len(texts)]
        return (id if text else None, cents, text)

    def _matching(self, rows: list[Row]) -> list[Intent]:
        """What of it is matched is looked up now, and told with the version that was seen."""
        scene = self._scene
        told = entries(
            "checking",
            [(scene.today, cents, text, f"B{scene.number()}") for _, cents, text in rows],
        )
        result = match(told, scene.stored.expected.values())
        self._as_awaited(rows, {each.entry.key: each for each in result.matched}, told)
        if not result.matched:
            return []
        origin = scene.origin()
        seen = scene.stored.states.get(RECONCILIATION_ID)
        version = seen.version if seen is not None else 0

        def make() -> Command:
            return MatchStatement(
                origin, scene.deadline_us(), seen_version=version, statement="S",
                file_sha256=origin.command_id.hex * 2, lines=tuple(map(_line, result.matched)),
            )  # fmt: skip

        def settle(answer: Any, resent: bool) -> bool:
            if isinstance(answer, Refused):
                assert answer.code == MOVED_ON
                return False
            if not scene.model.first_time(origin.command_id):
                return False
            for each in result.matched:
                self._funding.on_statement(each.expected.id, each.entry.amount_cents)
            return True

        return [Intent("statement", make, settle, same)]

    def _as_awaited(self, rows: list[Row], matched: dict[str, Match], told: Any) -> None:
        """What names a refill is matched where just that is awaited of it, and never else; what
        names none, at most with what is left."""
        left = Counter(self._funding.awaited)
        by_name = [(entry.key, row) for entry, row in zip(told, rows, strict=True) if row[0]]
        for key, (id, cents, _) in by_name:
            assert (key in matched) == (left[id, cents] > 0)
            if key in matched:
                assert matched[key].expected.id == id
                left[id, cents] -= 1
        for key in matched.keys() - {key for key, _ in by_name}:
            found = matched[key]
            left[found.expected.id, found.entry.amount_cents] -= 1
        assert all(count >= 0 for count in left.values())
