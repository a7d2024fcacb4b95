"""What people read when a page cannot be shown; never a stack trace, never what they typed."""

import logging
from typing import Any

from litestar import Request, Response
from litestar.exceptions import HTTPException
from litestar.response import Redirect
from litestar.types import ExceptionHandlersMap
from psycopg import Error as PostgresError
from psycopg_pool import PoolTimeout

from adapters.web.forms import ForeignForm
from adapters.web.rendering import plain_page
from adapters.web.visitor import NotLoggedIn

_log = logging.getLogger("ticketrestaurant.website")

_TEXTS = {
    400: ("This request cannot be read", "Please go back and try again."),
    404: ("Page not found", "There is no such page, or it is not yours to see."),
    405: ("Page not found", "This address cannot be used that way."),
    413: ("That is too much", "What was sent is larger than any form of ours."),
}
_FALLBACK = ("This did not work", "Please go back and try again.")


def _http_error(_: Request[Any, Any, Any], error: HTTPException) -> Response[str]:
    if error.status_code >= 500:
        return _unexpected(_, error)
    title, text = _TEXTS.get(error.status_code, _FALLBACK)
    response = plain_page("error.html", status=error.status_code, title=title, text=text)
    if error.status_code == 405 and error.headers:
        response.headers.update({k: v for k, v in error.headers.items() if k.lower() == "allow"})
    return response


def _foreign_form(_: Request[Any, Any, Any], __: Exception) -> Response[str]:
    return plain_page(
        "error.html",
        status=403,
        title="This form is out of date",
        text="For your safety it was not accepted. Please go back, reload the page and try again.",
    )


def _not_logged_in(_: Request[Any, Any, Any], __: Exception) -> Redirect:
    return Redirect("/login?again=true", status_code=303)


def _unavailable(_: Request[Any, Any, Any], error: Exception) -> Response[str]:
    # The message of a database error can quote a value: only its class and SQLSTATE are logged.
    _log.error("database: %s %s", type(error).__name__, getattr(error, "sqlstate", None) or "")
    response = plain_page(
        "error.html",
        status=503,
        title="Back in a moment",
        text="The website cannot reach its records right now. Card payments are not affected.",
    )
    response.headers["Retry-After"] = "10"
    return response


def _too_slow(_: Request[Any, Any, Any], __: Exception) -> Response[str]:
    text = "The request took too long to arrive. Please try again."
    return plain_page("error.html", status=408, title="Too slow", text=text)


def _unexpected(_: Request[Any, Any, Any], error: Exception) -> Response[str]:
    _log.error("unexpected %s at %s", type(error).__name__, _where(error))
    return plain_page(
        "error.html",
        status=500,
        title="Something went wrong",
        text="This is our fault, and it was noted. Please try again later.",
    )


def _where(error: BaseException) -> str:
    """File and line of the innermost frame: enough to find the fault, without any value."""
    frame = error.__traceback__
    while frame is not None and frame.tb_next is not None:
        frame = frame.tb_next
    if frame is None:
        return "?"
    return f"{frame.tb_frame.f_code.co_filename.rsplit('/', 1)[-1]}:{frame.tb_lineno}"


EXCEPTION_HANDLERS: ExceptionHandlersMap = {
    HTTPException: _http_error,
    ForeignForm: _foreign_form,
    NotLoggedIn: _not_logged_in,
    PoolTimeout: _unavailable,
    PostgresError: _unavailable,
    TimeoutError: _too_slow,
    Exception: _unexpected,
}
