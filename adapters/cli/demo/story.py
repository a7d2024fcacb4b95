"""The whole story, in order."""

from contextlib import AsyncExitStack

from adapters.cli.demo.books import Books
from adapters.cli.demo.counter import Counter, Tally
from adapters.cli.demo.narration import Narrator
from adapters.cli.demo.phone import phone_order
from adapters.cli.demo.programs import Ahead, Device, Ticketrestaurant
from adapters.cli.demo.town import Town, refill, register, side_by_side
from adapters.cli.demo.website import Access, Website
from adapters.settings import Settings


class Story:
    """One run. `ledger_verified`: what the auditor's check of the whole log said."""

    def __init__(self, settings: Settings, narrator: Narrator) -> None:
        self._settings, self._narrator = settings, narrator
        self.tally = Tally()
        self.ledger_verified = False
        self.town: Town | None = None
        self.access: Access | None = None

    async def tell(self) -> None:
        """Sections 1 to 8. Raises narration.Broken where it cannot go on."""
        narrator = self._narrator
        program = Ticketrestaurant(self._settings)
        town = self.town = await register(program, narrator)
        async with AsyncExitStack() as stack, Ahead() as ahead:
            status = ahead.start(program.json("status"))
            # The devices start while the company pays: a shop's boxes are on long before lunch.
            starting = ahead.start(_start_devices(program, town, stack))
            await refill(program, narrator, town.company)
            with narrator.step("two POS and two phones are switched on, each with its own session"):
                counter_pos, terrace_pos, ana_phone, chloe_phone = await starting
            counter = Counter(narrator, town, counter_pos, ana_phone, self.tally)
            await counter.stripe_cards()
            await counter.too_much()
            await phone_order(program, narrator, town, terrace_pos, chloe_phone, self.tally)
            await counter.twice_and_unheard()
            books = Books(program, narrator, town, counter, ahead)
            await books.correct()
            self.ledger_verified = await books.audit()
            exported = await books.export()
            website = await stack.enter_async_context(Website(narrator, town, await status))
            self.access = website.access
            await website.log_in()
            await website.shows(exported)


async def _start_devices(
    program: Ticketrestaurant, town: Town, stack: AsyncExitStack
) -> list[Device]:
    """The counter's POS, the terrace's, Ana's phone, Chloé's phone. The first failure ends all."""
    devices = (
        ("pos", town.counter.folder),
        ("pos", town.terrace.folder),
        ("card", town.ana.phone.folder),
        ("card", town.chloe.phone.folder),
    )
    found: list[Device] = await side_by_side(
        *(stack.enter_async_context(program.device(kind, folder)) for kind, folder in devices)
    )
    return found
