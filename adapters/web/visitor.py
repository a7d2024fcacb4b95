"""Who sends a request: the one cookie, and the session behind it if there is one.

Everybody who opens a form has a random cookie, so that its form tokens can be bound to it; only
logging in creates a session on the server, always under a new cookie.
"""

from dataclasses import dataclass

from litestar import Request
from litestar.datastructures import Cookie

from adapters.web.sessions import LoggedIn, is_cookie, new_cookie
from adapters.web.site import Site


class NotLoggedIn(Exception):
    """The page is for people who logged in; whoever else asks is sent to the log-in page."""


@dataclass(frozen=True, slots=True)
class Visitor:
    """A browser: its cookie (new if it brought none that looks like ours), and who logged in."""

    cookie: str
    is_new: bool
    login: LoggedIn | None


@dataclass(frozen=True, slots=True)
class Shopkeeper:
    """A visitor who is logged in."""

    cookie: str
    login_id: int
    email: str


def cookie_name(site: Site) -> str:
    """With https the prefix makes browsers refuse one planted by another host or over http."""
    return "__Host-tr_session" if site.config.https else "tr_session"


def session_cookie(site: Site, value: str) -> Cookie:
    """The cookie as it is set: this host only, unreadable for scripts, gone with the browser."""
    return Cookie(
        key=cookie_name(site),
        value=value,
        path="/",
        httponly=True,
        samesite="lax",
        secure=site.config.https,
    )


def expired_cookie(site: Site) -> Cookie:
    """Tells the browser to forget the cookie."""
    cookie = session_cookie(site, "")
    cookie.max_age = 0
    return cookie


async def provide_visitor(request: Request, site: Site) -> Visitor:  # type: ignore[type-arg]
    """The visitor, as a dependency of handlers."""
    cookie = request.cookies.get(cookie_name(site), "")
    if not is_cookie(cookie):
        return Visitor(new_cookie(), True, None)
    return Visitor(cookie, False, await site.sessions.find(cookie))


async def provide_shopkeeper(visitor: Visitor) -> Shopkeeper:
    """The logged-in visitor, as a dependency. Raises `NotLoggedIn`."""
    if visitor.login is None:
        raise NotLoggedIn
    return Shopkeeper(visitor.cookie, visitor.login.login_id, visitor.login.email)
