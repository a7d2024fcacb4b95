"""NIST's PKITS (from the package `cryptography-vectors`) against our chain checks: no wrong yes.

Our rules for authorities over its certificates. Its keys are RSA and its holders have no roles, so
`Trust` itself refuses every one of them; to see what the rules do, the checks of the leaf are left
out here. Names of test cases begin with what a correct verifier says: Valid or Invalid.
"""

import re
import warnings
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import cryptography_vectors
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.utils import CryptographyDeprecationWarning
from cryptography.x509.verification import (
    ExtensionPolicy,
    PolicyBuilder,
    Store,
    VerificationError,
)

from protocol import certificates
from protocol.certificates import Trust
from protocol.errors import CertificateError

FOLDER = Path(cryptography_vectors.__file__).parent / "x509" / "PKITS_data" / "certs"
WHEN = datetime(2020, 1, 1, tzinfo=UTC)
ROOT = "TrustAnchorRootCertificate"
BY_REVOCATION = re.compile(
    r"Invalid(Revoked|BadCRL|MissingCRL|WrongCRL|UnknownCRL|OldCRL|pre2000CRL|cRLIssuer|deltaCRL"
    r"|distributionPoint|only(Some|Contains)|IDPwith|SeparateCertificateandCRL|LongSerialNumber"
    r"|keyUsage(Not)?CriticalcRLSignFalse|BasicSelfIssued(CRL|NewWithOld|OldWithNew))\w*EE"
)
"""Cases that are invalid by a CRL only: revoked, or the list is unfit (PKITS 4.4, 4.5, 4.7.4,
4.7.5, 4.14, 4.15). A chain does not show that. Who is revoked we ask the ledger, never a list."""


@cache
def certificates_of_pkits() -> dict[str, x509.Certificate]:
    found = {}
    with warnings.catch_warnings():
        # A negative serial number is one of its cases.
        warnings.simplefilter("ignore", CryptographyDeprecationWarning)
        for path in sorted(FOLDER.glob("*.crt")):
            try:
                found[path.stem] = x509.load_der_x509_certificate(path.read_bytes())
            except ValueError:
                assert "DSAParameter" in path.stem, "only DSA without parameters cannot be read"
    return found


def names(prefix: str) -> list[str]:
    return [
        name for name in certificates_of_pkits() if name.startswith(prefix) and name.endswith("EE")
    ]


def accepted(name: str, depth: int = 1) -> bool:
    known = certificates_of_pkits()
    authorities = [
        each for other, each in known.items() if not other.endswith("EE") and other != ROOT
    ]
    verifier = (
        PolicyBuilder()
        .store(Store([known[ROOT]]))
        .time(WHEN)
        .max_chain_depth(depth)
        .extension_policies(
            ca_policy=certificates._CA_POLICY, ee_policy=ExtensionPolicy.permit_all()
        )
        .build_client_verifier()
    )
    try:
        verifier.verify(known[name], authorities)
    except VerificationError:
        return False
    return True


@pytest.mark.parametrize("depth", [1, 8], ids=["as ours", "deeper than ours"])
def test_what_is_accepted_wrongly_is_so_by_revocation_only(depth: int) -> None:
    wrong = [name for name in names("Invalid") if accepted(name, depth)]
    assert not [name for name in wrong if BY_REVOCATION.fullmatch(name) is None]
    assert len(names("Invalid")) > 110


def test_it_is_not_that_everything_is_refused() -> None:
    good = [name for name in names("Valid") if accepted(name)]
    assert len(good) > 40
    assert "ValidCertificatePathTest1EE" in good


@pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")
def test_the_system_itself_believes_none_of_them() -> None:
    known = certificates_of_pkits()
    trust = Trust(known[ROOT].public_bytes(Encoding.DER))
    now_ms = int(WHEN.timestamp() * 1000)
    authority = known["GoodCACert"].public_bytes(Encoding.DER)
    for name in (*names("Valid"), *names("Invalid")):
        leaf = known[name].public_bytes(Encoding.DER)
        with pytest.raises(CertificateError):
            trust.verify([leaf, authority], now_ms)
