"""Forms: a token bound to the visitor's cookie, and one way to read what was posted.

A form is taken only from our own pages: the browser's Origin and Sec-Fetch-Site, where it sends
them, must say so, and the hidden token must be the keyed hash of the visitor's cookie.
"""

import hmac
from urllib.parse import parse_qs

from litestar import Request
from litestar.exceptions import ClientException

from adapters.web.site import Site
from adapters.web.visitor import Visitor

MAX_BODY_BYTES = 16_384
TOKEN_FIELD = "form_token"  # noqa: S105 (the name of a field)

_MAX_FIELDS = 12
_MAX_VALUE = 1_000
_CONTENT_TYPE = "application/x-www-form-urlencoded"


class ForeignForm(Exception):
    """The form did not come from a page that we sent to this visitor."""


class PostedForm:
    """The fields of a form that passed every check; a missing field is the empty string."""

    def __init__(self, fields: dict[str, str]) -> None:
        self._fields = fields

    def __getitem__(self, name: str) -> str:
        return self._fields.get(name, "")


async def form_token(site: Site, cookie: str) -> str:
    """What the hidden field of a form must hold for the visitor with this cookie."""
    return (await site.secret.keyed_hash("form", cookie)).hex()


async def provide_posted_form(
    request: Request,  # type: ignore[type-arg]
    site: Site,
    visitor: Visitor,
) -> PostedForm:
    """The posted form, as a dependency. Raises `ForeignForm`, or `ClientException` if malformed."""
    _refuse_other_origins(request, site)
    fields = _parse(await request.body(), request.headers.get("content-type", ""))
    expected = await form_token(site, visitor.cookie)
    given = fields.get(TOKEN_FIELD, "")
    # A visitor without a cookie of his own cannot have been sent a form.
    if visitor.is_new or not hmac.compare_digest(given.encode(), expected.encode()):
        raise ForeignForm
    return PostedForm(fields)


def _refuse_other_origins(request: Request, site: Site) -> None:  # type: ignore[type-arg]
    origin = request.headers.get("origin")
    if origin is not None:
        scheme, _, host = origin.lower().partition("://")
        if scheme not in ("http", "https") or host not in site.config.allowed_hosts:
            raise ForeignForm
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        raise ForeignForm


def _parse(body: bytes, content_type: str) -> dict[str, str]:
    if content_type.partition(";")[0].strip().lower() != _CONTENT_TYPE:
        raise ClientException("This form cannot be read.")
    try:
        pairs = parse_qs(
            body.decode("ascii"),
            keep_blank_values=True,
            errors="strict",
            max_num_fields=_MAX_FIELDS,
        )
    except ValueError:
        raise ClientException("This form cannot be read.") from None
    if any(len(values) != 1 for values in pairs.values()):
        raise ClientException("This form has a field twice.")
    fields = {name: values[0] for name, values in pairs.items()}
    if any(len(value) > _MAX_VALUE or "\0" in value for value in fields.values()):
        raise ClientException("A field of this form is too long.")
    return fields
