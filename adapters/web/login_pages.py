"""Log-in, log-out, and activation: how a shop gets at its records."""

from typing import Any

from litestar import Request, Response, get, post
from litestar.di import Provide
from litestar.response import Redirect

from adapters.web.authentication import Wrong, authenticate
from adapters.web.forms import PostedForm, provide_posted_form
from adapters.web.logins import plain_email
from adapters.web.passwords import MAX_LENGTH, MIN_LENGTH, TooBusy, why_refused
from adapters.web.rendering import STATIC, page, plain_page
from adapters.web.sessions import new_cookie
from adapters.web.site import Site
from adapters.web.tries import TooManyTries
from adapters.web.visitor import Visitor, expired_cookie, session_cookie

AnyRequest = Request[Any, Any, Any]

# One answer for an unknown e-mail address and for a wrong password.
_WRONG = "E-mail address and password do not match. Please check both and try again."
_BUSY = "Many people are logging in right now. Please try again in a moment."
_BAD_CODE = "This activation code is not valid: it may be mistyped, used already, or expired."
_BAD_EMAIL = "Please enter a complete e-mail address, for example name@restaurant.com."

_KNOWN_EMAIL = "This e-mail address has a log-in already. To add this shop, enter its password."

_posted = {"form": Provide(provide_posted_form)}


@get("/login")
async def log_in_page(site: Site, visitor: Visitor, again: bool = False) -> Response[Any]:
    """The log-in form; whoever is logged in already goes on to the shop."""
    if visitor.login is not None:
        return Redirect("/shops", status_code=303)
    return await _log_in_form(
        site, visitor, hint="Please log in to see that page." if again else ""
    )


@post("/login", dependencies=_posted)
async def log_in(
    request: AnyRequest, site: Site, visitor: Visitor, form: PostedForm
) -> Response[Any]:
    """Check e-mail and password; a right pair gets a new session under a new cookie."""
    typed = form["email"].strip()

    async def refused(problem: str, status: int, **more: Any) -> Response[str]:
        return await _log_in_form(
            site, visitor, typed=typed, problem=problem, status=status, **more
        )

    email = plain_email(typed)
    if email is None:
        return await refused(_WRONG, 403)
    try:
        found = await authenticate(site, email, form["password"], _address(request))
    except TooBusy:
        return await refused(_BUSY, 503)
    match found:
        case Wrong():
            return await refused(_WRONG, 403)
        case TooManyTries():
            return await refused(**_wait(found))
    return await _enter(site, visitor, found.login_id)


@post("/logout", dependencies=_posted)
async def log_out(site: Site, visitor: Visitor, form: PostedForm) -> Redirect:
    """End the session on the server and in the browser; `form` is asked for its checks only."""
    await site.sessions.end(visitor.cookie)
    return Redirect("/logged-out", status_code=303, cookies=[expired_cookie(site)])


@get("/logged-out", sync_to_thread=False)
def logged_out() -> Response[str]:
    """Says so, and shows the picture below."""
    return plain_page("logged_out.html")


@get("/logged-out/mark.svg")
async def logged_out_mark(site: Site, visitor: Visitor) -> Response[bytes]:
    """A picture that comes with a new cookie.

    Chromium keeps pages for its "back" button in spite of `no-store`, and drops them when an
    HttpOnly cookie changes while they are kept: after the page that says "logged out" is there.
    """
    media_type, content = STATIC["done.svg"]
    cookies = [] if visitor.login else [session_cookie(site, new_cookie())]
    return Response(content, media_type=media_type, cookies=cookies)


@get("/activate")
async def activation_page(site: Site, visitor: Visitor) -> Response[Any]:
    """The form that turns an activation code into a log-in."""
    return await _activation_form(site, visitor)


@post("/activate", dependencies=_posted)
async def activate(
    request: AnyRequest, site: Site, visitor: Visitor, form: PostedForm
) -> Response[Any]:
    """Use a one-time code up: make a log-in, or add a shop to one whose password is given."""
    email, password = plain_email(form["email"]), form["password"]

    async def refused(problem: str, status: int = 422, **more: Any) -> Response[str]:
        return await _activation_form(site, visitor, form, problem=problem, status=status, **more)

    if email is None:
        return await refused(_BAD_EMAIL)
    if password != form["password_again"]:
        return await refused("The two passwords differ. Please type the same one twice.")
    allowed = await site.tries.activation(_address(request))
    if isinstance(allowed, TooManyTries):
        return await refused(**_wait(allowed))
    code = await site.logins.usable_code(form["code"])
    if code is None:
        return await refused(_BAD_CODE, 403)
    # The code was right, so this was no guess; those before it may have been.
    await site.tries.take_back(allowed)
    try:
        if await site.logins.find(email) is not None:
            return await _add_shop(request, site, visitor, form, email)
        if weak := why_refused(password, email=email):
            return await refused(weak)
        login_id = await site.logins.activate_new(code, email, await site.passwords.hash(password))
    except TooBusy:
        return await refused(_BUSY, 503)
    if login_id is None:
        return await refused(_BAD_CODE, 403)
    return await _enter(site, visitor, login_id)


async def _add_shop(
    request: AnyRequest, site: Site, visitor: Visitor, form: PostedForm, email: str
) -> Response[Any]:
    """The e-mail has a log-in already: its owner adds one more shop to it. Raises `TooBusy`."""
    found = await authenticate(site, email, form["password"], _address(request))
    match found:
        case TooManyTries():
            return await _activation_form(site, visitor, form, **_wait(found))
        case Wrong():
            return await _activation_form(site, visitor, form, problem=_KNOWN_EMAIL, status=403)
    # Asked again: the password took its time, and the code may be used by now.
    code = await site.logins.usable_code(form["code"])
    if code is None or not await site.logins.activate_existing(code, found.login_id):
        return await _activation_form(site, visitor, form, problem=_BAD_CODE, status=403)
    return await _enter(site, visitor, found.login_id)


async def _enter(site: Site, visitor: Visitor, login_id: int) -> Redirect:
    cookie = await site.sessions.start(login_id, replaces=visitor.cookie)
    return Redirect("/shops", status_code=303, cookies=[session_cookie(site, cookie)])


async def _log_in_form(
    site: Site,
    visitor: Visitor,
    *,
    typed: str = "",
    hint: str = "",
    problem: str = "",
    status: int = 200,
    headers: dict[str, str] | None = None,
) -> Response[str]:
    return await page(
        site, visitor, "login.html",
        status=status, headers=headers, typed=typed, hint=hint, problem=problem,
    )  # fmt: skip


async def _activation_form(
    site: Site,
    visitor: Visitor,
    form: PostedForm | None = None,
    *,
    problem: str = "",
    status: int = 200,
    headers: dict[str, str] | None = None,
) -> Response[str]:
    return await page(
        site, visitor, "activate.html",
        status=status, headers=headers, problem=problem,
        typed_code=form["code"] if form else "", typed_email=form["email"] if form else "",
        min_length=MIN_LENGTH, max_length=MAX_LENGTH,
    )  # fmt: skip


def _wait(refused: TooManyTries) -> dict[str, Any]:
    minutes = -(-refused.retry_s // 60)
    return {
        "problem": "Too many tries. For safety, please wait "
        f"{minutes} minute{'' if minutes == 1 else 's'} and try again.",
        "status": 429,
        "headers": {"Retry-After": str(refused.retry_s)},
    }


def _address(request: AnyRequest) -> str:
    return request.client.host if request.client else "unknown"
