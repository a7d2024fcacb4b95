"""CA-ROOT is followed by another in a real token: whole, or gone on with after a crash."""

import shutil
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from uuid import uuid4

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp

from adapters.backend.operator_ports import Denied
from adapters.ceremony.desk import Abandoned
from adapters.ceremony.new_root_holding import who_comes
from adapters.hsm import authority_certificates, roots
from adapters.hsm.authority import Authority, establish
from adapters.hsm.installation import ROOTS_FILE, certified, write_roots
from adapters.hsm.keys import Hsm
from adapters.hsm.provision import open_token, provision
from adapters.hsm.roots import Roots
from adapters.hsm.token import Token
from adapters.hsm.validation import Validation
from adapters.key_rotation import KeyRotation, use_roots
from protocol.certificates import Trust
from protocol.roots import read_told, taken_up
from tests.integration.hsm.test_validation import Known
from tests.unit.ceremony.new_root_hall import House

PIN = "a test's PIN"
URL = "http://127.0.0.1:1"
_DER = Encoding.DER


@pytest.fixture
def home(tmp_path: Path) -> Path:
    provision(tmp_path, PIN)
    writable = open_token(tmp_path, PIN, writable=True)
    write_roots_of(tmp_path, establish(writable, validation_url=URL))
    writable.close()
    return tmp_path


def write_roots_of(home: Path, authority: Authority) -> None:
    (home / "pki").mkdir(exist_ok=True)
    write_roots(home, authority.roots)


class Backend:
    """The part of it that rotates; opened anew as after a crash."""

    def __init__(self, home: Path) -> None:
        self.home, self.token = home, open_token(home, PIN)
        self.authority = Authority(self.token, validation_url=URL)
        self.trust = Trust()
        use_roots(home, self.authority.roots, self.trust)
        hsm = cast(Hsm, SimpleNamespace(token=self.token))
        none = cast(Any, None)
        self.rotation = KeyRotation(
            *(home, hsm, self.authority, none, none, none, none, none, none),
            lambda: use_roots(home, self.authority.roots, self.trust),
        )

    def leaf(self) -> list[bytes]:
        key = ec.generate_private_key(ec.SECP256R1()).public_key()
        return self.authority.chain_der(self.authority.issue_leaf(key, uuid4(), "pos"))

    def roots(self) -> int:
        return len(x509.load_pem_x509_certificates((self.home / ROOTS_FILE).read_bytes()))


@pytest.fixture
def backend(home: Path) -> Iterator[Backend]:
    made = Backend(home)
    yield made
    made.token.close()


def now_ms() -> int:
    return int(datetime.now(UTC).timestamp() * 1000)


def test_old_and_new_are_believed_by_who_has_either_root(backend: Backend) -> None:
    authority, old_root = backend.authority, backend.authority.root
    device, before = Trust(old_root.public_bytes(_DER)), backend.leaf()
    assert authority.roots.told() == {}, "READY says nothing of roots before there is another"
    made = backend.rotation.rotate("CA-ROOT", 2)
    assert made.also == {"CA-ISSUING": 2}
    assert len(made.certificates) == 3, "root, link, issuing"
    after = backend.leaf()
    assert [len(before), len(after)] == [2, 3]
    for trust in (device, backend.trust):
        for chain in (before, after):
            assert trust.verify(chain, now_ms()).role == "pos"
    assert authority.root != old_root
    assert authority.root.subject == old_root.subject
    told = read_told(authority.roots.told()["roots"])
    assert told is not None
    now = datetime.now(UTC)
    assert taken_up([old_root], told, old_root, now) == [old_root, authority.root]
    on_record = {each.certificate.serial_number for each in certified(backend.home)}
    assert {each.serial_number for each in told.in_force + told.links} <= on_record

    with pytest.raises(Denied, match="two-roots"):
        backend.rotation.check("CA-ROOT", 3)
    authority.roots.revoked = lambda serial: serial == old_root.serial_number
    backend.trust.revoked = authority.roots.revoked
    write_roots(backend.home, authority.roots)
    assert len(backend.leaf()) == 2, "nobody needs the link any more"
    assert backend.roots() == 1
    backend.rotation.check("CA-ROOT", 3)
    again = Backend(backend.home)
    assert again.roots() == 1, "a start does not bring the old one back"
    again.token.close()


def test_where_the_first_root_had_witnesses_no_other_is_made_without(backend: Backend) -> None:
    house = House(backend.home)
    with pytest.raises(Denied, match="ceremony-needed"):
        backend.rotation.rotate("CA-ROOT", 2)
    with pytest.raises(Denied, match="other-ceremony"):
        backend.rotation.rotate("CA-ROOT", 2, "ab" * 32)
    with pytest.raises(Denied, match="no-ceremony"):
        backend.rotation.rotate("K_DB", 2, "ab" * 32)
    assert backend.roots() == 1
    house.served.known = ()  # stopped after the order, and open
    with pytest.raises(Abandoned):
        house.hold(who_comes(house.first, "Ada Ng", ["Bo Ruiz"], ["Chiara Ito", "Eun Kim"]))
    (order,) = house.served.orders
    assert backend.rotation.rotate("CA-ROOT", 2, order).also == {"CA-ISSUING": 2}
    assert backend.rotation.rotate("CA-ROOT", 2).also == {"CA-ISSUING": 2}, "it is made"


class Killed(BaseException):
    pass


