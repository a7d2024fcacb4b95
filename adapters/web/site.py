"""Everything that a page may use, made once per process and handed to the handlers."""

from dataclasses import dataclass, field

from litestar import Request

from adapters.web.config import Clock, WebConfig
from adapters.web.database import Pool, make_pool
from adapters.web.logins import Logins
from adapters.web.passwords import Passwords
from adapters.web.report_link import ReportLink
from adapters.web.report_store import ReportStore
from adapters.web.secret import SiteSecret
from adapters.web.sessions import Sessions
from adapters.web.shop_records import ShopRecords
from adapters.web.tries import Tries


@dataclass(frozen=True, slots=True)
class Site:
    """The parts of a running website."""

    config: WebConfig
    clock: Clock
    pool: Pool
    secret: SiteSecret
    sessions: Sessions
    logins: Logins
    passwords: Passwords
    tries: Tries
    records: ShopRecords
    link: ReportLink
    answers: dict[int, int] = field(default_factory=dict)
    """How many requests were answered with each HTTP status."""


def make_site(config: WebConfig, clock: Clock) -> Site:
    """Wire the parts; nothing is opened yet."""
    pool = make_pool(config.dsn)
    secret = SiteSecret(pool)
    return Site(
        config=config,
        clock=clock,
        pool=pool,
        secret=secret,
        sessions=Sessions(pool, clock),
        logins=Logins(pool, clock),
        passwords=Passwords(),
        tries=Tries(pool, secret, clock),
        records=ShopRecords(pool),
        link=ReportLink(config.identity, ReportStore(pool), clock, config.gateway),
    )


async def provide_site(request: Request) -> Site:  # type: ignore[type-arg]
    """The site, as a dependency of handlers."""
    site: Site = request.app.state["site"]
    return site
