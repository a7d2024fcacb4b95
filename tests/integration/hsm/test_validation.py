"""What CRL and OCSP say: of individuals, of authorities, and of what is below a revoked one."""

import subprocess
from collections.abc import Collection
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp

from adapters.backend.revocations import Issued, Revoked
from adapters.hsm.authority import Authority, establish
from adapters.hsm.certification_request import AuthorityRevoked, RequestRefused
from adapters.hsm.installation import BACKEND_CERTIFICATE
from adapters.hsm.provision import open_token, provision
from adapters.hsm.validation import Validation
from adapters.own_certificates import OwnCertificates
from tests.integration.hsm.conftest import PIN

URL = "http://127.0.0.1:7383"
FAR_US = 4_000_000_000_000_000
SHA1_OID, MD5_OID = bytes.fromhex("2b0e03021a"), bytes.fromhex("2a864886f70d0205")


class Known:
    """A ledger that has everything; `revoke` ends one."""

    def __init__(self) -> None:
        self.revoked: dict[int, Revoked] = {}

    def revoke(self, certificate: x509.Certificate, role: str) -> None:
        serial, now_us = certificate.serial_number, int(datetime.now(UTC).timestamp() * 1e6)
        self.revoked[serial] = Revoked(serial, now_us, "keyCompromise", FAR_US, role)

    def is_issued(self, serial: int) -> bool:
        return True

    def is_revoked(self, serial: int) -> bool:
        return serial in self.revoked

    def only_under(self, issuers: Collection[bytes], now_us: int) -> list[Issued]:
        return []

    def get(self, serial: int) -> Revoked | None:
        return self.revoked.get(serial)

    def all(self) -> list[Revoked]:
        return list(self.revoked.values())


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    home = tmp_path_factory.mktemp("validation")
    provision(home, PIN)
    return establish(open_token(home, PIN, writable=True), validation_url=URL)


@pytest.fixture(scope="module")
def leaf(authority: Authority) -> x509.Certificate:
    return authority.issue_leaf(_key(), uuid4(), "pos")


def _key() -> ec.EllipticCurvePublicKey:
    return ec.generate_private_key(ec.SECP256R1()).public_key()


def _asked(leaf: x509.Certificate, issuing: x509.Certificate) -> bytes:
    builder = ocsp.OCSPRequestBuilder().add_certificate(leaf, issuing, SHA1())
    return builder.build().public_bytes(Encoding.DER)


def _der(tag: int, *parts: bytes) -> bytes:
    body = b"".join(parts)
    assert len(body) < 128
    return bytes([tag, len(body)]) + body


def _request(oid: bytes, serial: bytes) -> bytes:
    algorithm = _der(0x30, _der(6, oid), _der(5))
    named = _der(0x30, algorithm, _der(4, b"n" * 20), _der(4, b"k" * 20), _der(2, serial))
    return _der(0x30, _der(0x30, _der(0x30, _der(0x30, named))))


def test_of_a_revoked_authority_every_certificate_is_revoked(
    authority: Authority, leaf: x509.Certificate
) -> None:
    known = Known()
    validation = Validation(authority, known)
    asked = _asked(leaf, authority.issuing)
    good = ocsp.load_der_ocsp_response(validation.answer(asked))
    assert good.certificate_status is ocsp.OCSPCertStatus.GOOD
    known.revoke(authority.issuing, "authority:issuing")
    answer = ocsp.load_der_ocsp_response(validation.answer(asked))
    assert answer.certificate_status is ocsp.OCSPCertStatus.REVOKED
    assert answer.revocation_reason is x509.ReasonFlags.ca_compromise


@pytest.mark.parametrize(
    ("oid", "serial"),
    [(SHA1_OID, b"\x81"), (SHA1_OID, b"\x00"), (SHA1_OID, b"\x7f" * 21), (MD5_OID, b"\x01")],
    ids=["negative", "zero", "too long", "MD5"],
)
def test_an_ocsp_request_that_nobody_can_answer_gets_an_ocsp_error(
    authority: Authority, oid: bytes, serial: bytes
) -> None:
    answer = Validation(authority, Known()).answer(_request(oid, serial))
    status = ocsp.load_der_ocsp_response(answer).response_status
    assert status is ocsp.OCSPResponseStatus.MALFORMED_REQUEST


