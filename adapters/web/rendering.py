"""Pages from templates: Jinja with escaping always on, and what every page needs."""

import hashlib
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from litestar import Response
from litestar.datastructures import Cookie

from adapters.web import presentation
from adapters.web.forms import TOKEN_FIELD, form_token
from adapters.web.site import Site
from adapters.web.visitor import Visitor, session_cookie

_HERE = Path(__file__).parent

# Without a charset: the framework adds it.
_MEDIA_TYPES = {".css": "text/css", ".svg": "image/svg+xml"}

STATIC = {
    path.name: (_MEDIA_TYPES[path.suffix], path.read_bytes())
    for path in sorted((_HERE / "static").iterdir())
}
"""The files a page may ask for beside itself, by name: media type and content."""


def _environment() -> Environment:
    made = Environment(
        loader=FileSystemLoader(_HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    made.filters |= {
        name: getattr(presentation, name)
        for name in (
            "money",
            "calendar_date",
            "weekday",
            "day",
            "short_day",
            "clock_time",
            "date_and_time",
            "iso_time",
            "masked_card",
            "plural",
        )
    }
    # A new style sheet has a new address, so browsers may keep the old one for ever.
    version = hashlib.sha256(b"".join(content for _, content in STATIC.values())).hexdigest()[:12]
    made.globals |= {"static_version": version, "token_field": TOKEN_FIELD}
    return made


_TEMPLATES = _environment()


def plain_page(template: str, *, status: int = 200, **context: Any) -> Response[str]:
    """A page without a form and without a visitor; needs no database."""
    context.setdefault("form_token", None)
    context.setdefault("email", None)
    return Response(
        _TEMPLATES.get_template(template).render(context),
        media_type="text/html",
        status_code=status,
    )


async def page(
    site: Site,
    visitor: Visitor,
    template: str,
    *,
    status: int = 200,
    headers: dict[str, str] | None = None,
    **context: Any,
) -> Response[str]:
    """A page for this visitor, with the token for its forms and a cookie to bind it to."""
    context["form_token"] = await form_token(site, visitor.cookie)
    context["email"] = visitor.login.email if visitor.login else None
    cookies: list[Cookie] = [session_cookie(site, visitor.cookie)] if visitor.is_new else []
    return Response(
        _TEMPLATES.get_template(template).render(context),
        media_type="text/html",
        status_code=status,
        headers=headers,
        cookies=cookies,
    )
