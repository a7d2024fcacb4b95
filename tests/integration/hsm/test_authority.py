"""The authority's certificates satisfy three verifiers, and give nobody more than is due."""

import copy
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, Hash
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from adapters.hsm.authority import Authority, establish
from adapters.hsm.certification_request import RequestRefused
from adapters.hsm.provision import open_token, provision
from adapters.hsm.token import HsmUnavailable, Token
from adapters.hsm.token_key import TokenPrivateKey
from protocol.certificates import ROLE_OID, Trust
from tests.integration.hsm.conftest import PIN

SPKI = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


@pytest.fixture
def authority(installed: Path) -> Authority:
    token = open_token(installed, PIN, writable=True)
    return establish(token)


@pytest.fixture
def key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def request_of(
    key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey,
) -> bytes:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "root of all")])
    algorithm = None if isinstance(key, ed25519.Ed25519PrivateKey) else SHA256()
    ca = x509.BasicConstraints(ca=True, path_length=None)
    return (
        x509.CertificateSigningRequestBuilder()
        .subject_name(name)
        .add_extension(ca, critical=True)
        .sign(key, algorithm)
        .public_bytes(Encoding.DER)
    )


def pem(path: Path, *certificates: x509.Certificate) -> Path:
    path.write_bytes(b"".join(each.public_bytes(Encoding.PEM) for each in certificates))
    return path


def openssl_verify(tmp_path: Path, authority: Authority, *arguments: str | Path) -> int:
    root = pem(tmp_path / "root.pem", authority.root, authority.tls)
    issuing = pem(tmp_path / "issuing.pem", authority.issuing)
    command: list[str | Path] = ["openssl", "verify", "-x509_strict"]
    command += ["-CAfile", root, "-untrusted", issuing]
    return subprocess.run([*command, *arguments], capture_output=True, timeout=30).returncode


def test_a_leaf_names_its_subject_and_role(
    authority: Authority, key: ec.EllipticCurvePrivateKey
) -> None:
    subject_id = uuid4()
    leaf = authority.issue_leaf(request_of(key), subject_id, "pos", valid_days=365)
    assert leaf.subject.rfc4514_string() == f"CN={subject_id}"
    assert leaf.public_key() == key.public_key()
    role = leaf.extensions.get_extension_for_oid(ROLE_OID)
    assert not role.critical
    assert isinstance(role.value, x509.UnrecognizedExtension)
    assert role.value.value == b"\x0c\x03pos"
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert list(names) == [x509.UniformResourceIdentifier(f"urn:uuid:{subject_id}")]
    usage = leaf.extensions.get_extension_for_class(x509.KeyUsage)
    assert usage.critical
    assert usage.value.digital_signature
    assert not usage.value.key_cert_sign
    assert 0 < leaf.serial_number < 1 << 159
    assert leaf.not_valid_after_utc - datetime.now(UTC) <= timedelta(days=365)


def test_the_protocols_own_verifier_accepts_it(
    authority: Authority, key: ec.EllipticCurvePrivateKey
) -> None:
    subject_id = uuid4()
    leaf = authority.issue_leaf(key.public_key(), subject_id, "card")
    now_ms = int(datetime.now(UTC).timestamp() * 1000)
    trust = Trust(authority.root.public_bytes(Encoding.DER))
    peer = trust.verify(authority.chain_der(leaf), now_ms)
    assert (peer.subject_id, peer.role, peer.serial) == (subject_id, "card", leaf.serial_number)


def test_cryptography_accepts_the_chain_and_not_another_root(
    authority: Authority, key: ec.EllipticCurvePrivateKey
) -> None:
    leaf = authority.issue_leaf(key.public_key(), uuid4(), "pos")
    accepting = PolicyBuilder().store(Store([authority.root])).build_client_verifier()
    assert len(accepting.verify(leaf, [authority.issuing]).chain) == 3
    refusing = PolicyBuilder().store(Store([authority.tls])).build_client_verifier()
    with pytest.raises(VerificationError):
        refusing.verify(leaf, [authority.issuing])


def test_openssl_accepts_the_chain(
    authority: Authority, key: ec.EllipticCurvePrivateKey, tmp_path: Path
) -> None:
    leaf = pem(tmp_path / "leaf.pem", authority.issue_leaf(key.public_key(), uuid4(), "pos"))
    assert openssl_verify(tmp_path, authority, "-purpose", "sslclient", leaf) == 0
    assert openssl_verify(tmp_path, authority, "-purpose", "sslserver", leaf) != 0


@pytest.mark.parametrize("tls_class", ["gateway", "backend", "website", "pos", "card"])
def test_openssl_and_cryptography_accept_the_tls_classes(
    authority: Authority, key: ec.EllipticCurvePrivateKey, tmp_path: Path, tls_class: str
) -> None:
    name = f"{tls_class}.ticketrestaurant.internal"
    made = authority.issue_tls(key.public_key(), tls_class, ("localhost", "127.0.0.1"))
    path = pem(tmp_path / "leaf.pem", made)
    for purpose in ("sslclient", "sslserver"):
        assert openssl_verify(tmp_path, authority, "-purpose", purpose, path) == 0
    for option, value in (("-verify_hostname", name), ("-verify_ip", "127.0.0.1")):
        assert openssl_verify(tmp_path, authority, option, value, path) == 0
    assert openssl_verify(tmp_path, authority, "-verify_hostname", "example.com", path) != 0
    policy = PolicyBuilder().store(Store([authority.tls]))
    policy.build_server_verifier(x509.DNSName(name)).verify(made, [])
    policy.build_client_verifier().verify(made, [])
    assert made.subject.rfc4514_string() == f"CN=TicketRestaurant US TLS {tls_class}"


