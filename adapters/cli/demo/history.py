"""The auditor's replay of Ana's card, held against what happened to it in the story."""

import json
from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

from adapters.cli.demo.town import Terminal
from domain.answers import dollars

HISTORY: Final = (
    ("cardholder.registered", "operator"),
    ("account.opened", "operator"),
    ("card.issued", "operator"),
    ("card.pin_set", "operator"),
    ("account.credited", "operator"),
    ("transaction.authorized", "pos"),  # lunch, with PIN
    ("account.debited", "pos"),
    ("transaction.declined", "pos"),  # forged: 63
    ("transaction.declined", "pos"),  # too much: 51
    ("transaction.authorized", "pos"),  # sent twice
    ("account.debited", "pos"),
    ("transaction.authorized", "pos"),  # not heard
    ("account.debited", "pos"),
    ("transaction.reversed", "pos"),
    ("account.debit_reversed", "pos"),
    ("transaction.corrected", "operator"),
    ("account.debit_corrected", "operator"),
)
"""What happened to Ana's stripe card, and at whose hand."""
_COMPENSATING: Final = ("transaction.corrected", "account.debit_")
_WHO_WIDTH: Final = 13


class History:
    """The lines of `audit history --json`."""

    def __init__(
        self, lines: Sequence[dict[str, Any]], pos: Terminal, timezone: ZoneInfo, home: Path
    ) -> None:
        self.lines = lines
        self._names = {
            **{_operator_id(home, name): name for name in ("operator-1", "operator-2")},
            pos.id: f"POS {pos.label}",
        }
        self._timezone = timezone

    def faults(self, wanted: Sequence[tuple[str, str]], balance_cents: int) -> list[str]:
        """Every way in which the lines are not what happened; none, ideally."""
        return [*self._wrong_events(wanted), *self._wrong_balances(balance_cents)]

    def in_words(self) -> Iterator[str]:
        """The lines for people: event, when, who, what; then before → after."""
        for line in self.lines:
            at = datetime.fromtimestamp(line["at_us"] / 1e6, self._timezone)
            corrects = f" (corrects {line['corrects']})" if line["corrects"] else ""
            place = f"{line['position']:>6}  {at:%H:%M:%S}  {self._who(line):<{_WHO_WIDTH}}"
            yield f"{place}{line['what'].rstrip('.')}{corrects}"
            changes = ", ".join(f"{each['what']} {_change(each)}" for each in line["changes"])
            if changes:
                yield " " * len(place) + changes

    def _who(self, line: dict[str, Any]) -> str:
        role, _, rest = line["who"].partition(":")
        subject = rest.partition(":")[0]
        return self._names.get(subject, f"{role} {subject}")

    def _wrong_events(self, wanted: Sequence[tuple[str, str]]) -> Iterator[str]:
        found = [(line["topic"].partition("/")[0], self._role(line)) for line in self.lines]
        if found != list(wanted):
            missing = [topic for topic, _ in wanted if topic not in {name for name, _ in found}]
            yield f"not the events that happened; missing: {', '.join(missing) or 'none'}"
        for line in self.lines:
            if not line["at_us"] or not line["who"]:
                yield f"event {line['position']} does not say who and when"
            compensates = line["topic"].startswith(_COMPENSATING)
            if compensates and not line["corrects"]:
                yield f"event {line['position']} does not name the event that it corrects"

    def _role(self, line: dict[str, Any]) -> str:
        """The role, of those alone who took part in this run."""
        role, _, rest = str(line["who"]).partition(":")
        return role if rest.partition(":")[0] in self._names else f"foreign {role}"

    def _wrong_balances(self, balance_cents: int) -> Iterator[str]:
        """Each balance begins where the one before ended, and the last is the account's."""
        changes = [
            change
            for line in self.lines
            for change in line["changes"]
            if change["what"] == "balance"
        ]
        for one, next_ in pairwise(changes):
            if one["after"] != next_["before"]:
                yield f"a balance of {one['after']} cents becomes {next_['before']} by no event"
        if not changes or changes[-1]["after"] != balance_cents:
            yield f"the last balance is not {dollars(balance_cents)}"


def _change(change: dict[str, Any]) -> str:
    shown = [_value(change[side], change["unit"]) for side in ("before", "after")]
    return " → ".join(shown)


def _value(value: int | str | None, unit: str) -> str:
    if value is None:
        return "–"
    return dollars(value) if unit == "cents" and isinstance(value, int) else str(value)


def _operator_id(home: Path, name: str) -> str:
    folder = home / "operators" / name
    return str(json.loads((folder / "identity.json").read_text(encoding="utf-8"))["id"])