def test_a_revoked_authority_signs_no_more_certificates(authority: Authority) -> None:
    known = Known()
    known.revoke(authority.issuing, "authority:issuing")
    authority.revoked = known.is_revoked
    try:
        with pytest.raises(AuthorityRevoked, match="hsm rotate CA-ISSUING"):
            authority.issue_leaf(_key(), uuid4(), "pos")
        with pytest.raises(AuthorityRevoked):
            authority.issue_pin_key(uuid4())
    finally:
        authority.revoked = Known().is_revoked


def test_openssl_checks_the_whole_chain_by_our_lists(
    authority: Authority, leaf: x509.Certificate, tmp_path: Path
) -> None:
    known = Known()
    validation = Validation(authority, known)
    text = x509.load_der_x509_crl(validation.crl(of_root=True))
    assert text.issuer == authority.root.subject
    points = authority.issuing.extensions.get_extension_for_class(x509.CRLDistributionPoints)
    assert f"{URL}/crl/root.crl" in str(points.value)
    assert _verified(tmp_path, authority, validation, leaf) == "OK"
    known.revoke(leaf, "pos")
    assert "certificate revoked" in _verified(tmp_path, authority, validation, leaf)
    known.revoked.clear()
    known.revoke(authority.issuing, "authority:issuing")
    assert "certificate revoked" in _verified(tmp_path, authority, validation, leaf)
    assert list(x509.load_der_x509_crl(validation.crl(1))) == [], "an authority is on the root's"


def _verified(
    folder: Path, authority: Authority, validation: Validation, leaf: x509.Certificate
) -> str:
    def pem(name: str, *of: x509.Certificate | x509.CertificateRevocationList) -> str:
        (folder / name).write_bytes(b"".join(each.public_bytes(Encoding.PEM) for each in of))
        return str(folder / name)

    lists = [x509.load_der_x509_crl(validation.crl(of_root=each)) for each in (True, False)]
    command = ["openssl", "verify", "-crl_check_all", "-x509_strict"]
    command += ["-CAfile", pem("root.pem", authority.root), "-CRLfile", pem("crl.pem", *lists)]
    command += ["-untrusted", pem("issuing.pem", authority.issuing), pem("leaf.pem", leaf)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30)
    said = done.stdout + done.stderr
    return "OK" if done.returncode == 0 else said


def test_a_request_of_another_version_is_refused(authority: Authority) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    made = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).sign(key, SHA256())
    der = made.public_bytes(Encoding.DER)
    other = der.replace(b"\x02\x01\x00", b"\x02\x01\x05", 1)
    assert other != der
    with pytest.raises(RequestRefused, match="cannot be read"):
        authority.issue_leaf(other, uuid4(), "pos")


def test_a_revoked_certificate_in_use_is_warned_of_and_one_in_use_is_needed(
    authority: Authority, tmp_path: Path
) -> None:
    known = Known()
    own = OwnCertificates(tmp_path, authority, known, lambda: 0)
    (tmp_path / "pki").mkdir()
    backend = authority.issue_leaf(authority.backend_key, uuid4(), "backend")
    pem = b"".join(each.public_bytes(Encoding.PEM) for each in (backend, authority.issuing))
    (tmp_path / BACKEND_CERTIFICATE).write_bytes(pem)
    needed = own.needed()
    assert "hsm rotate BACKEND-ID" in needed[format(backend.serial_number, "x")]
    assert "hsm rotate CA-ISSUING" in needed[format(authority.issuing.serial_number, "x")]
    assert own.warnings() == {}
    known.revoke(backend, "backend")
    assert "hsm rotate BACKEND-ID" in own.warnings()["revoked"]
    assert "CA-ISSUING" not in own.warnings()["revoked"]
    known.revoke(authority.issuing, "authority:issuing")
    assert "hsm rotate CA-ISSUING, then" in own.warnings()["revoked"]