def test_a_leaf_can_certify_nobody(
    authority: Authority, key: ec.EllipticCurvePrivateKey, tmp_path: Path
) -> None:
    leaf = authority.issue_leaf(request_of(key), uuid4(), "pos")
    now = datetime.now(UTC)
    forged = (
        x509.CertificateBuilder()
        .subject_name(leaf.subject)
        .issuer_name(leaf.subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(minutes=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, SHA256())
    )
    chain = pem(tmp_path / "chain.pem", leaf, authority.issuing)
    path = pem(tmp_path / "forged.pem", forged)
    assert openssl_verify(tmp_path, authority, "-untrusted", chain, path) != 0


def test_the_two_trees_share_nothing(authority: Authority) -> None:
    authorities = (authority.root, authority.issuing, authority.tls)
    assert len({each.public_key().public_bytes(*SPKI) for each in authorities}) == 3
    basic = [
        each.extensions.get_extension_for_class(x509.BasicConstraints).value.path_length
        for each in authorities
    ]
    assert basic == [1, 0, 0]


def test_a_request_must_be_signed_by_its_own_key(
    authority: Authority, key: ec.EllipticCurvePrivateKey
) -> None:
    request = bytearray(request_of(key))
    request[-1] ^= 1
    with pytest.raises(RequestRefused, match=r"own key|read"):
        authority.issue_leaf(bytes(request), uuid4(), "pos")


def test_only_p256_keys_are_certified(authority: Authority) -> None:
    for other in (
        rsa.generate_private_key(65537, 2048),
        ec.generate_private_key(ec.SECP384R1()),
        ed25519.Ed25519PrivateKey.generate(),
    ):
        with pytest.raises(RequestRefused, match="P-256"):
            authority.issue_leaf(request_of(other), uuid4(), "pos")


@pytest.mark.parametrize("request_der", [b"", b"\x30", bytes(100), b"\x30\x82" + bytes(5000)])
def test_anything_else_is_no_request(authority: Authority, request_der: bytes) -> None:
    with pytest.raises(RequestRefused):
        authority.issue_leaf(request_der, uuid4(), "pos")


@pytest.mark.parametrize(("role", "days"), [("admin", 1), ("", 1), ("pos", 0), ("pos", 10_000)])
def test_roles_and_validity_have_limits(
    authority: Authority, key: ec.EllipticCurvePrivateKey, role: str, days: int
) -> None:
    with pytest.raises(RequestRefused):
        authority.issue_leaf(key.public_key(), uuid4(), role, days)


@pytest.mark.parametrize("tls_class", ["operator", "", "evil.com"])
def test_there_are_no_other_tls_classes(
    authority: Authority, key: ec.EllipticCurvePrivateKey, tls_class: str
) -> None:
    with pytest.raises(RequestRefused):
        authority.issue_tls(key.public_key(), tls_class)


def test_nobody_else_can_be_the_backend(
    authority: Authority, key: ec.EllipticCurvePrivateKey
) -> None:
    with pytest.raises(RequestRefused, match="backend"):
        authority.issue_leaf(key.public_key(), uuid4(), "backend")
    with pytest.raises(RequestRefused, match="backend"):
        authority.issue_leaf(authority.backend_key, uuid4(), "operator")
    authority.issue_leaf(authority.backend_key, uuid4(), "backend")


def test_no_certificate_outlives_its_authority(installed: Path, authority: Authority) -> None:
    token = open_token(installed, PIN)
    key = ec.generate_private_key(ec.SECP256R1()).public_key()
    end = authority.issuing.not_valid_after_utc
    late = Authority(token, clock=lambda: end - timedelta(days=30))
    assert late.issue_leaf(key, uuid4(), "pos").not_valid_after_utc == end
    after = Authority(token, clock=lambda: end + timedelta(days=1))
    with pytest.raises(RequestRefused, match="not valid"):
        after.issue_leaf(key, uuid4(), "pos")


def test_establishing_again_finds_the_same(installed: Path, authority: Authority) -> None:
    again = establish(open_token(installed, PIN, writable=True))
    assert (again.root, again.issuing, again.tls) == (
        authority.root,
        authority.issuing,
        authority.tls,
    )


def test_a_token_without_authority_is_refused(tmp_path: Path) -> None:
    provision(tmp_path, PIN)
    with pytest.raises(HsmUnavailable, match="CA-ROOT"):
        Authority(open_token(tmp_path, PIN))


def test_the_tokens_key_signs_and_shows_nothing(token: Token) -> None:
    key = TokenPrivateKey(token, "CA-ISSUING/1")
    data = b"to be signed"
    key.public_key().verify(key.sign(data, ec.ECDSA(SHA256())), data, ec.ECDSA(SHA256()))
    digest = Hash(SHA256())
    digest.update(data)
    prehashed = ec.ECDSA(Prehashed(SHA256()))
    key.public_key().verify(key.sign(digest.finalize(), prehashed), data, ec.ECDSA(SHA256()))
    with pytest.raises(ValueError, match="SHA-256"):
        key.sign(data, ec.ECDSA(SHA384()))
    with pytest.raises(TypeError):
        key.private_numbers()
    with pytest.raises(TypeError):
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    with pytest.raises(TypeError):
        key.exchange(ec.ECDH(), key.public_key())
    assert copy.deepcopy(key) is key
    assert key.key_size == 256
