"""Health and metrics over HTTP: what is asked for properly is answered, the rest harms nobody."""

import http.client
import json
import socket
import time
from collections.abc import Iterator

import pytest
from prometheus_client.core import Metric

from adapters.monitoring import families
from adapters.monitoring import server as monitoring
from adapters.monitoring.health import Health
from adapters.monitoring.server import AT_A_TIME, Monitor
from application.histogram import Histogram


class Subject:
    def __init__(self) -> None:
        self.health = Health()

    def check(self) -> Health:
        return self.health


@pytest.fixture
def subject() -> Subject:
    return Subject()


@pytest.fixture
def monitor(subject: Subject) -> Iterator[Monitor]:
    latency = Histogram((0.1, 1.0))
    for value in (0.05, 0.1, 0.5, 7.0):
        latency.add(value)

    def collect() -> list[Metric]:
        return [
            families.gauge("up", "Whether.", True),
            families.counters("answers", "How many.", "code", {"00": 3, "51": 1}),
            families.histogram("latency_seconds", "How long.", latency),
        ]

    found = Monitor("127.0.0.1", 0, subject.check, collect)
    found.start()
    yield found
    found.stop()


def ask(monitor: Monitor, path: str, *, method: str = "GET", host: str = "") -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", monitor.port, timeout=5)
    connection.request(method, path, headers={"Host": host} if host else {})
    response = connection.getresponse()
    return response.status, response.read().decode()


def test_metrics_are_in_the_text_format(monitor: Monitor) -> None:
    status, text = ask(monitor, "/metrics")
    assert status == 200
    for line in (
        "ticketrestaurant_up 1.0",
        'ticketrestaurant_answers_total{code="00"} 3.0',
        'ticketrestaurant_latency_seconds_bucket{le="0.1"} 2.0',
        'ticketrestaurant_latency_seconds_bucket{le="1.0"} 3.0',
        'ticketrestaurant_latency_seconds_bucket{le="+Inf"} 4.0',
        "ticketrestaurant_latency_seconds_count 4.0",
        "# TYPE ticketrestaurant_answers_total counter",
        "process_cpu_seconds_total",
    ):
        assert line in text


@pytest.mark.parametrize(
    ("health", "statuses"),
    [
        (Health(), (200, 200, 200)),
        (Health(warnings={"news": "old"}), (200, 200, 200)),
        (Health(reasons={"hsm": "gone"}), (503, 200, 503)),
        (Health(live=False, reasons={"loop": "dead"}), (503, 503, 503)),
    ],
)
def test_health_is_told_by_status_and_words(
    monitor: Monitor, subject: Subject, health: Health, statuses: tuple[int, int, int]
) -> None:
    subject.health = health
    paths = ("/health", "/health/live", "/health/ready")
    answers = [ask(monitor, path) for path in paths]
    assert tuple(status for status, _ in answers) == statuses
    body = json.loads(answers[0][1])
    assert (body["reasons"], body["warnings"]) == (health.reasons, health.warnings)


def test_a_check_that_fails_is_a_reason(subject: Subject) -> None:
    def broken() -> Health:
        raise ValueError("secret words")

    found = Monitor("127.0.0.1", 0, broken, list)
    found.start()
    try:
        status, text = ask(found, "/health")
    finally:
        found.stop()
    assert status == 503
    assert "ValueError" in text
    assert "secret words" not in text


def test_a_page_by_another_name_reads_nothing(monitor: Monitor) -> None:
    assert ask(monitor, "/health", host="evil.example")[0] == 421
    assert ask(monitor, "/health", host=f"localhost:{monitor.port}")[0] == 200


@pytest.mark.parametrize("path", ["/", "/metrics/", "/health/../metrics", "/x" * 500])
def test_other_paths_are_not_there(monitor: Monitor, path: str) -> None:
    assert ask(monitor, path)[0] == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "TRACE"])
def test_other_methods_are_refused(monitor: Monitor, method: str) -> None:
    assert ask(monitor, "/metrics", method=method)[0] in (405, 501)


@pytest.mark.parametrize(
    "garbage",
    [
        b"\0" * 100 + b"\r\n\r\n",
        b"GET\r\n\r\n",
        b"x" * 200_000,
        b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 5_000,
    ],
)
def test_garbage_harms_nobody(monitor: Monitor, garbage: bytes) -> None:
    with socket.create_connection(("127.0.0.1", monitor.port), timeout=5) as peer:
        try:
            peer.sendall(garbage)
            peer.recv(100)
        except OSError:
            pass
    assert ask(monitor, "/health")[0] == 200


def test_slow_senders_are_cut_off_and_many_are_not_let_in(
    monitor: Monitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(monitoring._Handler, "timeout", 0.5)
    address = ("127.0.0.1", monitor.port)
    slow = [socket.create_connection(address, timeout=5) for _ in range(AT_A_TIME + 2)]
    started_s = time.monotonic()
    assert all(peer.recv(10) == b"" for peer in slow)
    assert time.monotonic() - started_s < 4
    for peer in slow:
        peer.close()
    assert ask(monitor, "/health")[0] == 200


def test_a_port_that_is_taken_is_no_reason_not_to_serve(
    monitor: Monitor, subject: Subject, caplog: pytest.LogCaptureFixture
) -> None:
    second = Monitor("127.0.0.1", monitor.port, subject.check, list)
    second.start()
    second.stop()
    assert "no health and metrics at" in caplog.text
