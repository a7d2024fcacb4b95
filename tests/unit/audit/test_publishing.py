"""Checkpoints leave the machine: to a folder and over real HTTPS, whatever the other end does."""

import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from adapters.audit import publishing
from adapters.audit.note import Checkpoint, sign, verify
from adapters.audit.places import FolderPlace, HttpsPlace, places
from adapters.audit.publishing import NotPublished, Place, Placed, Publisher, read_placed
from adapters.composition import log_to_stderr
from adapters.settings import Settings
from tests.unit.audit.https_server import Witness, drip, elsewhere, endless, serving
from tests.unit.audit.log_double import KEY, ORIGIN

NOW_US = 1_795_521_600_000_000


def note(size: int, origin: str = ORIGIN) -> str:
    return sign(Checkpoint(origin, size, bytes(32)), KEY.public_key(), KEY.sign)


def until(true: Callable[[], Any], seconds: float = 10) -> None:
    deadline_s = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline_s
        time.sleep(0.01)


@pytest.fixture
def witness(tmp_path: Path) -> Iterator[Witness]:
    with serving(tmp_path) as witness:
        yield witness


def https(witness: Witness, **more: Any) -> HttpsPlace:
    options: dict[str, Any] = {"ca_file": witness.ca_file, "every_s": 0.01}
    return HttpsPlace(witness.url, **{**options, **more})


