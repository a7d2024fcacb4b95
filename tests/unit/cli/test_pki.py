"""`pki revoke`: who revokes one certificate hears of the holder's others."""

import asyncio
from typing import Any

from adapters.cli.pki import others_of_holders

ROWS = [
    {"holder": "ada", "serial": "1", "state": "valid"},
    {"holder": "ada", "serial": "2", "state": "valid"},
    {"holder": "ada", "serial": "3", "state": "expired"},
    {"holder": "bob", "serial": "4", "state": "valid"},
]


class Operator:
    async def rows(self, verb: str, body: dict[str, Any]) -> list[dict[str, Any]]:
        assert (verb, body["what"]) == ("QUERY", "certificates")
        of = (body["of"], body["state"])
        return [row for row in ROWS if (row["holder"], row["state"]) == of]


def others(*found: dict[str, Any]) -> list[str]:
    return asyncio.run(others_of_holders(Operator(), found))


def test_the_holders_other_valid_certificates_are_named() -> None:
    first, second, _, bobs = ROWS
    assert others(first) == ["2"]
    assert others(first, second) == []
    assert others(second, bobs) == ["1"]
    assert others({"certificate": "an id"}) == []
