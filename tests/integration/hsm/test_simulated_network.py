"""The simulated network: calls of many threads overlap on their way, and none waits for ever."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from adapters.hsm.keys import Hsm
from adapters.hsm.provision import open_token
from adapters.hsm.simulated_network import delayed
from adapters.hsm.token import Token
from tests.integration.hsm.conftest import PIN

DELAY_MS = 50
THREADS = 8
ENDED_S = 20


@pytest.fixture
def far(installed: Path) -> Iterator[Token]:
    token = open_token(installed, PIN, sessions=delayed(DELAY_MS))
    yield token
    token.close()


def test_threads_that_search_for_their_key_first_do_not_wait_for_ever(far: Token) -> None:
    hsm, found = Hsm(far), list[bytes]()

    def ask() -> None:
        found.append(hsm.index("pan", "9840001234567890"))

    for _ in range(2):  # with sessions that know no handle yet, and with those that do
        threads = [threading.Thread(target=ask, daemon=True) for _ in range(THREADS)]
        begin = time.monotonic()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(ENDED_S)
            assert not thread.is_alive()
    assert len(found) == 2 * THREADS
    assert len(set(found)) == 1
    # The second time every call waits once, all of them together.
    assert time.monotonic() - begin < THREADS * DELAY_MS / 1000
