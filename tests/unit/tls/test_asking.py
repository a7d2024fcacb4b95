"""A rotation is asked for once, waits for a second operator, and goes on with the same keys."""

import asyncio
from pathlib import Path
from typing import Any, cast

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from adapters.cli import tls_rotating
from adapters.cli.operator_link import Operator
from adapters.cli.tls_asked import ask, asked
from devices.exchange import Refused
from protocol.encoding import unb64
from tests.unit.tls.test_superseded import Machine

PROPOSAL = "01a20ada-2c00-8007-8000-000000000009"


class Backend:
    """Proposes until it is `approved`; keeps what was sent."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self.approved = False
        self.refuses = ""
        self.sent: list[dict[str, Any]] = []

    async def command(self, verb: str, body: dict[str, Any]) -> dict[str, Any]:
        self.sent.append(body)
        if self.refuses:
            raise Refused(self.refuses, "no")
        if self.approved:
            return await self._machine.operator.command(verb, body)
        return {"proposal": PROPOSAL, "status": "waiting", "summary": "x"}

    def keys(self) -> list[bytes]:
        """What was sent each time."""
        return [_key(body["requests"][0]["csr"]) for body in self.sent]


def _key(csr: str) -> bytes:
    key = x509.load_der_x509_csr(unb64(csr)).public_key()
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


@pytest.fixture
def backend(tmp_path: Path) -> Backend:
    return Backend(Machine(tmp_path))


def rotate(backend: Backend, home: Path) -> Any:
    operator = cast(Operator, backend)
    return asyncio.run(tls_rotating.certified(operator, home, "pos", ("pos",), ()))


def test_it_goes_on_with_the_key_that_was_proposed(backend: Backend, tmp_path: Path) -> None:
    assert rotate(backend, tmp_path)["status"] == "waiting"
    file = tmp_path / "tls" / "asked" / "pos.json"
    assert file.stat().st_mode & 0o777 == 0o600
    assert rotate(backend, tmp_path)["status"] == "waiting"
    backend.approved = True
    waiting, bundles = rotate(backend, tmp_path)
    assert len(set(backend.keys())) == 1
    assert [body.get("proposal") for body in backend.sent] == [None, PROPOSAL, PROPOSAL]
    assert bundles["pos"].key.public_key() == bundles["pos"].certificate.public_key()
    waiting.forget()
    assert asked(tmp_path, "pos") is None


def test_a_key_that_is_good_for_nothing_is_not_asked_with_again(
    backend: Backend, tmp_path: Path
) -> None:
    for code, keys in (("unavailable", 1), ("certificate-gone", 1), ("busy", 2)):
        backend.refuses = code
        with pytest.raises(Refused):
            rotate(backend, tmp_path)
        assert len(set(backend.keys())) == keys


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "tls").mkdir()
    ask(tmp_path, "pos", ("pos",))
    file = tmp_path / "tls" / "asked" / "pos.json"
    for content in (b"{}", b"[]", b'{"keys":{"pos":7},"proposal":""}', b"\xff"):
        file.write_bytes(content)
        with pytest.raises(ValueError, match=r"."):
            asked(tmp_path, "pos")
