"""When a holder asks for its next certificate: late in its life, or after a new authority came."""

from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from devices.renewal import MOVES_AFTER, MOVES_WITHIN, due_at, is_due

KEY = ec.generate_private_key(ec.SECP256R1())
MADE = datetime(2026, 11, 1, 12, tzinfo=UTC)
YEAR = timedelta(days=365)
HOUR = timedelta(hours=1)


def certificate(made: datetime, issuer: str = "one", subject: str = "pos") -> x509.Certificate:
    def name(text: str) -> x509.Name:
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])

    return (
        x509.CertificateBuilder()
        .subject_name(name(subject))
        .issuer_name(name(issuer))
        .public_key(KEY.public_key())
        .serial_number(1)
        .not_valid_before(made)
        .not_valid_after(made + YEAR)
        .sign(KEY, SHA256())
    )


OURS = certificate(MADE)


def due(at: datetime, backend: x509.Certificate | None = None) -> bool:
    return is_due([OURS.public_bytes(Encoding.DER)], int(at.timestamp() * 1000), backend)


def test_it_is_due_late_in_its_life_each_holder_at_a_moment_of_its_own() -> None:
    moments = {due_at(certificate(MADE, subject=f"pos {number}")) for number in range(50)}
    assert len(moments) == 50
    assert MADE + YEAR * 2 / 3 <= min(moments) <= max(moments) <= MADE + YEAR * 5 / 6
    assert not due(due_at(OURS) - HOUR)
    assert due(due_at(OURS) + HOUR)


def test_a_new_authority_is_followed_within_hours_not_by_all_at_once() -> None:
    moved = MADE + timedelta(days=30)
    backend = certificate(moved, issuer="two")
    assert not due(moved, backend)
    assert due(moved + MOVES_AFTER + MOVES_WITHIN, backend)
    moments = {due_at(certificate(MADE, subject=f"pos {number}"), backend) for number in range(50)}
    assert len(moments) == 50
    assert moved + MOVES_AFTER <= min(moments) <= max(moments) <= moved + MOVES_AFTER + MOVES_WITHIN


def test_nobody_goes_back_to_an_authority_that_the_backend_has_not_left_yet() -> None:
    late = due_at(OURS) - HOUR
    assert not due(late, certificate(MADE - YEAR / 2, issuer="zero"))
    assert not due(late, certificate(MADE + YEAR / 2)), "the same authority"
    assert due(due_at(OURS) + HOUR, certificate(MADE + YEAR, issuer="two")), (
        "at its time in any case"
    )
