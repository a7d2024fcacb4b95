"""What payment processors send goes to the backend as it came, and its answer back as a status."""

import threading
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.integration.web import postgres
from tests.integration.web.fake_backend import FakeBackend
from tests.integration.web.website_process import Website, running_website

HEADERS = {"Stripe-Signature": "t=1,v1=ab"}
BODY = b'{"id": "evt_1",  "odd": "\xc3\xa9"}'


@pytest.fixture(scope="module")
def backend(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FakeBackend]:
    made = FakeBackend(tmp_path_factory.mktemp("backend"))
    yield made
    made.stop()


@pytest.fixture(scope="module")
def fed_website(
    server: postgres.Server, backend: FakeBackend, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Website]:
    folder = tmp_path_factory.mktemp("website")
    with running_website(server.dsn, folder, identity=backend.identity_folder) as website:
        backend.listen()
        backend.wait_connected()
        yield website


def send(website: Website, path: str = "/webhooks/stripe", **changes: Any) -> httpx.Response:
    facts: dict[str, Any] = {"content": BODY, "headers": HEADERS, "timeout": 30}
    return httpx.post(website.url + path, **(facts | changes))


@pytest.mark.parametrize(
    ("verb", "answer", "status"),
    [
        ("STATUS", {"state": "done", "result": {"outcome": "paid"}}, 200),
        ("ERROR", {"code": "forged-webhook", "text": "no"}, 400),
        ("ERROR", {"code": "no-processor", "text": "no"}, 404),
        ("ERROR", {"code": "unavailable", "text": "no"}, 503),
        ("ERROR", {"code": "internal", "text": "no"}, 503),
    ],
)
def test_the_backends_word_is_the_status(
    backend: FakeBackend, fed_website: Website, verb: str, answer: dict[str, Any], status: int
) -> None:
    asked: list[dict[str, Any]] = []
    thread = threading.Thread(target=lambda: asked.append(backend.answer_command(verb, answer)))
    thread.start()
    assert send(fed_website).status_code == status
    thread.join(10)
    (told,) = asked
    assert (told["processor"], told["signature"]) == ("stripe", "t=1,v1=ab")
    assert told["raw"] == BODY, "not a byte changed"


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"path": "/webhooks/other"}, 404),
        ({"headers": {}}, 400),
        ({"headers": {"Stripe-Signature": "x" * 1_001}}, 400),
        ({"content": b"x" * 30_001}, 413),
    ],
)
def test_what_nobody_may_send_goes_nowhere(
    fed_website: Website, changes: dict[str, Any], status: int
) -> None:
    assert send(fed_website, **changes).status_code == status
    assert httpx.get(fed_website.url + "/webhooks/stripe").status_code == 405


def test_without_a_backend_the_processor_is_told_to_send_again(
    backend: FakeBackend, fed_website: Website
) -> None:
    backend.away()
    answer = send(fed_website)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "30")
