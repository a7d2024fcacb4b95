"""The website as a shopkeeper's browser sees it: pages, forms, one cookie."""

from dataclasses import dataclass
from typing import Any

import httpx
from lxml import html

_TIMEOUT_S = 20.0
_COOKIE_ENDS = "tr_session"


@dataclass(frozen=True, slots=True)
class Page:
    """A page that was fetched: where it is, its HTTP status, its content."""

    path: str
    status: int
    root: Any

    def text(self, path: str) -> str:
        """The text at an XPath, blanks joined; empty where there is nothing."""
        found = self.root.xpath(path)
        return " ".join(found[0].text_content().split()) if found else ""

    @property
    def problem(self) -> str:
        """What the page complains of, if it does, else its title."""
        return self.text("//*[@role='alert']") or self.text("//h1") or f"status {self.status}"


class Browser:
    """Follows links and redirects, keeps cookies, sends back the hidden fields of forms."""

    def __init__(self, base_url: str) -> None:
        self._client = httpx.AsyncClient(
            base_url=base_url, follow_redirects=True, timeout=_TIMEOUT_S, trust_env=False
        )

    async def close(self) -> None:
        """Closes its connections."""
        await self._client.aclose()

    @property
    def cookie(self) -> str:
        """The value of the website's one cookie; empty before the first page with a form."""
        values = [c.value for c in self._client.cookies.jar if c.name.endswith(_COOKIE_ENDS)]
        return values[0] or "" if values else ""

    async def json(self, path: str) -> dict[str, Any]:
        """A resource for programs. Raises httpx.HTTPError."""
        found: dict[str, Any] = (await self._client.get(path)).json()
        return found

    async def open(self, path: str) -> Page:
        """A page, after redirects. Raises httpx.HTTPError."""
        return _page(await self._client.get(path))

    async def open_with(self, cookie: str, path: str) -> Page:
        """The page that somebody else gets who has this cookie. Raises httpx.HTTPError."""
        name = next(c.name for c in self._client.cookies.jar if c.name.endswith(_COOKIE_ENDS))
        async with httpx.AsyncClient(
            base_url=self._client.base_url, follow_redirects=True, timeout=_TIMEOUT_S,
            trust_env=False, cookies={name: cookie},
        ) as other:  # fmt: skip
            return _page(await other.get(path))

    async def post(self, page: Page, action: str, *, hidden: bool = True, **typed: str) -> Page:
        """Sends the page's form that goes to `action`, filled in. `hidden=False` leaves the hidden
        fields out, as a foreign page would have to. Raises httpx.HTTPError, LookupError."""
        forms = page.root.xpath("//form[@method='post'][@action=$action]", action=action)
        if not forms:
            raise LookupError(f"the page at {page.path} has no form for {action}")
        fields = dict(typed)
        if hidden:
            for field in forms[0].xpath(".//input[@type='hidden']"):
                fields[field.get("name")] = field.get("value")
        return _page(await self._client.post(action, data=fields))


def _page(response: httpx.Response) -> Page:
    return Page(str(response.url.path), response.status_code, html.fromstring(response.text))
