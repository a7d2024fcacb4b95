"""Alerts over suspicious payments: the cardholder says whether it was them, an operator closes."""

from collections.abc import Iterator, Sequence
from typing import Any
from uuid import UUID

from application.command import Command, Origin, Refused
from application.states import States
from application.work import Needs, Outcome
from domain.aggregates import alert as alerts
from domain.aggregates import card as cards
from domain.aggregates.alert import CLOSED, Alert
from domain.aggregates.card import Card
from domain.event import Context, Event

NOT_MINE_WHY = "the cardholder says that a payment was not theirs"
NO_SUCH_ALERT = Refused("no-such-alert", "There is no alert with that id.")


class AnswerAlert:
    """The word of a phone, whose session proves whose it is. The same word again changes nothing.

    `not mine` takes every stripe that the alert is about out of use at once: somebody has a copy.
    """

    def __init__(
        self, context: Context, deadline_us: int, *, card_id: UUID, alert_id: UUID, mine: bool
    ) -> None:
        self._context = context
        self.deadline_us = deadline_us
        self._card_id, self._alert_id, self._mine = card_id, alert_id, mine

    def needs(self, states: States, needs: Needs, now_us: int) -> bool:
        """The phone's card and the alert; the alert's card is loaded when it is read."""
        needs.ids += [id for id in (self._card_id, self._alert_id) if not states.knows(id)]
        return False

    def decide(self, states: States, now_us: int) -> Outcome:
        """Answers, and blocks where it must."""
        phone = states.get(self._card_id, Card)
        alert = states.get(self._alert_id, Alert)
        if phone is None or alert is None or alert.account_id != phone.account_id:
            return Outcome(NO_SUCH_ALERT)
        answered = alerts.answer(self._context, alert, mine=self._mine)
        answer: dict[str, Any] = {"alert": str(alert.id), "answer": _said(self._mine)}
        events: list[Event] = [answered] if answered is not None else []
        if not self._mine:
            stripes = [card for id in alert.stripes if (card := states.get(id, Card)) is not None]
            if stripes:
                answer["blocked"] = ", ".join(card.masked_pan for card in stripes)
            events += self._blocked(stripes)
        return Outcome(answer, events)

    def _blocked(self, stripes: Sequence[Card]) -> Iterator[Event]:
        for card in stripes:
            if card.status == "active":
                blocked = cards.block(self._context, card, status="blocked", why=NOT_MINE_WHY)
                if blocked is not None:
                    yield blocked


class CloseAlert(Command):
    """An operator's verdict, `harmless` or `fraud`."""

    makes = (alerts.AlertClosed,)

    def __init__(
        self, origin: Origin, deadline_us: int, *, alert_id: UUID, verdict: str, why: str
    ) -> None:
        super().__init__(origin, deadline_us)
        self._alert_id, self._verdict, self._why = alert_id, verdict, why

    def reads(self) -> list[UUID]:
        """The alert."""
        return [self._alert_id]

    def execute(self, states: States, context: Context) -> Outcome:
        """Closes it, once."""
        alert = states.get(self._alert_id, Alert)
        if alert is None:
            return Outcome(NO_SUCH_ALERT)
        closed = alerts.close(context, alert, verdict=self._verdict, why=self._why)
        if closed is None:
            return Outcome(Refused("already-closed", f"It was closed before: {alert.verdict}."))
        answer = {"id": str(alert.id), "status": CLOSED, "verdict": self._verdict}
        return Outcome(answer, [closed])


def _said(mine: bool) -> str:
    return alerts.MINE if mine else alerts.NOT_MINE
