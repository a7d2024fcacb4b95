"""A shop's own pages: its payments over a period, and the same as CSV."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from litestar import Request, Response, get
from litestar.di import Provide
from litestar.exceptions import NotFoundException
from litestar.response import Redirect

from adapters.web.csv_export import file_name, transactions_csv
from adapters.web.period import NAMED, BadPeriod, Period, choose_period, named_period
from adapters.web.presentation import local_day
from adapters.web.public_pages import NEWS_IS_OLD_AFTER_US
from adapters.web.rendering import page
from adapters.web.shop_records import MAX_EXPORT_ROWS, PAGE_ROWS, News, Shop
from adapters.web.site import Site
from adapters.web.visitor import Shopkeeper, Visitor, provide_shopkeeper

AnyRequest = Request[Any, Any, Any]

_MAX_PAGE = 10_000

_shopkeeper = {"shopkeeper": Provide(provide_shopkeeper)}


@get("/shops", dependencies=_shopkeeper)
async def shops(site: Site, visitor: Visitor, shopkeeper: Shopkeeper) -> Response[Any]:
    """The shops of this log-in; with only one, straight to it."""
    own = await site.records.shops_of(shopkeeper.login_id)
    if len(own) == 1:
        return Redirect(f"/shops/{own[0].shop_id}", status_code=303)
    news = await site.records.news()
    late = _news_stopped(site, news)
    return await page(
        site, visitor, "shops.html", shops=own, twins=_twins(own), news=news, news_late=late
    )


@get("/shops/{shop_id:uuid}", dependencies=_shopkeeper)
async def shop_page(
    request: AnyRequest, site: Site, visitor: Visitor, shopkeeper: Shopkeeper, shop_id: UUID
) -> Response[Any]:
    """Totals, days and payments of a period, as of the last report."""
    shop = await _own_shop(site, shopkeeper, shop_id)
    today = local_day(site.clock(), shop.timezone)
    query = _query(request)
    chosen = choose_period(query, today)
    period = chosen if isinstance(chosen, Period) else Period(today, today, "today")
    page_number = _page_number(query)
    own = await site.records.shops_of(shopkeeper.login_id)
    statement = await site.records.statement(
        shopkeeper.login_id, shop_id, period.first, period.last, page=page_number
    )
    return await page(
        site,
        visitor,
        "shop.html",
        status=200 if isinstance(chosen, Period) else 422,
        shop=shop,
        period=period,
        problem=chosen.why if isinstance(chosen, BadPeriod) else "",
        typed_from=query.get("from", "") or period.first.isoformat(),
        typed_to=query.get("to", "") or period.last.isoformat(),
        today=today,
        choices=_choices(today, period),
        statement=statement,
        news_stopped=_news_stopped(site, statement.news),
        most_cents=max((d.amount_cents for d in statement.days), default=0),
        pages=_pages(period, statement.totals.transactions, page_number),
        csv_address=f"/shops/{shop_id}/transactions.csv?{_days_query(period)}",
        many_shops=len(own) > 1,
        twins=_twins(own),
    )


@get("/shops/{shop_id:uuid}/transactions.csv", dependencies=_shopkeeper)
async def shop_csv(
    request: AnyRequest, site: Site, visitor: Visitor, shopkeeper: Shopkeeper, shop_id: UUID
) -> Response[Any]:
    """All payments of the period that the page shows, as a file."""
    shop = await _own_shop(site, shopkeeper, shop_id)
    chosen = choose_period(_query(request), local_day(site.clock(), shop.timezone))
    if isinstance(chosen, BadPeriod):
        return await page(site, visitor, "error.html", status=422, title="", text=chosen.why)
    news, rows = await site.records.export(shopkeeper.login_id, shop_id, chosen.first, chosen.last)
    if len(rows) > MAX_EXPORT_ROWS:
        text = f"A file holds at most {MAX_EXPORT_ROWS:,} payments. Please choose fewer days."
        return await page(site, visitor, "error.html", status=422, title="", text=text)
    name = file_name(shop, chosen.first, chosen.last)
    return Response(
        transactions_csv(shop, news, rows),
        media_type="text/csv",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


async def _own_shop(site: Site, shopkeeper: Shopkeeper, shop_id: UUID) -> Shop:
    """The shop, or the same 404 for another's shop and for one that does not exist."""
    shop = await site.records.shop(shopkeeper.login_id, shop_id)
    if shop is None:
        raise NotFoundException
    return shop


def _twins(own: Sequence[Shop]) -> set[str]:
    """Names that more than one shop of a log-in has."""
    return {name for name, count in Counter(shop.name for shop in own).items() if count > 1}


def _news_stopped(site: Site, news: News) -> bool:
    return news.as_of_us is not None and site.clock() - news.as_of_us > NEWS_IS_OLD_AFTER_US


def _query(request: AnyRequest) -> Mapping[str, str]:
    """The query's fields; of one that comes twice, the last."""
    return {name: str(value) for name, value in request.query_params.items()}


def _page_number(query: Mapping[str, str]) -> int:
    text = query.get("page", "1")
    if not (text.isascii() and text.isdigit() and len(text) < 6):
        return 1
    return min(max(int(text), 1), _MAX_PAGE)


def _days_query(period: Period) -> str:
    return urlencode({"from": period.first.isoformat(), "to": period.last.isoformat()})


def _choices(today: date, period: Period) -> list[dict[str, Any]]:
    """The named periods as links; the one shown is marked, also when it was chosen by its dates."""
    found = [(name, label, named_period(name, today)) for name, label in NAMED.items()]
    shown = period.name or next(
        (
            name
            for name, _, named in found
            if named and (named.first, named.last) == (period.first, period.last)
        ),
        "",
    )
    return [{"name": name, "label": label, "shown": name == shown} for name, label, _ in found]


def _pages(period: Period, transactions: int, number: int) -> dict[str, Any]:
    """Where the shown page lies among all, and the addresses of its neighbours."""
    last = max(1, -(-transactions // PAGE_ROWS))
    days = _days_query(period)
    return {
        "number": number,
        "last": last,
        "first_row": min((number - 1) * PAGE_ROWS + 1, transactions),
        "last_row": min(number * PAGE_ROWS, transactions),
        "newer": f"?{days}&page={min(number - 1, last)}" if number > 1 else "",
        "older": f"?{days}&page={number + 1}" if number < last else "",
    }
