"""Corrections in the scene: asked for by one, who sees the record, and approved by another later.
And what a company and the books set: its programme, the close of a day."""

from typing import Any
from uuid import UUID, uuid4

from application.close_day import CloseDay
from application.command import Command, Refused
from application.correct import CorrectAmounts
from application.corrections import Agreement, Correction, Credited, Seen
from application.programme import SetProgramme
from domain.aggregates import closing
from domain.aggregates.closing import CLOSINGS_ID, Closings
from domain.aggregates.credit import Credit, credit_id
from domain.books.days import next_day
from tests.integration.engine.money_scene import Intent, Scene


def same(first: Any, now: Any) -> bool:
    """A command that was carried out says so, however often it is asked."""
    return isinstance(first, Refused) or (isinstance(now, dict) and now.get("repeated") is True)


class Corrections:
    """Requests, and their approvals."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self.requested: list[Correction] = []

    def request_of_payment(self, payment: int, cents: int) -> None:
        """The right amount of a payment, as its requester sees it now."""
        for id, _ in self._scene.chosen(payment):
            now = self._scene.stored.payment(id)
            assert now is not None
            seen = Seen(now.version, now.net_cents)
            self._ask(Correction(transaction_id=id, to_cents=cents, why="x", seen=seen))

    def request_of_credit(self, which: int, cents: int) -> None:
        """The right amount of a line of a refill."""
        credits = list(self._scene.model.credits)
        if credits:
            refill_id, card = credits[-1 - which % len(credits)]
            account_id = self._scene.world.accounts[card]
            now = self._scene.stored.states.get(credit_id(refill_id, account_id))
            seen = Seen(0, self._credited()[refill_id, account_id].amount_cents)
            if isinstance(now, Credit):
                seen = Seen(now.version, now.amount_cents)
            self._ask(
                Correction(
                    refill_id=refill_id, account_id=account_id, to_cents=cents, why="x", seen=seen
                )
            )

    def _ask(self, correction: Correction) -> None:
        self.requested.append(correction)

    def _credited(self) -> dict[tuple[UUID, UUID], Credited]:
        return {
            key: Credited(event.amount_cents, event.originator_version)
            for key, event in self._scene.stored.credits.items()
        }

    def approve(self, most: int) -> list[Intent]:
        """One command over the oldest requests; all or none of them are done."""
        asked, self.requested = self.requested[:most], self.requested[most:]
        if not asked:
            return []
        scene, origin = self._scene, self._scene.origin(2)
        credited, agreement = self._credited(), Agreement(uuid4(), uuid4())

        def make() -> Command:
            return CorrectAmounts(
                origin, scene.deadline_us(), asked=asked, credited=credited, agreement=agreement
            )

        def settle(answer: Any, resent: bool) -> bool:
            if isinstance(answer, Refused) or not scene.model.first_time(origin.command_id):
                return False
            for each in asked:
                self._corrected(each)
            return True

        return [Intent("correct", make, settle, same)]

    def _corrected(self, asked: Correction) -> None:
        model, today = self._scene.model, self._scene.today
        if asked.transaction_id is None:
            card = self._scene.world.accounts.index(asked.account_id)  # type: ignore[arg-type]
            credit = self._scene.stored.credits[asked.refill_id, asked.account_id]  # type: ignore[index]
            model.correct_credit(asked.refill_id, card, asked.to_cents, today, credit.last_day)
            return
        change = asked.to_cents - model.payments[asked.transaction_id].net_cents
        if change > 0:
            model.add(asked.transaction_id, change, today)
        else:
            model.give_back(asked.transaction_id, -change)


def set_programme(scene: Scene, changes: dict[str, Any]) -> list[Intent]:
    """Other terms from now on; no money moves."""
    origin = scene.origin()

    def make() -> Command:
        return SetProgramme(
            origin, scene.deadline_us(), company_id=scene.world.company, changes=changes,
            from_standard=True, effective=None, why="x",
        )  # fmt: skip

    return [Intent("programme", make, lambda answer, resent: False, same)]


def day_is_over(scene: Scene) -> bool:
    """Whether the next day of the books can be closed, or nearly: the bank's day ends first."""
    return _next_day(scene) < scene.today


def _next_day(scene: Scene) -> str:
    closed = scene.stored.closed
    return next_day(max(closed)) if closed else min(scene.stored.days)


def close_day(scene: Scene) -> list[Intent]:
    """Closes the next day of the books with what stands on them; no money moves."""
    stored, origin = scene.stored, scene.origin()
    closings = stored.states.get(CLOSINGS_ID)
    before = closings if isinstance(closings, Closings) else None
    day = _next_day(scene)
    mark = stored.days[max(each for each in stored.days if each <= day)]

    def make() -> Command:
        return CloseDay(
            origin, scene.deadline_us(), day=day, position=mark.position, postings=mark.events,
            balances=mark.of_chart(), text=f"the record of {day}", note="x",
            previous=before.sha256 if before is not None else closing.NONE_BEFORE,
        )  # fmt: skip

    def settle(answer: Any, resent: bool) -> bool:
        return False

    def same_day(first: Any, now: Any) -> bool:
        return isinstance(first, Refused) or now.get("closed_before") is True

    return [Intent("close", make, settle, same_day)]
