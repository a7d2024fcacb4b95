"""What the website tells about itself to this machine: database, news, link, requests."""

import asyncio
from collections.abc import Iterator
from concurrent.futures import TimeoutError as TooLate

from prometheus_client.core import Metric
from psycopg import Error
from psycopg_pool import PoolTimeout

from adapters.monitoring import families
from adapters.monitoring.health import Health
from adapters.monitoring.server import Monitor, loop_answers
from adapters.monitoring.surroundings import certificate_days, expiring, restarts
from adapters.web.site import Site

NEWS_OLD_S = 60.0
_WAIT_S = 1.0


def site_monitor(site: Site, loop: asyncio.AbstractEventLoop) -> Monitor | None:
    """The site's health and metrics, ready to start; None where no port is set."""
    config = site.config
    if not config.monitor_port:
        return None
    files = {"tls-website": config.identity / "tls.pem"} if config.identity else {}
    days = certificate_days(files)

    def news_age_s() -> float | None:
        """Seconds since the last report, -1 before the first, None without database."""
        asked = asyncio.run_coroutine_threadsafe(_news_age_s(site), loop)
        try:
            return asked.result(2 * _WAIT_S)
        except TooLate:
            asked.cancel()
            return None

    def health() -> Health:
        live, reasons = loop_answers(loop), {}
        warnings = expiring(days())
        age_s = news_age_s() if live else None
        if not live:
            reasons["loop"] = "the event loop does not answer"
        elif age_s is None:
            reasons["database"] = "the website's database does not answer"
        elif age_s > NEWS_OLD_S:
            warnings["news"] = f"the last report is {age_s:,.0f} s old"
        if site.link.state != "connected":
            warnings["gateway"] = f"the link for reports is {site.link.state}"
        return Health(live=live, reasons=reasons, warnings=warnings)

    def collect() -> Iterator[Metric]:
        age_s = news_age_s()
        yield families.gauge("database_up", "1 while the database answers.", age_s is not None)
        connected = site.link.state == "connected"
        yield families.gauge("report_link_up", "1 while reports can come.", connected)
        if age_s is not None and age_s >= 0:
            yield families.gauge("news_age_seconds", "Since the last report.", age_s)
        answers = {str(status): float(count) for status, count in dict(site.answers).items()}
        yield families.counters("http_answers", "Requests by status.", "status", answers)
        yield families.gauges(
            "certificate_expiry_days", "Days until a certificate expires.", "certificate", days()
        )
        if config.home is not None:
            yield families.counters(
                "restarts",
                "How often the supervisor started a part again.",
                "part",
                restarts(config.home, ("website", "website_database")),
            )

    return Monitor(config.monitor_host, config.monitor_port, health, collect)


async def _news_age_s(site: Site) -> float | None:
    try:
        async with site.pool.connection(timeout=_WAIT_S) as connection:
            row = await (await connection.execute("SELECT as_of_us FROM news")).fetchone()
    except (PoolTimeout, Error):
        return None
    if row is None or row[0] is None:
        return -1.0
    return max(0.0, (site.clock() - int(row[0])) / 1e6)
