"""Which certificates are believed, and with which code the others are not."""

from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol.certificates import PIN, ROLES, Trust, role_extension, role_of
from protocol.errors import CertificateError
from tests.vectors.material import (
    ISSUING,
    NOW_MS,
    Holder,
    authority,
    certificate,
    der,
    holder,
    issuing,
    key,
    leaf,
    party,
    pin_key_chain,
    role_value,
    root,
    subject_id,
    trust,
    usage,
)
from tests.vectors.refusals import bad_holders

DAY_MS = 86_400_000
YEAR_MS = 366 * DAY_MS


def code_of(chain: list[bytes], *, known: Trust | None = None, now_ms: int = NOW_MS) -> str:
    with pytest.raises(CertificateError) as caught:
        (known or trust()).verify(chain, now_ms)
    return caught.value.code


BAD = [
    (name, code, who)
    for name, code, who in bad_holders("pos")
    if name not in ("another role", "revoked")
]


@pytest.mark.parametrize(("name", "code", "who"), BAD, ids=[each[0] for each in BAD])
def test_a_bad_certificate(name: str, code: str, who: Holder) -> None:
    assert code_of(who.chain) == code, name


def with_key(public: Any) -> list[bytes]:
    made = certificate(str(subject_id("pos")), public, ISSUING, "issuing", leaf("pos", "pos"))
    return [der(made), der(issuing())]


@pytest.mark.parametrize(
    "public",
    [
        rsa.generate_private_key(65537, 2048).public_key(),
        ec.generate_private_key(ec.SECP384R1()).public_key(),
        ec.generate_private_key(ec.SECP256K1()).public_key(),
    ],
    ids=["RSA", "P-384", "secp256k1"],
)
def test_only_p256_keys(public: Any) -> None:
    assert code_of(with_key(public)) == "untrusted-certificate"


def under(extensions: Any) -> list[bytes]:
    """A good leaf under an issuing certificate that says this."""
    made = certificate(ISSUING, key("issuing").public_key(), "Test root", "root", extensions)
    return [party("pos").chain[0], der(made)]


@pytest.mark.parametrize(
    "extensions",
    [
        authority(0)[1:],
        authority(0)[:1],
        [(x509.BasicConstraints(ca=False, path_length=None), True), authority(0)[1]],
        [authority(0)[0], (usage("digital_signature"), True)],
        [*authority(0), (x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3"), b""), True)],
    ],
    ids=["no constraints", "no usage", "no authority", "may not sign", "unknown critical"],
)
def test_the_issuer_must_be_an_authority(extensions: Any) -> None:
    assert code_of(under(extensions)) == "untrusted-certificate"


def test_an_authority_below_the_issuing_one_is_too_deep() -> None:
    sub = certificate("sub", key("sub").public_key(), ISSUING, "issuing", authority(None))
    public = key("pos").public_key()
    made = certificate(str(subject_id("pos")), public, "sub", "sub", leaf("pos", "pos"))
    assert code_of([der(made), der(sub), der(issuing())]) == "untrusted-certificate"


def test_an_unknown_critical_extension_of_a_device_is_refused() -> None:
    unknown = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00")
    who = holder("pos", "pos", [*leaf("pos", "pos"), (unknown, True)])
    assert code_of(who.chain) == "untrusted-certificate"
    harmless = holder("pos", "pos", [*leaf("pos", "pos"), (unknown, False)])
    assert trust().verify(harmless.chain, NOW_MS).role == "pos"


def test_a_common_name_that_is_no_uuid_is_refused() -> None:
    for name in ("pos", str(subject_id("pos")).upper(), str(subject_id("other"))):
        made = certificate(name, key("pos").public_key(), ISSUING, "issuing", leaf("pos", "pos"))
        assert code_of([der(made), der(issuing())]) == "untrusted-certificate"


def test_validity_is_that_of_every_certificate() -> None:
    chain = party("pos").chain
    for now_ms in (NOW_MS - 2 * YEAR_MS, NOW_MS + 10 * YEAR_MS, 0):
        assert code_of(chain, now_ms=now_ms) == "expired-certificate"
    assert trust().verify(chain, NOW_MS + 9 * YEAR_MS)


def test_the_issuing_certificate_can_be_revoked_too() -> None:
    asked: list[int] = []

    def revoked(serial: int) -> bool:
        asked.append(serial)
        return serial == issuing().serial_number

    known = Trust(der(root()), revoked=revoked)
    assert code_of(party("pos").chain, known=known) == "revoked-certificate"
    assert root().serial_number in asked, "a root that is revoked was retired"


def test_another_root_believes_nothing_of_ours() -> None:
    foreign = certificate("Test root", key("f").public_key(), "Test root", "f", authority(1))
    known = Trust(der(foreign))
    assert code_of(party("pos").chain, known=known) == "untrusted-certificate"


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 1), st.integers(0, 10**6), st.integers(1, 255))
def test_no_changed_byte_of_a_chain_is_believed(which: int, at: int, change: int) -> None:
    chain = [bytearray(each) for each in party("pos").chain]
    chain[which][at % len(chain[which])] ^= change
    changed = [bytes(each) for each in chain]
    # The count of unused bits in the signature's BIT STRING is nobody's content.
    if not _says_the_same(changed[which], party("pos").chain[which]):
        assert code_of(changed) in ("untrusted-certificate", "expired-certificate")


def _says_the_same(one: bytes, other: bytes) -> bool:
    try:
        read = [x509.load_der_x509_certificate(each) for each in (one, other)]
    except (ValueError, x509.InvalidVersion):
        return False
    told = [(each.tbs_certificate_bytes, each.signature) for each in read]
    return told[0] == told[1]


@pytest.mark.parametrize("role", sorted([*ROLES, PIN]))
def test_the_role_extension_is_read_as_written(role: str) -> None:
    assert role_extension(role) == role_value(role)
    assert role_of(holder("any", role).certificate) == role


def test_unknown_roles_are_neither_written_nor_read() -> None:
    with pytest.raises(ValueError, match="no such role"):
        role_extension("king")
    assert role_of(issuing()) == ""


def test_the_pin_key_is_no_identity_and_no_identity_a_pin_key() -> None:
    assert code_of(list(pin_key_chain())) == "untrusted-certificate"
    with pytest.raises(CertificateError, match="untrusted-certificate"):
        trust().verify_pin_key(party("backend").chain, NOW_MS)
    says = [(usage("key_agreement"), True), (role_value("backend"), False)]
    with pytest.raises(CertificateError, match="wrong-role"):
        trust().verify_pin_key(holder("backend", "backend", says).chain, NOW_MS)
    # A device whose certificate says `pin` cannot open a session either.
    assert code_of(holder("pos", "pin").chain) == "wrong-role"
