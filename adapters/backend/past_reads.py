"""D QUERY `balance` and `projections`: an account as it once stood, and the read models."""

from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

from adapters.backend.operator_ports import Denied, Past, ReadModels, Rows
from adapters.backend.watch_commands import watch_rules
from application import fields

LISTS = ("balance", "projections", "watch-rehearsal")
DAYS_MOST = 400
_MOST = 2**63 - 1


def past_list(
    what: str, body: Mapping[str, Any], past: Past, models: ReadModels
) -> Callable[[], Rows]:
    """What gives the rows of one of LISTS. Raises Invalid, Denied."""
    if what == "projections":
        return models.rows
    if what == "watch-rehearsal":
        rules, days = watch_rules(body), fields.whole(body, "days", 1, DAYS_MOST)
        return lambda: past.rehearse_watch(rules, days)
    account_id = fields.uuid(body, "of")
    if "at_ms" in body and "position" in body:
        raise fields.Invalid("position", "or at_ms: give one of the two.")
    at_us = fields.whole(body, "at_ms", 0, 2**48 - 1) * 1000 + 999 if "at_ms" in body else None
    position = fields.whole(body, "position", 0, _MOST) if "position" in body else None

    def balance() -> Rows:
        head = past.head() if position is not None else 0
        if position is not None and position > head:
            raise fields.Invalid("position", f"the log ends at event {head:,}.")
        return _known(past.balance(account_id, at_us, position), account_id)

    return balance


def _known(rows: Rows, account_id: UUID) -> Rows:
    if not rows:
        raise Denied("no-such-account", f"There is no account {account_id}, or there was none yet.")
    return rows
