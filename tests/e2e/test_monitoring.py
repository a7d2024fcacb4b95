"""Health and metrics of the running servers, asked from outside while things happen to them."""

import asyncio
import http.client
import re
import threading
from json import loads
from pathlib import Path
from typing import Any

import pytest

from adapters.cli.health import ask_health
from tests.e2e.installation import Installation, until
from tests.e2e.tills import Tills
from tests.e2e.town import found_town

SERVERS = ("backend", "gateway", "website")
OPERATIONS = (Path(__file__).parents[2] / "docs" / "operations.md").read_text("utf-8")
_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}|\d{12,19}|\d+\.\d+\.\d+\.\d+")


def metrics(installation: Installation, name: str) -> str:
    port = getattr(installation.settings, f"{name}_monitor_port")
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    connection.request("GET", "/metrics")
    return connection.getresponse().read().decode()


def value(text: str, name: str) -> float:
    found = re.search(rf"^ticketrestaurant_{re.escape(name)} (\S+)$", text, re.MULTILINE)
    return float(found[1]) if found else 0.0


def health(installation: Installation, name: str) -> dict[str, Any]:
    port = getattr(installation.settings, f"{name}_monitor_port")
    return ask_health(f"127.0.0.1:{port}", None) or {"ready": None, "reasons": {}}


@pytest.mark.parametrize("name", SERVERS)
def test_a_server_that_serves_is_ready(installation: Installation, name: str) -> None:
    until(lambda: health(installation, name)["ready"] is True, f"{name} is ready")


def test_payments_are_counted_by_their_answer(installation: Installation) -> None:
    before = metrics(installation, "backend")
    for code in ("00", "51", "91", "96"):
        assert f'decisions_total{{code="{code}"}} ' in before, "also before there was one"
    codes = asyncio.run(_pay(installation))
    after = metrics(installation, "backend")
    for code in set(codes):
        name = f'decisions_total{{code="{code}"}}'
        assert value(after, name) - value(before, name) == codes.count(code), code
    for family in ("engine_latency_seconds_count", "hsm_latency_seconds_count"):
        assert value(after, family) > value(before, family)
    for process in ("signatures", "hsm"):
        assert value(after, f'own_process_up{{process="{process}"}}') == 1, process
    works = value(after, "batch_works_sum") - value(before, "batch_works_sum")
    assert works >= len(codes)


async def _pay(installation: Installation) -> list[str]:
    town = await found_town(installation, terminals=1, cards=1)
    async with Tills.opened(town) as tills:
        for amount in (100, 200, 999_999, 300):
            await tills.tills[0].pay(amount)
        assert (
            value(await asyncio.to_thread(metrics, installation, "backend"), 'sessions{role="pos"}')
            >= 1
        )
        return tills.tills[0].codes


@pytest.mark.parametrize("name", SERVERS)
def test_no_value_names_anybody(installation: Installation, name: str) -> None:
    lines = [line for line in metrics(installation, name).splitlines() if not line.startswith("#")]
    labels = [line.rpartition(" ")[0] for line in lines]
    assert not [label for label in labels if _ID.search(label)]


@pytest.mark.parametrize("name", SERVERS)
def test_every_metric_is_in_the_runbook(installation: Installation, name: str) -> None:
    families = re.findall(
        r"^# TYPE (ticketrestaurant_\w+)", metrics(installation, name), re.MULTILINE
    )
    assert families
    assert [each for each in families if f"`{each}`" not in OPERATIONS] == []


@pytest.mark.parametrize(
    ("victim", "asked", "reason"),
    [
        ("ledger", "backend", "database"),
        ("website_database", "website", "database"),
        ("backend", "gateway", "backend"),
    ],
)
def test_what_is_missing_is_named_until_it_is_back(
    installation: Installation, victim: str, asked: str, reason: str
) -> None:
    frozen = threading.Thread(target=installation.freeze, args=(victim, 15.0))
    frozen.start()
    until(lambda: reason in health(installation, asked)["reasons"], f"{asked} says {reason}")
    frozen.join()
    until(lambda: health(installation, asked)["ready"] is True, f"{asked} is ready again")


def test_a_token_that_is_gone_is_a_reason(installation: Installation) -> None:
    tokens = installation.home / "hsm" / "tokens"
    away = tokens.with_name("tokens.away")
    tokens.rename(away)
    try:
        until(lambda: "hsm" in health(installation, "backend")["reasons"], "the HSM is missed")
        assert value(metrics(installation, "backend"), "hsm_up") == 0
        done = installation.run("status")
        assert done.returncode == 3
        assert "✗ backend: the HSM does not answer" in done.stdout
        shown = loads(installation.run("status", "--json").stdout)["backend"]
        assert (shown["up"], shown["state"]) == (True, "not serving")
    finally:
        away.rename(tokens)
    until(lambda: health(installation, "backend")["ready"] is True, "the HSM is back")


def test_status_shows_what_the_servers_say(installation: Installation) -> None:
    shown = installation.json("status")
    for name in SERVERS:
        assert shown[name]["health"]["live"] is True
    done = installation.run("status")
    assert "! backend: no backup was ever made" in done.stdout
