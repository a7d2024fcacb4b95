"""Who sends half a request and waits, or no request at all, keeps nobody else out."""

import contextlib
import socket
import time
from collections.abc import Iterator

import httpx

from tests.integration.web.website_process import Website

HALF = b"GET /login HTTP/1.1\r\nHost: "
OTHER_ADDRESS = "127.0.0.2"


@contextlib.contextmanager
def connections(website: Website, number: int) -> Iterator[list[socket.socket]]:
    with contextlib.ExitStack() as stack:
        address = ("127.0.0.1", website.port)
        yield [stack.enter_context(socket.create_connection(address)) for _ in range(number)]


def heard(connection: socket.socket, seconds: float) -> bytes:
    """Everything until the other side ends it."""
    connection.settimeout(seconds)
    text = b""
    with contextlib.suppress(ConnectionError):
        while more := connection.recv(4096):
            text += more
    return text


def status_from(address: str, website: Website) -> int:
    with httpx.Client(transport=httpx.HTTPTransport(local_address=address)) as client:
        return client.get(website.url + "/login").status_code


def test_three_hundred_halves_of_requests(website: Website) -> None:
    with connections(website, 300) as slow:
        for each in slow:
            with contextlib.suppress(ConnectionError):
                each.sendall(HALF)
        assert status_from(OTHER_ADDRESS, website) == 200, "others are served meanwhile"
        began_s = time.monotonic()
        last = heard(slow[-1], 3)
        assert b" 503 " in last or not last, "one address has so many connections and no more"
        dripping = slow[0]
        for _ in range(6):
            time.sleep(1)
            dripping.sendall(b"x")
        assert heard(dripping, 8).startswith(b"HTTP/1.1 408 ")
        assert 8 < time.monotonic() - began_s < 13
        assert status_from("127.0.0.1", website) == 200


def test_a_body_that_drips_behind_an_answer(website: Website) -> None:
    with connections(website, 1) as (one,):
        host = b"Host: 127.0.0.1:%d" % website.port
        one.sendall(b"POST /nothing HTTP/1.1\r\n%b\r\nContent-Length: 500\r\n\r\n" % host)
        ended = False
        for _ in range(15):
            time.sleep(1)
            try:
                one.sendall(b"x")
            except ConnectionError:
                ended = True
                break
        assert ended


def test_what_is_no_request_is_told_so_with_the_headers_of_the_site(website: Website) -> None:
    with connections(website, 1) as (one,):
        one.sendall(b"\x00\x01garbage\r\n\r\n")
        answer = heard(one, 5).lower()
    assert answer.startswith(b"http/1.1 400 ")
    for header in (b"content-security-policy: default-src 'none'", b"x-frame-options: deny"):
        assert header in answer
