"""The smart card that opens the token: asked through a process of its own.

Drivers of smart cards hang and crash; in another process they take nothing of the backend with
them. It answers two questions only: the card's public key, and the ECDH of its private key with a
point (`card_agent.py`). It ends when its standard input does, so with this process at the latest.
"""

import contextlib
import json
import os
import select
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from adapters.hsm.token import HsmUnavailable, PinRefused

ANSWER_S: Final = 1.5
"""Within the two seconds after which a token that is not heard of counts as gone."""
FIRST_ANSWER_S: Final = 10.0
"""A new process, the driver's start and the card's log-in."""
_LONGEST_LINE: Final = 4_096


class Card:
    """A card, its P-256 key and its PIN. Methods raise HsmUnavailable, PinRefused once its
    PIN is not tried any more; any thread may call."""

    def __init__(
        self,
        module: Path,
        token_label: str,
        key_label: str,
        pin: str,
        environment: Mapping[str, str],
    ) -> None:
        """Asks nothing yet. `environment` is the card driver's."""
        self._where = {"module": str(module), "token": token_label, "key": key_label}
        self._pin = pin
        self._environment = dict(environment)
        self._lock = threading.Lock()
        self._agent: subprocess.Popen[bytes] | None = None
        self._given_up = ""

    def public_key(self) -> ec.EllipticCurvePublicKey:
        """The public half of its key."""
        point = self._ask({"ask": "public"})
        try:
            return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)
        except ValueError:
            raise HsmUnavailable(f"the card's key {self._where['key']} is not P-256") from None

    def shared_secret(self, point: bytes) -> bytes:
        """ECDH of its private key with an uncompressed point: 32 bytes."""
        return self._ask({"ask": "ecdh", "point": point.hex()})

    def check(self, key: ec.EllipticCurvePublicKey) -> None:
        """Raises HsmUnavailable unless the card that holds the private half is there now."""
        fresh = ec.generate_private_key(ec.SECP256R1())
        point = fresh.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        if self.shared_secret(point) != fresh.exchange(ec.ECDH(), key):
            raise HsmUnavailable("another smart card is in its place")

    def close(self) -> None:
        """Ends the process."""
        with self._lock:
            self._end()

    def _ask(self, question: Mapping[str, str]) -> bytes:
        with self._lock:
            if self._given_up:
                raise PinRefused(self._given_up)
            within_s = ANSWER_S
            if self._agent is None or self._agent.poll() is not None:
                self._start()
                within_s = FIRST_ANSWER_S
            answer = self._exchange(question, within_s)
            if "error" in answer:
                text = f"the smart card {self._where['token']}: {answer['error']}"
                if answer.get("final"):
                    self._given_up = text
                    raise PinRefused(text)
                raise HsmUnavailable(text)
            return bytes.fromhex(answer["value"])

    def _start(self) -> None:
        self._agent = subprocess.Popen(
            [sys.executable, "-m", "adapters.hsm.card_agent"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=self._environment,
            start_new_session=True,  # Ctrl-C is for the backend
        )
        self._write({**self._where, "pin": self._pin})

    def _exchange(self, question: Mapping[str, str], within_s: float) -> dict[str, Any]:
        self._write(question)
        assert self._agent is not None
        assert self._agent.stdout is not None
        line, until_s = b"", time.monotonic() + within_s
        while not line.endswith(b"\n"):
            left_s = until_s - time.monotonic()
            ready = left_s > 0 and select.select([self._agent.stdout], [], [], left_s)[0]
            some = os.read(self._agent.stdout.fileno(), _LONGEST_LINE) if ready else b""
            if not some or len(line) > _LONGEST_LINE:
                self._end()
                raise HsmUnavailable("the smart card does not answer")
            line += some
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _write(self, facts: Mapping[str, str]) -> None:
        assert self._agent is not None
        assert self._agent.stdin is not None
        try:
            self._agent.stdin.write(json.dumps(dict(facts)).encode() + b"\n")
            self._agent.stdin.flush()
        except OSError:
            self._end()
            raise HsmUnavailable("the smart card's process ended") from None

    def _end(self) -> None:
        agent, self._agent = self._agent, None
        if agent is not None:
            agent.kill()
            for pipe in (agent.stdin, agent.stdout):
                if pipe is not None:
                    with contextlib.suppress(OSError):
                        pipe.close()
            agent.wait()
