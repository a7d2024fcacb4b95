"""What corrections would do, as people read it: amounts, balances, statements of shops."""

from collections.abc import Iterator, Mapping
from typing import Any

from adapters.cli.output import counted, printable
from domain.answers import dollars

SHOWN_MOST = 20


def effect_lines(effects: Mapping[str, Any]) -> Iterator[str]:
    """The effects that the backend told of, a line each; the first ones of a long file."""
    lines = effects["lines"]
    for line in lines[:SHOWN_MOST]:
        if "payment" in line:
            record = f"payment {line['payment']}"
        else:
            record = f"credit of account {line['account']} by refill {line['refill']}"
        yield record if effects["corrections"] == 1 else f"line {line['line']}: {record}"
        yield f"  amount   {change(line['amount_cents'])}"
        yield f"  balance  {change(line['balance_cents'])}"
    hidden = effects["corrections"] - min(len(lines), SHOWN_MOST)
    if hidden:
        yield f"and {counted(hidden, 'more correction')}"
    if effects["corrections"] > 1:
        yield f"all balances together: {_signed(effects['balances_change_cents'])}"
    for statement in effects.get("statements", ()):
        yield from _statement(statement)


def _statement(statement: Mapping[str, Any]) -> Iterator[str]:
    name = printable(statement["name"])
    yield f"statement of {name} for {statement['day']}: {change(statement['net_cents'])}"
    settled = statement["settled_days"]
    if settled:
        stay = f"{settled[0]} is settled and stays as it was"
        if len(settled) > 1:
            stay = f"{len(settled)} settled days stay as they were"
        yield f"  {stay}; the correction counts on {statement['day']} and names the payment"


def change(cents: Mapping[str, int]) -> str:
    """Before and after."""
    return f"{dollars(cents['before'])} → {dollars(cents['after'])}"


def _signed(cents: int) -> str:
    return f"+{dollars(cents)}" if cents > 0 else dollars(cents)
