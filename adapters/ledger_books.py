"""The books, wired: what operators and auditors ask of them, and the records of closed days.

Part of the composition root, beside the read side of the ledger.
"""

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date
from typing import Any, Final, TypeVar
from uuid import UUID

from adapters.audit.note import BadNote, Signer, sign_text, verified_text
from adapters.backend.book_ports import OpenDay, Rows
from adapters.backend.operator_ports import Denied
from adapters.hsm.keys import Hsm
from adapters.key_rotation import newer_log_keys
from adapters.ledger_views import LedgerViews
from adapters.postgres.book_reader import BookReader
from adapters.reports.journal_csv import journal_csv
from application.close_day import not_over, out_of_order
from application.command import Refused
from application.ports import Clock, Unavailable
from domain.aggregates import closing
from domain.aggregates.closing import NONE_BEFORE, DayClosed
from domain.books.bank import Expected
from domain.books.chart import CHART, EXPENSE, INCOME
from domain.books.days import TIMEZONE, clock_day, days_from, next_day
from domain.books.running import Running
from projections.books import NAME
from projections.guarded import Guarded
from projections.ports import Unreadable

NAME_OF_CLOSINGS: Final = "ticketrestaurant/closing"
"""What signed records are of; the issuer follows."""
CLOCK_US: Final = 5 * 60 * 1_000_000
"""A day is closed so long after it ended: the clock may be set back that far meanwhile."""
CaughtUp = Callable[[], bool]
_BEHIND_S: Final = 5.0
_T = TypeVar("_T")


