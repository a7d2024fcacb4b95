"""What holds for every answer, whatever the pages do."""

import asyncio
from typing import Any

import pytest

from adapters.web import edge
from adapters.web.config import WebConfig
from adapters.web.edge import Edge
from adapters.web.tries import network_of

_CONFIG = WebConfig(dsn="", port=80, public_url="http://site.example")


def _ask(app: Any, *, hosts: tuple[bytes, ...] = (b"site.example",), never: bool = False) -> Any:
    """Status, headers and body of one answer; `never`: the request never arrives whole."""
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        if never:
            await asyncio.sleep(60)
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http", "method": "POST", "path": "/secret-path",
        "headers": [(b"host", host) for host in hosts],
    }  # fmt: skip
    asyncio.run(Edge(app, _CONFIG)(scope, receive, send))
    start, *rest = sent
    return start["status"], dict(start["headers"]), b"".join(part["body"] for part in rest)


async def _reads(scope: Any, receive: Any, send: Any) -> None:
    await receive()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"read"})


async def _fails(scope: Any, receive: Any, send: Any) -> None:
    raise RuntimeError("card 5089001234561234 of joe@example.com")


def test_an_answer_gets_the_headers() -> None:
    status, headers, body = _ask(_reads)
    assert (status, body) == (200, b"read")
    assert headers[b"x-frame-options"] == b"DENY"
    assert headers[b"cache-control"] == b"no-store"
    assert b"strict-transport-security" not in headers


def test_a_failure_tells_nothing(caplog: pytest.LogCaptureFixture) -> None:
    status, headers, body = _ask(_fails)
    assert status == 500
    assert headers[b"x-content-type-options"] == b"nosniff"
    for told in (body.decode(), caplog.text):
        assert "5089" not in told
        assert "joe" not in told
        assert "secret-path" not in told


def test_who_sends_too_slowly_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(edge, "READ_LIMIT_S", 0.05)
    status, _, _ = _ask(_reads, never=True)
    assert status == 408


@pytest.mark.parametrize(
    "hosts", [(), (b"evil.example",), (b"site.example", b"evil.example"), (b"\xff",)]
)
def test_only_our_own_host_is_answered(hosts: tuple[bytes, ...]) -> None:
    status, headers, _ = _ask(_reads, hosts=hosts)
    assert status == 421
    assert b"content-security-policy" in headers


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("203.0.113.9", "203.0.113.9"),
        ("::ffff:203.0.113.9", "203.0.113.9"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("not an address", "not an address"),
    ],
)
def test_an_ipv6_customer_counts_as_one(address: str, network: str) -> None:
    assert network_of(address) == network
