"""A virtual card driven by JSON lines: one long-lived session for demonstrations and tests."""

from dataclasses import asdict
from uuid import UUID

from devices.card.core import VirtualCard, in_words
from devices.edge import Commands, WrongUse, say_json, serve_script, wanted_items
from devices.exchange import Body


class CardScript:
    """The commands; each takes the JSON object of its line and returns the answer's members."""

    def __init__(self, card: VirtualCard) -> None:
        self._card = card

    async def run(self, connect_timeout_s: float) -> None:
        """Says who it is, then answers until the input ends. Raises Unreachable at the start."""
        await self._card.link.backend(connect_timeout_s)
        say_json({"do": "ready", "card": str(self._card.device.id)})
        await serve_script(self._commands())

    def _commands(self) -> Commands:
        return {
            "balance": self._balance,
            "history": self._history,
            "menu": self._menu,
            "order": self._order,
            "dispute": self._dispute,
        }

    async def _balance(self, _: Body) -> Body:
        return await self._card.balance()

    async def _history(self, _: Body) -> Body:
        return {"rows": await self._card.history()}

    async def _menu(self, command: Body) -> Body:
        return (await self._card.menu(_terminal(command))).body()

    async def _order(self, command: Body) -> Body:
        wanted = wanted_items(command.get("items"))
        tip_cents = int(command.get("tip_up_to_cents", 0))
        decision = await self._card.order(_terminal(command), wanted, tip_cents=tip_cents)
        return {**asdict(decision), "words": in_words(decision)}

    async def _dispute(self, command: Body) -> Body:
        return await self._card.dispute(
            parse_payment(str(command.get("transaction", ""))),
            str(command.get("text", "")),
            amount_cents=int(command.get("amount_cents", 0)),
        )


def _terminal(command: Body) -> UUID:
    return parse_terminal(str(command.get("terminal", "")))


def parse_alert(text: str) -> UUID:
    """The alert's id. Raises WrongUse."""
    try:
        return UUID(text)
    except ValueError:
        raise WrongUse("an alert is named by its id, 36 characters") from None


def parse_terminal(text: str) -> UUID:
    """The terminal's id. Raises WrongUse."""
    try:
        return UUID(text)
    except ValueError:
        raise WrongUse("a terminal is named by its id, 36 characters") from None


def parse_payment(text: str) -> UUID:
    """The payment's id. Raises WrongUse."""
    try:
        return UUID(text)
    except ValueError:
        raise WrongUse("a payment is named by its id, 36 characters; see the history") from None
