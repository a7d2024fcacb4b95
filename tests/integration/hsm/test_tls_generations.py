"""A new TLS authority is made while the token is in use, by a session of its own."""

from pathlib import Path

import pytest
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from pkcs11 import ObjectClass

from adapters.backend.operator_ports import Denied
from adapters.backend.personalisation import HsmPersonalisation
from adapters.hsm.authority import Authority, establish
from adapters.hsm.certificate_store import CertificateStore
from adapters.hsm.keys import Hsm
from adapters.hsm.provision import KEYS, make_key, next_generation, open_token, provision
from adapters.hsm.token import HsmRefused, HsmUnavailable, Token
from tests.integration.hsm.conftest import PIN


@pytest.fixture
def token(tmp_path: Path) -> Token:
    """As the backend has it: it may not write."""
    provision(tmp_path, PIN)
    made = open_token(tmp_path, PIN, writable=True)
    establish(made)
    made.close()
    return open_token(tmp_path, PIN)


def test_the_new_authority_signs_and_the_old_does_not(token: Token, tmp_path: Path) -> None:
    authority = Authority(token)
    old, key = authority.tls, ec.generate_private_key(ec.SECP256R1()).public_key()
    new = authority.begin_tls_generation()
    assert new.subject != old.subject, "two authorities of one name confuse who looks for one"
    assert new.public_key() != old.public_key()
    leaf = authority.issue_tls(key, "pos")
    leaf.verify_directly_issued_by(new)
    with pytest.raises((InvalidSignature, ValueError)):
        leaf.verify_directly_issued_by(old)
    token.heartbeat()
    token.close()
    again = open_token(tmp_path, PIN)
    assert Authority(again).tls == new, "the next start finds it"
    again.close()


def test_its_key_is_as_safe_as_the_first(token: Token) -> None:
    Authority(token).begin_tls_generation()
    from pkcs11 import Attribute

    def attributes(keys):  # type: ignore[no-untyped-def]
        (key,) = keys.search(ObjectClass.PRIVATE_KEY, "CA-TLS/2")
        return key[Attribute.EXTRACTABLE], key[Attribute.SENSITIVE], key[Attribute.LOCAL]

    assert token.run(attributes) == (False, True, True)


def test_the_backends_own_session_still_cannot_write(token: Token) -> None:
    Authority(token).begin_tls_generation()
    with pytest.raises((HsmRefused, HsmUnavailable)):
        make_key(token, next_generation(KEYS[0]))


def test_a_command_that_arrives_twice_makes_one_authority(token: Token) -> None:
    authority = Authority(token)
    hsm = HsmPersonalisation(Hsm(token), authority)
    replaces = authority.tls.fingerprint(SHA256()).hex()
    first, second = hsm.next_tls_authority(replaces), hsm.next_tls_authority(replaces)
    assert first.chain_der == second.chain_der
    assert authority.tls_generation == 2
    assert hsm.next_tls_authority("00" * 32).chain_der == first.chain_der


def test_a_request_for_a_class_is_checked_like_all_others(token: Token) -> None:
    hsm = HsmPersonalisation(Hsm(token), Authority(token))
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "TicketRestaurant US TLS CA")])
    builder = x509.CertificateSigningRequestBuilder().subject_name(name)
    request = builder.sign(key, SHA256()).public_bytes(Encoding.DER)
    certified = hsm.certify_tls(request, "gateway", ["meals.example", "192.0.2.7"])
    leaf = x509.load_der_x509_certificate(certified.chain_der[0])
    assert leaf.subject.rfc4514_string() == "CN=TicketRestaurant US TLS gateway"
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == [
        "gateway.ticketrestaurant.internal",
        "meals.example",
    ]
    for bad, holder, more in (
        (request[:-4], "gateway", []),
        (request[:-1] + bytes([request[-1] ^ 1]), "gateway", []),
        (b"", "gateway", []),
        (request, "root", []),
        (request, "gateway", ["exämple"]),
    ):
        with pytest.raises(Denied, match="bad-request"):
            hsm.certify_tls(bad, holder, more)


def test_what_was_issued_is_given_again_under_the_authority_that_signed_it(
    token: Token, tmp_path: Path
) -> None:
    authority = Authority(token)
    hsm = HsmPersonalisation(Hsm(token), authority, store=CertificateStore(tmp_path / "issued"))
    key = ec.generate_private_key(ec.SECP256R1())
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    request = builder.sign(key, SHA256()).public_bytes(Encoding.DER)
    made = hsm.certify_tls(request, "pos", [])
    assert made.record.key_hash == hsm.requested_key(request)
    authority.begin_tls_generation()
    assert hsm.tls_chain(made.record.serial) == list(made.chain_der)
    with pytest.raises(Denied, match="certificate-gone"):
        hsm.tls_chain("ab")
