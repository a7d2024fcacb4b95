"""What a script may rely on: the exit status of every `ticketrestaurant` command."""

from typing import Final

OK: Final = 0
REFUSED: Final = 1
"""The business said no (not enough money, no such card, …): asking again changes nothing."""
USAGE: Final = 2
"""The command line is wrong: an option, a file, an id or another field that is malformed or out of
range, also where only the backend sees that. Well formed ids of nothing are REFUSED."""
NOT_RUNNING: Final = 3
"""A server does not run or cannot be reached: trying later may help."""
INTEGRITY_BROKEN: Final = 4
"""The log is not what was written: an event was changed, lost, moved or added."""
CONFIGURATION: Final = 5
"""A setting, a file, a folder or an installed part is wrong or missing."""
WAITING: Final = 6
"""Taken note of, and a person has to decide: give the same command again later."""

TABLE: Final = (
    "Exit status: 0 done, 1 refused by the business, 2 wrong usage, 3 a server is not running or "
    "not reachable, 4 the log's integrity is broken, 5 wrong or missing configuration, 6 a person "
    "has to decide first."
)