class LedgerBooks:
    """`adapters.backend.book_ports.Books`."""

    def __init__(
        self,
        reader: BookReader,
        guarded: Guarded,
        caught_up: CaughtUp,
        clock: Clock,
        issuer: UUID,
        signers: Callable[[], Sequence[Signer]],
    ) -> None:
        """`caught_up` waits until the projection holds what was committed before; `signers`: every
        generation of LOG, the first one first."""
        self._reader = reader
        self._guarded = guarded
        self._caught_up = caught_up
        self._clock = clock
        self._name = f"{NAME_OF_CLOSINGS}/{issuer}"
        self._signers = signers

    def trial_balance(self, at: int | date | None) -> dict[str, Any]:
        """See the port."""
        reader = self._reader

        def read() -> Running:
            if isinstance(at, date):
                return reader.at_day(at)
            head = reader.head()
            if at is not None and at > head:
                raise Denied("no-such-position", f"The log ends with event {head:,}.")
            return reader.at_position(head if at is None else at)

        books = self._read(read)
        closed_upto = max((each.position for each in self._read(reader.closings)), default=-1)
        return {
            "position": books.position,
            "day": at.isoformat() if isinstance(at, date) else books.day,
            "timezone": TIMEZONE,
            "postings": books.events,
            "closed": 0 < books.position <= closed_upto,
            "accounts": [
                {
                    "code": account.code,
                    "name": account.name,
                    "type": account.type,
                    "currency": account.currency,
                    "balance_cents": cents,
                }
                for account, cents in zip(CHART, books.of_chart().values(), strict=True)
            ],
            "sum_cents": books.sum_cents,
        }

    def profit(self, first: date, last: date) -> dict[str, Any]:
        """See the port."""
        before = self._read(lambda: self._reader.at_day(days_from(first, -1))).of_chart()
        after = self._read(lambda: self._reader.at_day(last)).of_chart()
        of_type: dict[str, Rows] = {INCOME: [], EXPENSE: []}
        profit_cents = 0
        for account in CHART:
            if account.type in of_type:
                change_cents = after[account.code] - before[account.code]
                profit_cents -= change_cents
                # Income stands on the credit side; people read both as amounts above zero.
                shown = -change_cents if account.type == INCOME else change_cents
                of_type[account.type].append(
                    {"code": account.code, "name": account.name, "amount_cents": shown}
                )
        return {
            "from": first.isoformat(),
            "to": last.isoformat(),
            "timezone": TIMEZONE,
            "income": of_type[INCOME],
            "expense": of_type[EXPENSE],
            "profit_cents": profit_cents,
        }

    def closings(self) -> Rows:
        """See the port."""
        found = self._read(self._reader.closings)
        rows, previous = [], NONE_BEFORE
        for each in found:
            rows.append({**_shown(each), "fault": self._fault(each, previous)})
            previous = each.sha256
        return rows

    def _fault(self, closed: DayClosed, previous: str) -> str:
        """Why a closing is not what it should be, "" where it is."""
        balances = {each.code: each.balance_cents for each in closed.balances}
        text = self._record(closed.day, closed.position, closed.postings, balances, closed.previous)
        keys = tuple(signer.key for signer in self._signers())
        try:
            signed = verified_text(closed.note, keys)
        except BadNote:
            return "not signed by the log's key"
        if signed != text or closing.hash_of(text) != closed.sha256:
            return "the signed record says something else"
        if closed.previous != previous:
            return "does not follow the closing before"
        books = self._read(lambda: self._reader.at_position(closed.position)).of_chart()
        # Accounts that the chart got later were at zero then.
        if {code: cents for code, cents in books.items() if cents or code in balances} != balances:
            return "the books of then come to other balances"
        return ""

    def journal(self, first: date, last: date) -> Iterable[str]:
        """See the port."""
        pieces = journal_csv(self._reader.journal(first, last))
        return self._guarded.pieces(NAME, self._told_pieces(pieces))

    def open_day(self, day: date) -> OpenDay | None:
        """See the port."""
        wanted = day.isoformat()
        closings = self._read(self._reader.closings)
        last = closings[-1] if closings else None
        if last is not None and last.day >= wanted:
            return None
        following = next_day(last.day) if last is not None else self._read(self._reader.first_day)
        if not following:
            raise Denied(
                "no-postings", "The books have no postings yet: there is nothing to close."
            )
        _deny(out_of_order(following, wanted))
        if clock_day(self._clock.now_us() - CLOCK_US) <= wanted:
            _deny(not_over(wanted))
        if not self._caught_up():
            raise Unavailable("the books, which are being built")
        books = self._read(lambda: self._reader.at_day(day))
        balances = books.of_chart()
        previous = last.sha256 if last is not None else NONE_BEFORE
        text = self._record(wanted, books.position, books.events, balances, previous)
        return OpenDay(wanted, books.position, books.events, balances, previous, text)

    def sign(self, text: str) -> str:
        """See the port."""
        return sign_text(text, self._signers())

    def expected(self, first: date, last: date) -> tuple[int, list[Expected]]:
        """See the port. The version first: what is read afterwards is at least as new."""
        version = self._reader.reconciled_version()
        if not self._caught_up():
            raise Unavailable("the books, which are being built")
        return version, self._read(lambda: self._reader.expected(first, last))

    def _record(
        self, day: str, position: int, postings: int, balances: dict[str, int], previous: str
    ) -> str:
        return closing.record(
            self._name,
            day=day,
            timezone=TIMEZONE,
            position=position,
            postings=postings,
            balances=balances,
            previous=previous,
        )

    def _read(self, read: Callable[[], _T]) -> _T:
        with _told():
            return self._guarded.read(NAME, read)

    def _told_pieces(self, pieces: Iterable[str]) -> Iterator[str]:
        with _told():
            yield from pieces


def ledger_books(views: LedgerViews, hsm: Hsm, clock: Clock, issuer: UUID) -> LedgerBooks:
    """The books over the read side of the ledger."""

    def signers() -> list[Signer]:
        first = Signer(hsm.log_public_key(), hsm.sign_log)
        return [first, *newer_log_keys(hsm)]

    return LedgerBooks(
        views.books,
        views.guarded,
        lambda: views.caught_up(NAME, _BEHIND_S),
        clock,
        issuer,
        signers,
    )


@contextlib.contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except Unreadable as error:
        text = f"{error} cannot be read. Run `audit verify`."
        raise Denied("not-as-written", text) from None


def _deny(refused: Refused | None) -> None:
    if refused is not None:
        raise Denied(refused.code, refused.text)


def _shown(closed: DayClosed) -> dict[str, Any]:
    return {
        "day": closed.day,
        "timezone": closed.timezone,
        "position": closed.position,
        "postings": closed.postings,
        "closed_us": closed.recorded_at_us,
        "closed_by": closed.actor,
        "sha256": closed.sha256,
        "note": closed.note,
    }
