"""Who comes without a certificate proves its key and nothing else; who comes late may renew."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from protocol.certificates import ENROLLEE, enrollee_id, role_extension
from protocol.errors import CertificateError
from tests.vectors.material import NOW_MS, key, party, subject_id, trust

NOW = datetime.fromtimestamp(NOW_MS / 1000, UTC)
DAY_MS = 86_400_000


def self_signed(
    signer: Any = None,
    *,
    named: Any = None,
    role: str = ENROLLEE,
    begin: datetime = NOW - timedelta(hours=1),
    hours: int = 12,
    signed_by: Any = None,
) -> list[bytes]:
    own = signer or key("enrollee")
    subject = named or enrollee_id(own.public_key())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, str(subject))])
    uri = x509.UniformResourceIdentifier(f"urn:uuid:{subject}")
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(own.public_key())
        .serial_number(7)
        .not_valid_before(begin)
        .not_valid_after(begin + timedelta(hours=hours))
        .add_extension(x509.SubjectAlternativeName([uri]), critical=False)
        .add_extension(role_extension(role), critical=False)
        .sign(signed_by or own, hashes.SHA256())
    )
    return [made.public_bytes(Encoding.DER)]


def test_an_enrollee_is_known_by_its_key() -> None:
    peer = trust().verify_enrollee(self_signed(), NOW_MS)
    assert (peer.role, peer.subject_id) == (ENROLLEE, enrollee_id(key("enrollee").public_key()))


@pytest.mark.parametrize(
    ("chain", "code"),
    [
        (self_signed(named=subject_id("pos")), "untrusted-certificate"),
        (self_signed(signed_by=key("other")), "untrusted-certificate"),
        (self_signed(hours=25), "untrusted-certificate"),
        (self_signed(begin=NOW - timedelta(days=2)), "expired-certificate"),
        (self_signed(begin=NOW + timedelta(hours=1)), "expired-certificate"),
        (self_signed(role="pos"), "wrong-role"),
        (self_signed() + self_signed(), "untrusted-certificate"),
        (self_signed(ec.generate_private_key(ec.SECP384R1()), named=subject_id("x")),
         "untrusted-certificate"),
        ([b"garbage"], "untrusted-certificate"),
        ([], "untrusted-certificate"),
    ],
    ids=["another's id", "another's signature", "too long", "past", "future", "another role",
         "two", "P-384", "garbage", "none"],
)  # fmt: skip
def test_a_lie_of_an_enrollee(chain: list[bytes], code: str) -> None:
    with pytest.raises(CertificateError) as caught:
        trust().verify_enrollee(chain, NOW_MS)
    assert caught.value.code == code


def test_an_rsa_key_enrols_nobody() -> None:
    own = rsa.generate_private_key(65537, 2048)
    with pytest.raises(CertificateError):
        trust().verify_enrollee(self_signed(own, named=subject_id("x")), NOW_MS)


P256, UNKNOWN = bytes.fromhex("06082a8648ce3d030107"), bytes.fromhex("06082a8648ce3d030163")


def with_point_off_the_curve(chain: bytes) -> bytes:
    spki = bytes.fromhex("03420004")
    at = chain.index(spki) + len(spki)
    return chain[:at] + b"\x01" * 64 + chain[at + 64 :]


@pytest.mark.parametrize(
    "chain",
    [self_signed()[0].replace(P256, UNKNOWN), with_point_off_the_curve(self_signed()[0])],
    ids=["an unknown curve", "no point of the curve"],
)
def test_a_key_that_nobody_can_use_is_not_trusted(chain: bytes) -> None:
    for verify in (trust().verify_enrollee, trust().verify):
        with pytest.raises(CertificateError) as caught:
            verify([chain], NOW_MS)
        assert caught.value.code == "untrusted-certificate"


def test_the_authority_believes_no_enrollee() -> None:
    with pytest.raises(CertificateError):
        trust().verify(self_signed(), NOW_MS)


def test_within_the_grace_a_holder_is_let_in_and_marked() -> None:
    chain = party("pos").chain
    end_ms = int(x509.load_der_x509_certificate(chain[0]).not_valid_after_utc.timestamp() * 1000)
    known = trust()
    assert not known.verify(chain, end_ms).expired
    with pytest.raises(CertificateError):
        known.verify(chain, end_ms + 1_000)
    known.grace_ms = DAY_MS
    late = known.verify(chain, end_ms + DAY_MS)
    assert (late.expired, late.role) == (True, "pos")
    with pytest.raises(CertificateError):
        known.verify(chain, end_ms + DAY_MS + 1)
