"""Pages for everybody: the start page, the site's few static files, and its health."""

from typing import Any

from litestar import Response, get
from litestar.exceptions import NotFoundException
from psycopg import Error
from psycopg_pool import PoolTimeout

from adapters.web.rendering import STATIC, plain_page
from adapters.web.site import Site

NEWS_IS_OLD_AFTER_US = 60 * 1_000_000

_HEALTH_WAIT_S = 1.0


@get("/", sync_to_thread=False)
def start() -> Response[str]:
    """What TicketRestaurant US is; asks no database, so it is there whatever else is not."""
    return plain_page("start.html")


@get("/static/{name:str}", sync_to_thread=False)
def static_file(name: str) -> Response[bytes]:
    """A file from memory: no path of a visitor's ever reaches the file system."""
    if name not in STATIC:
        raise NotFoundException
    media_type, content = STATIC[name]
    return Response(
        content,
        media_type=media_type,
        headers={"Cache-Control": "public, max-age=31536000, immutable"},
    )


@get("/healthz")
async def health(site: Site) -> Response[dict[str, Any]]:
    """200 while pages can be served, 503 without database; says nothing about anybody.

    `news` is current, stale or none; `gateway` is the state of the link that brings reports. Old
    news is no failure of this process: its pages still work.
    """
    try:
        async with site.pool.connection(timeout=_HEALTH_WAIT_S) as connection:
            row = await (await connection.execute("SELECT report, as_of_us FROM news")).fetchone()
    except (PoolTimeout, Error):
        unavailable = {"status": "unavailable", "database": False, "gateway": site.link.state}
        return Response(unavailable, status_code=503)
    report, as_of_us = row or (None, None)
    if as_of_us is None:
        news = "none"
    else:
        news = "stale" if site.clock() - as_of_us > NEWS_IS_OLD_AFTER_US else "current"
    return Response(
        {
            "status": "ok",
            "database": True,
            "gateway": site.link.state,
            "news": news,
            "report": report,
            "as_of_us": as_of_us,
        }
    )