@pytest.mark.parametrize("step", ["make_root", "use_newest", "make_issuing"])
def test_a_crash_leaves_the_old_root_or_is_gone_on_with(
    backend: Backend, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def killed(*_: object) -> None:
        raise Killed

    of = Roots if step == "use_newest" else Authority
    if step == "make_root":  # between the link and the certificate that completes the root
        establish_certificate = authority_certificates.establish_certificate

        def once(*arguments: Any, **more: Any) -> None:
            if str(arguments[1]) == "CA-ROOT/2":
                raise Killed
            establish_certificate(*arguments, **more)

        monkeypatch.setattr(roots, "establish_certificate", once)
    else:
        monkeypatch.setattr(of, step, killed)
    with pytest.raises(Killed):
        backend.rotation.rotate("CA-ROOT", 2)
    monkeypatch.undo()
    again = Backend(backend.home)
    whole = step != "make_root"
    assert again.token.generations.newest("CA-ROOT") == (2 if whole else 1)
    again.rotation.finish()
    assert again.token.generations.newest("CA-ISSUING") == (2 if whole else 1)
    if not whole:
        assert len(again.leaf()) == 2, "nothing has changed"
        again.rotation.rotate("CA-ROOT", 2)
    assert again.roots() == 2
    assert len(again.leaf()) == 3
    assert again.authority.roots.above(again.authority.issuing) == 2
    again.token.close()
    third = Backend(backend.home)
    third.rotation.finish()
    assert third.token.generations.newest("CA-ISSUING") == 2, "once is enough"
    third.token.close()


def test_a_rotation_that_failed_while_serving_is_gone_on_with_by_the_same_command(
    backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = Authority.make_issuing

    def full(self: Authority, generation: int) -> x509.Certificate:
        made(self, generation)
        raise OSError(28, "no space left")

    monkeypatch.setattr(Authority, "make_issuing", full)
    with pytest.raises(OSError, match="space"):
        backend.rotation.rotate("CA-ISSUING", 2)  # its certificate is by the old root
    with pytest.raises(OSError, match="space"):
        backend.rotation.rotate("CA-ROOT", 2)
    monkeypatch.undo()
    made_now = backend.rotation.rotate("CA-ROOT", 2)
    assert made_now.also["CA-ISSUING"] == 3
    assert backend.authority.roots.above(backend.authority.issuing) == 2


def test_no_root_follows_one_that_ended(backend: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    late = datetime.now(UTC) + timedelta(days=21 * 365)
    monkeypatch.setattr(backend.authority, "_clock", lambda: late)
    with pytest.raises(Denied, match="bad-request"):
        backend.rotation.rotate("CA-ROOT", 2)


@pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl here")
def test_openssl_agrees(backend: Backend, tmp_path: Path) -> None:
    old, before = backend.authority.root, backend.leaf()
    backend.rotation.rotate("CA-ROOT", 2)
    after = backend.leaf()

    def pem(name: str, *certificates: x509.Certificate) -> str:
        path = tmp_path / name
        path.write_bytes(b"".join(each.public_bytes(Encoding.PEM) for each in certificates))
        return str(path)

    def verifies(chain: list[bytes], trusted: str, *, link: bool = True) -> bool:
        leaf, *above = map(x509.load_der_x509_certificate, chain)
        above = above if link else above[:1]
        command = ["openssl", "verify", "-x509_strict", "-CAfile", trusted]
        command += ["-untrusted", pem("above.pem", *above), pem("leaf.pem", leaf)]
        return subprocess.run(command, capture_output=True).returncode == 0

    both, only_old = str(backend.home / ROOTS_FILE), pem("old.pem", old)
    only_new = pem("new.pem", backend.authority.root)
    assert verifies(before, both)
    assert verifies(after, both)
    assert verifies(after, both, link=False)
    assert verifies(before, only_old)
    assert verifies(after, only_old), "over the link"
    assert verifies(after, only_new, link=False)
    assert not verifies(after, only_old, link=False)
    assert not verifies(before, only_new)


def test_ocsp_says_revoked_of_all_under_a_retired_root(backend: Backend) -> None:
    known = Known()
    validation = Validation(backend.authority, known)
    old, before = backend.authority.root, backend.leaf()
    backend.rotation.rotate("CA-ROOT", 2)
    after = backend.leaf()

    def said(chain: list[bytes]) -> ocsp.OCSPCertStatus:
        leaf, issuing = map(x509.load_der_x509_certificate, chain[:2])
        request = ocsp.OCSPRequestBuilder().add_certificate(leaf, issuing, SHA1()).build()
        answer = validation.answer(request.public_bytes(_DER))
        return ocsp.load_der_ocsp_response(answer).certificate_status

    assert said(before) == said(after) == ocsp.OCSPCertStatus.GOOD
    known.revoke(old, "authority:root")
    assert said(before) == ocsp.OCSPCertStatus.REVOKED
    assert said(after) == ocsp.OCSPCertStatus.GOOD
    for generation in (1, 2):
        crl = x509.load_der_x509_crl(validation.crl(generation, of_root=True))
        issuer = backend.authority.roots.issuers[generation].certificate.public_key()
        assert isinstance(issuer, ec.EllipticCurvePublicKey)
        assert crl.is_signature_valid(issuer)
        assert crl.get_revoked_certificate_by_serial_number(old.serial_number) is not None
    assert validation.crl(3, of_root=True) == b""
    assert validation.root(2, link=True) and not validation.root(1, link=True)


def test_the_token_alone_tells_which_roots_there_are(backend: Backend) -> None:
    backend.rotation.rotate("CA-ROOT", 2)
    token: Token = open_token(backend.home, PIN)
    found = Roots(token)
    token.close()
    assert found.generation == 2
    assert found.all == backend.authority.roots.all
    assert found.link(2) == backend.authority.roots.link(2)
