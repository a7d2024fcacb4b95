"""A POS driven by JSON lines: one long-lived session for demonstrations and tests."""

from dataclasses import asdict
from typing import Any

from devices.edge import Commands, WrongUse, say_json, serve_script, wanted_items
from devices.exchange import Body, NoAnswer
from devices.menu import OrderLine, choose, lines_body, total_cents
from devices.money import parse_amount
from devices.pos.after_sale import adjusted_body, outcome_body, parse_payment, split_body
from devices.pos.core import Pos
from devices.pos.payment import Outcome, Terms
from devices.pos.phones import PhoneOrder
from devices.pos.split import Share, split
from protocol.adjustment import REFUND, TIP, VOID

_PATIENCE_S = 15.0
_ORDER_PATIENCE_S = 60.0


def order_body(order: PhoneOrder) -> Body:
    """An order that waits for the cashier."""
    return {
        "order": order.number,
        "amount_cents": order.amount_cents,
        "items": lines_body(order.lines),
    }


async def settled(pos: Pos, outcome: Outcome, timeout_s: float) -> Outcome:
    """The outcome after its reversal was acknowledged, or still pending after `timeout_s`."""
    if outcome.reversal != "pending":
        return outcome
    state = await pos.reversals.acknowledged(outcome.counter, timeout_s)
    return Outcome(**{**asdict(outcome), "reversal": state})


class PosScript:
    """The commands; each takes the JSON object of its line and returns the answer's members."""

    def __init__(self, pos: Pos) -> None:
        self._pos = pos

    async def run(self, connect_timeout_s: float) -> None:
        """Says who it is, then answers until the input ends. Raises Unreachable at the start."""
        await self._pos.connected(connect_timeout_s)
        me = self._pos.device
        say_json({"do": "ready", "terminal": str(me.id), "shop": str(me.shop)})
        await serve_script(self._commands())

    def _commands(self) -> Commands:
        return {
            "sale": self._sale,
            "resend-last": self._resend,
            "void": self._void,
            "refund": self._refund,
            "tip": self._tip,
            "split": self._split,
            "menu": self._menu,
            "wait-order": self._wait_order,
            "confirm": self._confirm,
            "refuse": self._refuse,
            "reverse": self._reverse,
            "bills": self._bills,
        }

    async def _sale(self, command: Body) -> Body:
        lines = await self._lines(command.get("items"))
        outcome = await self._pos.sale(
            _amount(command, lines),
            str(command.get("track", "")),
            str(command.get("pin", "")),
            lines,
            terms=Terms(
                partial=command.get("partial") is True,
                tip_cents=int(command.get("tip_up_to_cents", 0)),
            ),
            drop_answer=command.get("drop_answer") is True,
        )
        return outcome_body(await settled(self._pos, outcome, _PATIENCE_S))

    async def _resend(self, _: Body) -> Body:
        return outcome_body(await self._pos.resend_last())

    async def _void(self, command: Body) -> Body:
        return await self._adjust(VOID, command, 0)

    async def _refund(self, command: Body) -> Body:
        return await self._adjust(REFUND, command, _amount(command, ()))

    async def _tip(self, command: Body) -> Body:
        return await self._adjust(TIP, command, _amount(command, ()))

    async def _adjust(self, action: str, command: Body, cents: int) -> Body:
        answer = await self._pos.adjustments.ask(
            action,
            parse_payment(str(command.get("transaction", ""))),
            cents,
            str(command.get("why", "")),
            drop_answer=command.get("drop_answer") is True,
        )
        return adjusted_body(answer)

    async def _split(self, command: Body) -> Body:
        shares = command.get("shares")
        wanted = [_share(each) for each in shares] if isinstance(shares, list) else []
        return split_body(await split(self._pos, wanted, timeout_s=_PATIENCE_S))

    async def _menu(self, _: Body) -> Body:
        return (await self._pos.menu()).body()

    async def _wait_order(self, command: Body) -> Body:
        patience_s = float(command.get("timeout_s", _ORDER_PATIENCE_S))
        order = await self._pos.next_order(patience_s)
        if order is None:
            raise NoAnswer(f"no order came in {patience_s:g} s")
        return order_body(order)

    async def _confirm(self, command: Body) -> Body:
        drop = command.get("drop_answer") is True
        outcome = await self._pos.confirm(_number(command), drop_answer=drop)
        return outcome_body(await settled(self._pos, outcome, _PATIENCE_S))

    async def _refuse(self, command: Body) -> Body:
        number = _number(command)
        self._pos.refuse(number, str(command.get("text", "The shop did not accept the order.")))
        return {"order": number, "refused": True}

    async def _reverse(self, command: Body) -> Body:
        patience_s = float(command.get("timeout_s", _PATIENCE_S))
        return {"done": await self._pos.reversals.finished(patience_s)}

    async def _bills(self, command: Body) -> Body:
        return {"bills": [asdict(b) for b in self._pos.bills.latest(int(command.get("count", 20)))]}

    async def _lines(self, wanted: Any) -> tuple[OrderLine, ...]:
        pairs = wanted_items(wanted)
        return choose(await self._pos.menu(), pairs) if pairs else ()


def _share(share: Any) -> Share:
    if not isinstance(share, dict):
        raise WrongUse("a share has amount_cents or amount, track and pin")
    return Share(
        _amount(share, ()),
        str(share.get("track", "")),
        str(share.get("pin", "")),
        drop_answer=share.get("drop_answer") is True,
    )


def _amount(command: Body, lines: tuple[OrderLine, ...]) -> int:
    match command:
        case {"amount_cents": int(cents)}:
            return cents
        case {"amount": str(text)}:
            return parse_amount(text)
    if lines:
        return total_cents(lines)
    raise WrongUse("this needs amount_cents or amount (a sale may have items instead)")


def _number(command: Body) -> int:
    match command:
        case {"order": int(number)}:
            return number
    raise WrongUse("which order?")
