"""The website's application: routes, what surrounds them, and what runs beside them."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable

from litestar import Litestar
from litestar.datastructures import State
from litestar.di import Provide
from psycopg import Error as PostgresError

from adapters.web import login_pages, public_pages, shop_pages, webhooks
from adapters.web.config import Clock, WebConfig, system_clock
from adapters.web.edge import Edge
from adapters.web.error_pages import EXCEPTION_HANDLERS
from adapters.web.forms import MAX_BODY_BYTES
from adapters.web.monitor import site_monitor
from adapters.web.site import Site, make_site, provide_site
from adapters.web.visitor import provide_visitor

_log = logging.getLogger("ticketrestaurant.website")

_HOUSEKEEPING_S = 300.0

ROUTES = [
    public_pages.start,
    public_pages.static_file,
    public_pages.health,
    login_pages.log_in_page,
    login_pages.log_in,
    login_pages.log_out,
    login_pages.logged_out,
    login_pages.logged_out_mark,
    login_pages.activation_page,
    login_pages.activate,
    shop_pages.shops,
    shop_pages.shop_page,
    shop_pages.shop_csv,
    webhooks.webhook,
]


def make_app(config: WebConfig, clock: Clock = system_clock) -> Edge:
    """The ASGI application of one website process; its life span opens and closes everything."""
    site = make_site(config, clock)
    return Edge(make_litestar(site), config, site.answers)


def make_litestar(site: Site) -> Litestar:
    """The Litestar application inside, for those who look at its routes."""
    return Litestar(
        ROUTES,
        dependencies={"site": Provide(provide_site), "visitor": Provide(provide_visitor)},
        exception_handlers=EXCEPTION_HANDLERS,
        lifespan=[_running(site)],
        request_max_body_size=MAX_BODY_BYTES,
        state=State({"site": site}),
        openapi_config=None,
        logging_config=None,
        debug=False,
    )


def _running(site: Site) -> Callable[[Litestar], contextlib.AbstractAsyncContextManager[None]]:
    @contextlib.asynccontextmanager
    async def life(_: Litestar) -> AsyncIterator[None]:
        # Does not wait: the site comes up without database and without gateway.
        await site.pool.open(wait=False)
        tasks = [asyncio.create_task(site.link.run()), asyncio.create_task(_keep_house(site))]
        monitor = site_monitor(site, asyncio.get_running_loop())
        if monitor is not None:
            monitor.start()
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            if monitor is not None:
                await asyncio.to_thread(monitor.stop)
            await site.pool.close()

    return life


async def _keep_house(site: Site) -> None:
    """Delete what is over: old sessions, old counts of failed tries."""
    while True:
        try:
            await site.sessions.forget_old()
            await site.tries.forget_old()
        except PostgresError as error:
            _log.warning("housekeeping: database: %s", type(error).__name__)
        await asyncio.sleep(_HOUSEKEEPING_S)