class Publishing:
    """A publisher that is stopped at the end of the test."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.publisher: Publisher | None = None

    def to(self, *chosen: Place) -> Publisher:
        self.publisher = Publisher(chosen, self.file, lambda: NOW_US)
        self.publisher.start()
        return self.publisher


@pytest.fixture
def publishing_(tmp_path: Path) -> Iterator[Publishing]:
    made = Publishing(tmp_path / "run" / "published.json")
    yield made
    if made.publisher is not None:
        made.publisher.stop()


@pytest.mark.parametrize("method", ["PUT", "POST"])
def test_a_note_arrives_as_it_was_signed(witness: Witness, method: str) -> None:
    https(witness, method=method).publish(note(7), 10)
    assert witness.got == [(method, "/log", note(7))]
    assert witness.headers[0]["Content-Type"] == "text/plain; charset=utf-8"
    assert "Authorization" not in witness.headers[0]


def test_a_token_goes_along_and_is_shown_nowhere(witness: Witness, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("s3cret\n")
    place = HttpsPlace(witness.url + "?key=als0secret", ca_file=witness.ca_file, token_file=token)
    place.publish(note(7), 10)
    assert witness.headers[0]["Authorization"] == "Bearer s3cret"
    assert place.name == witness.url
    for text in ("", "two\nlines", "\x7f"):
        token.write_text(text)
        with pytest.raises(NotPublished, match="holds no token"):
            place.publish(note(7), 10)
    token.unlink()
    with pytest.raises(NotPublished, match="cannot be read"):
        place.publish(note(7), 10)


def test_the_backends_log_does_not_hold_an_address_in_full(
    witness: Witness, caplog: pytest.LogCaptureFixture
) -> None:
    """Its query may be the password, and the library that sends would write it down."""
    library = logging.getLogger("httpx")
    before = library.level
    try:
        log_to_stderr()
        caplog.set_level(logging.INFO)
        HttpsPlace(witness.url + "?key=als0secret", ca_file=witness.ca_file).publish(note(7), 10)
    finally:
        library.setLevel(before)
    assert witness.got
    assert "als0secret" not in caplog.text


def test_only_the_authority_of_the_settings_is_trusted(witness: Witness, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    with serving(other) as stranger:
        for wrong in (https(stranger, ca_file=witness.ca_file), https(stranger, ca_file=None)):
            with pytest.raises(NotPublished, match="its certificate is refused"):
                wrong.publish(note(7), 10)
        assert stranger.got == []
    with pytest.raises(NotPublished, match="holds no certificates"):
        https(witness, ca_file=tmp_path / "missing").publish(note(7), 10)


def test_a_certificate_for_another_name_is_refused(tmp_path: Path) -> None:
    with (
        serving(tmp_path, "witness.example") as witness,
        pytest.raises(NotPublished, match="certificate is refused"),
    ):
        https(witness).publish(note(7), 10)


@pytest.mark.parametrize("status", [301, 403, 404, 500, 503])
def test_only_2xx_is_success(witness: Witness, status: int) -> None:
    witness.status = status
    with pytest.raises(NotPublished, match=f"HTTP {status}"):
        https(witness).publish(note(7), 10)


def test_a_redirect_is_not_followed(witness: Witness) -> None:
    witness.behave = elsewhere
    with pytest.raises(NotPublished, match="HTTP 307"):
        https(witness).publish(note(7), 10)
    assert len(witness.got) == 1


def test_an_answer_without_end_is_not_read(witness: Witness) -> None:
    witness.behave = endless
    started_s = time.monotonic()
    https(witness).publish(note(7), 10)
    assert time.monotonic() - started_s < 5


def test_who_drips_or_says_nothing_holds_nobody_for_long(witness: Witness) -> None:
    witness.behave = drip
    started_s = time.monotonic()
    with pytest.raises(NotPublished, match="in time"):
        https(witness).publish(note(7), 0.5)
    with socket.create_server(("127.0.0.1", 0)) as silent:  # accepts, and does no handshake
        place = HttpsPlace(f"https://127.0.0.1:{silent.getsockname()[1]}/")
        with pytest.raises(NotPublished, match="in time"):
            place.publish(note(7), 0.5)
    assert time.monotonic() - started_s < 5


def test_who_is_not_there_or_speaks_no_tls(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

        def talk() -> None:
            connection, _ = server.accept()
            connection.sendall(b"SSH-2.0-hello\r\n")
            connection.close()

        thread = threading.Thread(target=talk)
        thread.start()
        with pytest.raises(NotPublished, match="no TLS connection"):
            HttpsPlace(f"https://127.0.0.1:{port}/").publish(note(7), 5)
        thread.join()
    with pytest.raises(NotPublished, match="nobody listens"):
        HttpsPlace(f"https://127.0.0.1:{port}/").publish(note(7), 5)


def test_trouble_is_retried_told_once_and_shown(
    witness: Witness,
    publishing_: Publishing,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(publishing, "LONGEST_PAUSE_S", 0.05)
    witness.status = 503
    with caplog.at_level(logging.INFO):
        publisher = publishing_.to(https(witness))
        publisher.offer(note(7))
        until(lambda: len(witness.got) >= 4)
        (placed,) = read_placed(publishing_.file)
        assert placed == Placed(name=witness.url, trouble="it answered HTTP 503", since_us=NOW_US)
        publisher.offer(note(9))
        witness.status = 500
        until(lambda: publisher.placed[0].trouble == "it answered HTTP 500")
        witness.status = 200
        until(lambda: read_placed(publishing_.file)[0].events == 9)  # told after it is so
    assert read_placed(publishing_.file) == [
        Placed(name=witness.url, events=9, published_us=NOW_US)
    ]
    said = [record.message for record in caplog.records if record.name == publishing.__name__]
    assert said == [
        f"checkpoints are not published to {witness.url}: it answered HTTP 503",
        f"checkpoints are not published to {witness.url}: it answered HTTP 500",
        f"checkpoints are published to {witness.url} again",
    ]


def test_the_newest_wins_and_nobody_waits(witness: Witness, publishing_: Publishing) -> None:
    hold = threading.Event()

    def slow(handler: Any) -> None:
        hold.wait(10)
        handler.send_response(200)
        handler.end_headers()

    witness.behave = slow
    publisher = publishing_.to(https(witness))
    publisher.offer(note(1))
    until(lambda: witness.got)
    started_s = time.monotonic()
    for size in range(2, 10_002):
        publisher.offer("" if size < 10_001 else note(size))
    assert time.monotonic() - started_s < 1
    hold.set()
    until(lambda: publisher.placed[0].events == 10_001)
    assert witness.bodies() == [note(1), note(10_001)]


def test_a_place_that_hangs_does_not_hold_up_another(
    witness: Witness, publishing_: Publishing, tmp_path: Path
) -> None:
    witness.behave = drip
    publisher = publishing_.to(https(witness), FolderPlace(tmp_path / "else", KEY.public_key()))
    publisher.offer(note(5))
    until(lambda: publisher.placed[1].events == 5)
    assert publisher.placed[0].events == -1


def test_the_last_note_is_published_at_the_end(witness: Witness, publishing_: Publishing) -> None:
    publisher = publishing_.to(https(witness, every_s=60.0))
    publisher.offer(note(1))
    until(lambda: witness.got)
    publisher.offer(note(2))
    started_s = time.monotonic()
    publisher.stop()
    assert time.monotonic() - started_s < 5
    assert witness.bodies() == [note(1), note(2)]


def test_a_folder_holds_what_a_verifier_needs(tmp_path: Path) -> None:
    path = tmp_path / "elsewhere"
    place = FolderPlace(path, KEY.public_key())
    for size in (5, 6):
        place.publish(note(size), 1)
    assert verify((path / "checkpoint").read_text(), KEY.public_key()).size == 6
    assert note(5) in (path / "history").read_text()
    assert (path / "log.pub").read_text().startswith("-----BEGIN PUBLIC KEY-----")
    assert all(each.stat().st_mode & 0o777 == 0o644 for each in path.iterdir())


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(NotPublished, match="No such file"):
        FolderPlace(tmp_path / "not" / "mounted", KEY.public_key()).publish(note(5), 1)
    (tmp_path / "file").write_text("x")
    with pytest.raises(NotPublished, match="cannot be written"):
        FolderPlace(tmp_path / "file", KEY.public_key()).publish(note(5), 1)
    place = FolderPlace(tmp_path, KEY.public_key())
    (tmp_path / "checkpoint").write_text(note(9, "other.test/log"))
    with pytest.raises(NotPublished, match="another log"):
        place.publish(note(5), 1)
    (tmp_path / "checkpoint").write_bytes(b"\xff")
    with pytest.raises(NotPublished, match="not text"):
        place.publish(note(5), 1)


def test_the_settings_name_the_places(tmp_path: Path) -> None:
    settings = Settings(
        home=tmp_path, publish_folder=tmp_path / "p", publish_urls=("https://a/", "https://b/x?y")
    )
    names = [place.name for place in places(settings, KEY.public_key())]
    assert names == [str(tmp_path / "p"), "https://a/", "https://b/x"]
    assert places(Settings(home=tmp_path), KEY.public_key()) == []


def test_what_the_backend_says_is_for_nobody_else(tmp_path: Path) -> None:
    publisher = Publisher([], tmp_path / "run" / "published.json", lambda: 1)
    publisher.start()
    publisher.stop()
    assert (tmp_path / "run" / "published.json").stat().st_mode & 0o777 == 0o600


def test_what_the_backend_said_is_read_with_care(tmp_path: Path) -> None:
    file = tmp_path / "published.json"
    assert read_placed(file) == []
    for text in ("", "{}", '[{"name":1}]', "[" * 10_000):
        file.write_text(text)
        assert read_placed(file) == []
