"""The POS on a terminal: the box drawn in characters, worked by keyboard or mouse (textual).

A card reader that types (keyboard wedge) works as it is: what it sends while a card is awaited is
shown nowhere. The PIN shows as stars.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any, ClassVar

from textual import events
from textual.app import App, ComposeResult
from textual.containers import Container, Horizontal
from textual.widgets import Static

from devices.edge import fault_of
from devices.magstripe import StripeError
from devices.pos import till as keys
from devices.pos.core import Pos
from devices.pos.payment import Outcome
from devices.pos.till import Action, Confirm, Refuse, Sell, Show, Till
from devices.pos.till_states import Swipe

_LOOK_S = 0.2
_LIGHTS = {
    "line": ("LINE", "#39d353"),
    "wait": ("WAIT", "#f0b429"),
    "order": ("ORDER", "#58a6ff"),
    "yes": ("YES", "#39d353"),
    "no": ("NO", "#ff5f56"),
}
_PAD = (
    (("[u]M[/u]ENU", keys.MENU), ("[u]O[/u]RDERS", keys.ORDERS), ("[u]B[/u]ILLS", keys.BILLS)),
    (("1", "1"), ("2", "2"), ("3", "3")),
    (("4", "4"), ("5", "5"), ("6", "6")),
    (("7", "7"), ("8", "8"), ("9", "9")),
    (("CLEAR", keys.CLEAR), ("0", "0"), ("ENTER", keys.ENTER)),
)
_NAMED = {
    "enter": keys.ENTER,
    "escape": keys.CLEAR,
    "backspace": keys.CLEAR,
    "delete": keys.CLEAR,
    "up": keys.UP,
    "down": keys.DOWN,
}
_LETTERS = {"m": keys.MENU, "o": keys.ORDERS, "b": keys.BILLS}
_HELP = "m menu  o orders  b bills  ? help"
_MORE_HELP = """\
0-9      amount, or how many
Enter    go on
Esc, ⌫   back, or no
↑ ↓      scroll
m o b    menu, orders, bills
swipe    the reader types; or paste
Ctrl+Q   off
?        less help"""


class PadKey(Static):
    """One key of the pad."""

    def __init__(self, label: str, key: str) -> None:
        kind = {keys.ENTER: "green", keys.CLEAR: "red"}.get(key, "")
        kind = kind or ("digit" if key.isdecimal() else "function")
        super().__init__(label, id=f"key-{key}", classes=f"key {kind}")
        self._key = key

    def on_click(self) -> None:
        screen = self.app
        assert isinstance(screen, PosScreen)
        screen.press(self._key)


class PosScreen(App[None]):
    """Draws the till of `pos` and does what it asks for. `pos` must be open already."""

    TITLE = "TicketRestaurant US"
    ENABLE_COMMAND_PALETTE = False
    CSS = """
    Screen { align: center middle; background: #101418; }
    #box { width: 40; height: auto; border: round #5b6b7a; background: #1d252c; padding: 0 1;
           border-title-color: #e8c07d; border-title-align: center; border-title-style: bold; }
    #lights { height: 1; width: 100%; align: center middle; }
    .light { width: auto; margin: 0 2 0 0; color: #4b5761; }
    .light:last-child { margin: 0; }
    #glass { height: 6; align: center middle; margin-bottom: 1; }
    #display { width: 24; height: 6; background: #0c2b1c; color: #9dffb0; border: tall #07170f;
               padding: 0 1; text-style: bold; }
    #display.yes { border: tall #39d353; }
    #display.no { border: tall #ff5f56; }
    #display.wait { border: tall #f0b429; }
    .row { height: 2; align: center top; }
    .key { width: 10; height: 1; margin: 0 1; background: #33414d; color: #e6edf3;
           text-align: center; text-style: bold; }
    .key:hover { background: #465766; }
    .function { background: #26313a; color: #9fb3c4; }
    .green { background: #1f7a43; }
    .red { background: #8a2f2f; }
    .pressed { background: #e8c07d; color: #101418; }
    #help { width: 100%; content-align: center top; color: #7d8b99; }
    """
    BINDINGS: ClassVar[list[Any]] = [("ctrl+q", "quit", "Off"), ("ctrl+c", "quit", "Off")]

    def __init__(self, pos: Pos) -> None:
        super().__init__()
        self.till = Till(pos.device.shop_name)
        self._pos = pos
        self._more_help = False
        self._working: set[asyncio.Task[None]] = set()

    def compose(self) -> ComposeResult:
        with Container(id="box") as box:
            box.border_title = self.TITLE
            with Horizontal(id="lights"):
                for name in _LIGHTS:
                    yield Static(id=f"light-{name}", classes="light")
            with Container(id="glass"):
                yield Static(id="display", markup=False)
            for row in _PAD:
                with Horizontal(classes="row"):
                    for label, key in row:
                        yield PadKey(label, key)
            yield Static(_HELP, id="help", markup=False)

    def on_mount(self) -> None:
        self.set_interval(_LOOK_S, self._look)
        self._look()

    def on_key(self, event: events.Key) -> None:
        """Keys of the keyboard, and what a card reader types."""
        key = _NAMED.get(event.key)
        character = event.character or ""
        if key is None and isinstance(self.till.state, Swipe) and character.isprintable():
            self.till.read(character)
        elif key is None and character == "?" and self.till.hears_people:
            self._more_help = not self._more_help
            self.query_one("#help", Static).update(_MORE_HELP if self._more_help else _HELP)
            for row in self.query(".row"):  # in place of the pad: all must fit 24 lines
                row.display = not self._more_help
        elif key is None and character.lower() in _LETTERS:
            key = _LETTERS[character.lower()]
        elif key is None and character.isascii() and character.isdecimal():
            key = character
        elif key is None and character and character in ";%+":
            self.till.read(character)
        if key is not None:
            self.press(key)
        self._draw()
        event.stop()

    def on_paste(self, event: events.Paste) -> None:
        """A reader (or a person with a test card) that pastes the whole text."""
        if isinstance(self.till.state, Swipe):
            self.till.read(event.text.replace("\r", "").replace("\n", ""))
            if event.text.endswith(("\n", "\r", "?")):
                self.press(keys.ENTER)
        event.stop()

    def press(self, key: str) -> None:
        """A key of the pad."""
        self._flash(key)
        action = self.till.press(key)
        if action is not None:
            self._start(self._do(action))
        self._draw()

    async def _do(self, action: Action) -> None:
        try:
            match action:
                case Sell(cents, lines, track, pin):
                    outcome = await self._pos.sale(cents, track, pin, lines)
                    self._ended(outcome)
                case Confirm(number):
                    self._ended(await self._pos.confirm(number))
                case Refuse(number):
                    self._pos.refuse(number)
                case Show(keys.MENU):
                    self.till.show_menu(await self._pos.menu())
                case Show():
                    self.till.show_bills(self._pos.bills.latest(50))
        except StripeError as error:
            assert isinstance(action, Sell)
            self.till.swipe_again(action.cents, action.lines, str(error))
        except Exception as error:
            fault = fault_of(error)
            if fault is None:
                raise
            self.till.complain(fault.text)
        self._look()

    def _ended(self, outcome: Outcome) -> None:
        self.till.ended(outcome)
        if outcome.reversal == "pending":
            self._start(self._watch_reversal(outcome.counter))

    async def _watch_reversal(self, counter: int) -> None:
        state = await self._pos.reversals.acknowledged(counter, 3600)
        self.till.reversed_now(counter, state)
        self._draw()

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._working.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._working.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            raise error

    def _look(self) -> None:
        self.till.connected = self._pos.link.connected
        self.till.set_orders(list(self._pos.phones.orders.values()))
        self._draw()

    def _draw(self) -> None:
        if not self.query("#display"):  # not there yet, or no more: orders come at any time
            return
        display = self.query_one("#display", Static)
        display.update("\n".join(self.till.rows()))
        for name, on in self.till.lights().items():
            display.set_class(on, name)
            label, colour = _LIGHTS[name]
            dot = f"[{colour}]●[/] [#e6edf3]{label}[/]" if on else f"○ {label}"
            self.query_one(f"#light-{name}", Static).update(dot)

    def _flash(self, key: str) -> None:
        for pad_key in self.query(f"#key-{key}"):
            pad_key.add_class("pressed")
            self.set_timer(0.12, lambda lit=pad_key: lit.remove_class("pressed"))
