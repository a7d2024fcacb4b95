"""A certificate that was replaced is refused after its window, wherever the replacement was cut."""

import asyncio
from pathlib import Path
from typing import Any, cast

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from adapters.cli import tls_rotating
from adapters.cli.operator_link import Operator
from adapters.tls_rotation import SUPERSEDED_FILE, SupersededList, WatchedTls
from devices.durable import write_durably
from protocol.encoding import b64, unb64
from tests.unit.devices.authority import Authority

CLASSES = ("gateway", "backend", "website", "pos", "card")


class OperatorDouble:
    """Certifies what is asked, as the backend does once it was approved: a key once."""

    def __init__(self, authority: Authority) -> None:
        self._authority = authority
        self._issued: dict[str, x509.Certificate] = {}

    async def command(self, verb: str, body: dict[str, Any]) -> dict[str, Any]:
        (asked,) = body["requests"]
        key = x509.load_der_x509_csr(unb64(asked["csr"])).public_key()
        assert isinstance(key, ec.EllipticCurvePublicKey)
        known = str(key.public_numbers())
        if known not in self._issued:
            self._issued[known] = self._authority.tls_certificate(key, asked["holder"])
        chain = (self._issued[known], self._authority.tls_root)
        shown = [b64(each.public_bytes(Encoding.DER)) for each in chain]
        return {"certificates": [{"holder": asked["holder"], "certificate": shown}]}


class Machine:
    """A state folder with the TLS files of all classes."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.authority = Authority(home)
        self.operator = OperatorDouble(self.authority)
        (home / "tls").mkdir()
        for name in CLASSES:
            files = self.authority.tls_files(name)
            (home / "tls" / f"{name}.pem").write_bytes(files.certificate_pem + files.key_pem)
        (home / "tls" / "ca.pem").write_bytes(files.authority_pem)

    def current(self, holder: str = "pos") -> x509.Certificate:
        pem = (self.home / "tls" / f"{holder}.pem").read_bytes()
        return x509.load_pem_x509_certificates(pem)[0]

    def rotate(self, window_s: float = 0.0) -> None:
        operator = cast(Operator, self.operator)
        told = asyncio.run(tls_rotating.certified(operator, self.home, "pos", ("pos",), ()))
        assert isinstance(told, tuple)
        asked, bundles = told
        tls_rotating.put_in_use(self.home, "pos", bundles["pos"], window_s)
        asked.forget()

    def refused(self, certificate: x509.Certificate, watched: WatchedTls | None = None) -> bool:
        """By a server that starts now, or by one that runs and looks."""
        watched = watched or WatchedTls(self.home, "gateway")
        watched.look(pytest.fail)
        der = certificate.public_bytes(Encoding.DER)
        return watched.state.superseded.refuses(der, 2**62)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


class Killed(BaseException):
    """Nothing runs after it."""


def killed_at(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    """The n-th file of a rotation is not written any more, nor is anything after it."""
    written = 0
    real = write_durably

    def write(path: Path, content: bytes) -> None:
        nonlocal written
        written += 1
        if written > count:
            raise Killed
        real(path, content)

    monkeypatch.setattr(tls_rotating, "write_durably", write)


@pytest.mark.parametrize("files", [0, 1, 2])
def test_no_certificate_that_was_replaced_is_accepted_for_good(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, files: int
) -> None:
    serving = WatchedTls(machine.home, "gateway")
    first = machine.current()
    with monkeypatch.context() as killing:
        killed_at(killing, files)
        try:
            machine.rotate()
        except Killed:
            assert files < 2
    replaced = machine.current() != first
    assert machine.refused(first) == replaced
    assert machine.refused(first, serving) == replaced, "noticed while it serves"
    assert not machine.refused(machine.current())
    second = machine.current()
    machine.rotate()
    assert machine.refused(first)
    assert machine.refused(second)
    assert not machine.refused(machine.current())


def test_a_server_that_looks_in_between_refuses_it_later(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It saw the list while the certificate was still the current one."""
    serving = WatchedTls(machine.home, "gateway")
    first = machine.current()
    real = write_durably

    def write(path: Path, content: bytes) -> None:
        if path.name == "pos.pem":
            assert not machine.refused(first, serving)
        real(path, content)

    monkeypatch.setattr(tls_rotating, "write_durably", write)
    machine.rotate()
    assert machine.refused(first, serving)


def test_the_window_is_kept(machine: Machine) -> None:
    old = machine.current().fingerprint(SHA256()).hex()
    machine.rotate(3_600.0)
    listed = SupersededList.read(machine.home)
    assert list(listed.entries) == [old]
    der = b""
    assert not listed.refuses(der, listed.entries[old].until_ms)
    assert (machine.home / "tls" / SUPERSEDED_FILE).exists()


def test_what_is_put_in_use_again_does_not_end(machine: Machine) -> None:
    """Killed before it was noted as done, the command goes on with the same certificate."""
    old = machine.current().fingerprint(SHA256()).hex()
    operator = cast(Operator, machine.operator)
    for _ in range(2):
        told = asyncio.run(tls_rotating.certified(operator, machine.home, "pos", ("pos",), ()))
        assert isinstance(told, tuple)
        tls_rotating.put_in_use(machine.home, "pos", told[1]["pos"], 0.0)
    assert list(SupersededList.read(machine.home).entries) == [old]
