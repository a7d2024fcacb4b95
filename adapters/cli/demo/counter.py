"""Sections 2, 3 and 5: what happens at the counter, with stripes."""

from dataclasses import dataclass
from typing import Final

from adapters.cli.demo.narration import Narrator, Step
from adapters.cli.demo.programs import Answer, Device
from adapters.cli.demo.town import REFILL_CENTS, Town
from domain.answers import dollars

LUNCH_CENTS: Final = 31_40
"""Over $25.00, so that the PIN matters."""
BEN_CENTS: Final = 27_90
TOO_MUCH_CENTS: Final = 200_00
"""More than the account holds, less than it may spend in a day."""
TWICE_CENTS: Final = 18_20
UNHEARD_CENTS: Final = 14_00


@dataclass(slots=True)
class Tally:
    """The authorizations that the backend decided in this run."""

    approved: int = 0
    refused: int = 0

    def count(self, outcome: Answer) -> None:
        """One more; an undecided one (91, 96) is none."""
        if outcome.get("approved"):
            self.approved += 1
        elif outcome.get("code") not in ("91", "96"):
            self.refused += 1


class Counter:
    """The shop's counter: its POS, and the phone on which Ana looks at her balance."""

    def __init__(
        self, narrator: Narrator, town: Town, pos: Device, phone: Device, tally: Tally
    ) -> None:
        self._narrator, self._town = narrator, town
        self._pos, self._phone, self._tally = pos, phone, tally
        self.ana_cents = REFILL_CENTS
        self.lunch = ""

    async def stripe_cards(self) -> None:
        """Section 2. Raises narration.Broken."""
        narrator, town = self._narrator, self._town
        ana, ben = town.ana, town.ben
        narrator.section("2. Stripe cards: the right PIN, a forged stripe, wrong PINs")
        with narrator.step(
            f"Ana swipes her card for {dollars(LUNCH_CENTS)} and types her PIN",
            expected="approved",
        ) as step:
            outcome = await self._sale(LUNCH_CENTS, ana.track, ana.pin)
            self.lunch = str(outcome["transaction"])
            self.ana_cents -= LUNCH_CENTS
            _judge(step, outcome, "00")
            step.note(f"card {outcome['card']}, payment {self.lunch}")
        with narrator.step(
            "a forged stripe: Ana's number, a verification value that the HSM did not make",
            expected="refused 63",
        ) as step:
            _judge(step, await self._sale(LUNCH_CENTS, forged(ana.track), ana.pin), "63")
        for count, code in (("first", "55"), ("second", "55"), ("third", "75")):
            with narrator.step(
                f"Ben's card for {dollars(BEN_CENTS)} with a wrong PIN, the {count} time",
                expected=f"refused {code}",
            ) as step:
                _judge(step, await self._sale(BEN_CENTS, ben.track, ben.wrong_pin), code)
        with narrator.step(
            "Ben's card with the right PIN after that", expected="refused 75: it stays locked"
        ) as step:
            _judge(step, await self._sale(BEN_CENTS, ben.track, ben.pin), "75")
        await self.balance_is("what was refused debited nothing: Ana's phone shows her balance")

    async def too_much(self) -> None:
        """Section 3. Raises narration.Broken."""
        narrator = self._narrator
        narrator.section("3. Too large an amount")
        with narrator.step(
            f"Ana swipes for {dollars(TOO_MUCH_CENTS)} and types her PIN",
            expected=f"refused 51, and told that {dollars(self.ana_cents)} would pass",
        ) as step:
            ana = self._town.ana
            outcome = await self._sale(TOO_MUCH_CENTS, ana.track, ana.pin)
            _judge(step, outcome, "51", outcome["would_pass_cents"] == self.ana_cents)

    async def twice_and_unheard(self) -> None:
        """Section 5. Raises narration.Broken."""
        narrator, ana = self._narrator, self._town.ana
        narrator.section("5. The same authorization twice; an answer that is not heard")
        with narrator.step(
            f"Ana swipes for {dollars(TWICE_CENTS)}, no PIN needed up to $25.00",
            expected="approved",
        ) as step:
            first = await self._sale(TWICE_CENTS, ana.track)
            self.ana_cents -= TWICE_CENTS
            _judge(step, first, "00")
        with narrator.step(
            "the POS sends the very same authorization again", expected="the same answer"
        ) as step:
            again = await self._pos.ask("resend-last")
            same = again["transaction"] == first["transaction"] and again["duplicate"]
            _judge(step, again, "00", same)
            step.note(f"payment {first['transaction']} both times")
        await self.balance_is("it was debited once")
        with narrator.step(
            f"Ana swipes for {dollars(UNHEARD_CENTS)}, and the POS does not hear the answer",
            expected="the POS shows no approval, and reverses by itself",
        ) as step:
            lost = await self._pos.ask(
                "sale", amount_cents=UNHEARD_CENTS, track=ana.track, drop_answer=True
            )
            # "reversed" is the backend's word that it had approved; else nothing was to reverse.
            taken_back = lost["reversal"] == "reversed"
            self._tally.approved += taken_back
            step.saw(str(lost["words"]), taken_back and not lost["approved"])
        await self.balance_is("the money is back")

    async def balance_is(self, text: str) -> None:
        with self._narrator.step(text, expected=dollars(self.ana_cents)) as step:
            step.compare(dollars((await self._phone.ask("balance"))["balance_cents"]))

    async def _sale(self, amount_cents: int, track: str, pin: str = "") -> Answer:
        outcome = await self._pos.ask("sale", amount_cents=amount_cents, track=track, pin=pin)
        self._tally.count(outcome)
        return outcome


def _judge(step: Step, outcome: Answer, code: str, besides: bool = True) -> None:
    """What the POS shows, and whether it is the answer of that code."""
    step.saw(str(outcome["words"]), outcome["code"] == code and besides)


def forged(track: str) -> str:
    """The text of a stripe whose verification value (the last eight digits of the discretionary
    data, TR-CFS) somebody made up: every digit one higher. All else is right, on both tracks."""
    parts = track.split("?")
    for at, part in enumerate(parts[:-1]):
        value = "".join(str((int(digit) + 1) % 10) for digit in part[-8:])
        parts[at] = part[:-8] + value
    return "?".join(parts)
