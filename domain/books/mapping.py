"""Every event that carries an amount, and what it posts: the one table of the books.

A new money event gets a line in MOVES of the `of_*` file of its aggregate (or in NO_MONEY, with the
reason); `tests/unit/domain/test_books.py` fails for a topic that is in neither. A rule that is in
use is never changed: it would change days that are closed. TR-DBFS section 8 has the whole table.
"""

from domain.books import of_accounts, of_records, of_refills, of_transactions
from domain.books.bank import Expect
from domain.books.posting import Postings, Rule
from domain.event import Event

_FILES = (of_accounts, of_transactions, of_refills, of_records)

MOVES: dict[type[Event], Rule] = {}
NO_MONEY: dict[type[Event], str] = {}
for _file in _FILES:
    MOVES |= _file.MOVES
    NO_MONEY |= _file.NO_MONEY

EXPECTED: dict[type[Event], Expect] = {**of_refills.EXPECTED}
"""Which events let money be expected on a bank statement."""


def postings(event: Event) -> Postings:
    """What an event posts: balanced; nothing for one that moves no money. Total over all events."""
    rule = MOVES.get(type(event))
    return rule(event) if rule is not None else ()
