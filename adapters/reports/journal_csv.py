"""The journal of the books as CSV (RFC 4180): one record a posting, in the order of the log.

Columns and layout as in `settlements_csv`. `debit` and `credit` are decimals with two places, one
of them empty. `event` is the position in the log; `reference` the payment, refill or other thing
that it is about; `corrects` the stream and version of the event that it compensates, which may be
of a day that is closed.
"""

import csv
import io
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta

from application.export_settlements import money
from domain.books.chart import BY_CODE
from domain.books.running import Posted
from domain.event import Event

COLUMNS = (
    *("day", "event", "recorded_at", "topic", "account", "account_name"),
    *("debit", "credit", "currency", "reference", "corrects"),
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_REFERENCES = ("transaction_id", "refill_id")
_EVENTS_A_PIECE = 200


def journal_csv(journal: Iterable[Posted]) -> Iterator[str]:
    """The text, piece by piece."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for number, posted in enumerate(journal, start=1):
        writer.writerows(_records(posted))
        if number % _EVENTS_A_PIECE == 0:
            yield text.getvalue()
            text.seek(0)
            text.truncate()
    yield text.getvalue()


def _records(posted: Posted) -> Iterator[tuple[object, ...]]:
    event = posted.event
    at = (_EPOCH + timedelta(microseconds=event.recorded_at_us)).replace(microsecond=0)
    for code, cents in posted.postings:
        account = BY_CODE[code]
        yield (
            *(posted.day, posted.position, at.isoformat(), event.TOPIC, code, account.name),
            *(money(cents) if cents > 0 else "", money(-cents) if cents <= 0 else ""),
            *(account.currency, reference(event), corrects(event)),
        )


def reference(event: Event) -> str:
    """What the event is about: a payment or a refill by its id, else its own aggregate."""
    for name in _REFERENCES:
        if (id := getattr(event, name, None)) is not None:
            return str(id)
    return str(event.originator_id)


def corrects(event: Event) -> str:
    """`<stream>:<version>` of the event that it compensates, "" for none."""
    version = getattr(event, "corrects_version", 0)
    return f"{event.originator_id}:{version}" if version else ""
