"""`init` leaves a state folder with which servers and people can speak to each other."""

import json
import ssl
import stat
import time
from pathlib import Path
from uuid import uuid4

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key

from adapters.hsm.authority import Authority, establish
from adapters.hsm.certification_request import RequestRefused
from adapters.hsm.installation import (
    PEOPLE,
    PIN_CERTIFICATE,
    WEBSITE_FOLDER,
    Individual,
    certified,
    issue_installation,
)
from adapters.hsm.keys import Hsm
from adapters.hsm.pin_verification import PinVerification
from adapters.hsm.provision import open_token, provision
from adapters.tls import TlsFiles, client_context, peer_class, server_context, server_name
from devices.identity import load_device
from protocol.certificates import PIN as PIN_ROLE
from protocol.certificates import Trust
from protocol.signature import verifies
from tests.integration.hsm.conftest import PIN


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("installation")
    provision(home, PIN)
    return home


@pytest.fixture
def authority(home: Path) -> Authority:
    return establish(open_token(home, PIN, writable=True))


@pytest.fixture
def everybody(home: Path, authority: Authority) -> list[Individual]:
    return issue_installation(home, authority, gateway="127.0.0.1:7300")


def connected(server: ssl.SSLContext, client: ssl.SSLContext, name: str) -> tuple[str, str]:
    """TLS handshake in memory: the class of the client as the server sees it, the version."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    caller = client.wrap_bio(to_client, to_server, server_hostname=name)
    called = server.wrap_bio(to_server, to_client, server_side=True)
    done: set[ssl.SSLObject] = set()
    for _ in range(10):
        for side in (caller, called):
            try:
                side.do_handshake()
                done.add(side)
            except ssl.SSLWantReadError:
                pass
    assert len(done) == 2
    return str(peer_class(called.getpeercert())), str(called.version())


def test_everybody_has_a_certificate_of_the_private_pki(
    home: Path, everybody: list[Individual]
) -> None:
    assert [(each.name, each.role) for each in everybody] == [
        ("backend", "backend"),
        *PEOPLE,
        ("website", "website"),
        ("pin", "pin"),
    ]
    assert len({each.subject_id for each in everybody}) == 6
    root = x509.load_pem_x509_certificate((home / "pki" / "root.pem").read_bytes())
    issuing = x509.load_pem_x509_certificate((home / "pki" / "issuing.pem").read_bytes())
    trust = Trust(root.public_bytes(Encoding.DER))
    now_ms = time.time_ns() // 1_000_000
    for each in everybody:
        chain = [each.certificate.public_bytes(Encoding.DER), issuing.public_bytes(Encoding.DER)]
        if each.role == PIN_ROLE:
            assert trust.verify_pin_key(chain, now_ms) == each.certificate.public_key()
            continue
        peer = trust.verify(chain, now_ms)
        assert (peer.subject_id, peer.role) == (each.subject_id, each.role)


def test_the_backends_certificate_fits_its_key_in_the_hsm(
    home: Path, everybody: list[Individual]
) -> None:
    assert everybody
    chain = x509.load_pem_x509_certificates((home / "pki" / "backend.pem").read_bytes())
    assert len(chain) == 2
    hsm = Hsm(open_token(home, PIN))
    assert chain[0].public_key() == hsm.identity_public_key()
    assert verifies(hsm.identity_public_key(), hsm.sign_identity(b"message"), b"message")


def test_the_pin_keys_certificate_is_of_the_key_in_the_hsm_and_added_where_it_lacks(
    home: Path, authority: Authority, everybody: list[Individual]
) -> None:
    path = home / PIN_CERTIFICATE
    before = path.read_bytes()
    issue_installation(home, authority)
    assert path.read_bytes() == before
    path.unlink()
    individuals = [each.name for each in certified(home) if ":" not in each.role]
    assert individuals == ["backend", "website", *sorted(dict(PEOPLE))]
    issue_installation(home, authority)
    leaf, issuing = x509.load_pem_x509_certificates(path.read_bytes())
    assert issuing == authority.issuing
    assert leaf.public_key() == PinVerification(open_token(home, PIN)).pin_public_key()
    usage = leaf.extensions.get_extension_for_class(x509.KeyUsage).value
    assert usage.key_agreement
    assert not (usage.digital_signature or usage.key_encipherment or usage.key_cert_sign)
    roles = {each.role for each in certified(home)}
    assert roles - {each.role for each in everybody} == {
        "authority:root", "authority:issuing", "tls:authority",
        *(f"tls:{each}" for each in ("gateway", "backend", "website", "pos", "card")),
    }  # fmt: skip


@pytest.mark.parametrize("role", ["pin", "pos"])
def test_no_other_way_leads_to_a_certificate_of_the_pin_key(
    authority: Authority, role: str
) -> None:
    with pytest.raises(RequestRefused):
        authority.issue_leaf(authority.pin_key, uuid4(), role)
    with pytest.raises(RequestRefused, match="no such role"):
        authority.issue_leaf(authority.backend_key, uuid4(), "pin")


@pytest.mark.parametrize("folder", [*(f"operators/{name}" for name, _ in PEOPLE), WEBSITE_FOLDER])
def test_an_identity_folder_is_complete(
    home: Path, everybody: list[Individual], folder: str
) -> None:
    device = load_device(home / folder)
    (person,) = (each for each in everybody if each.name == Path(folder).name)
    assert (device.id, device.role) == (person.subject_id, person.role)
    assert device.gateway == ("127.0.0.1", 7300)
    assert device.shop is None
    assert device.serial == format(person.certificate.serial_number, "x")
    signature = device.keystore.sign(b"message")
    public = person.certificate.public_key()
    assert verifies(public, signature, b"message")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("caller", "called"),
    [("pos", "gateway"), ("card", "gateway"), ("website", "gateway"), ("gateway", "backend")],
)
def test_the_classes_speak_tls_with_each_other(
    home: Path, everybody: list[Individual], caller: str, called: str
) -> None:
    assert everybody
    server = server_context(TlsFiles.of_server(home, called))
    client = client_context(TlsFiles.of_server(home, caller))
    assert connected(server, client, server_name(called)) == (caller, "TLSv1.3")
    assert connected(server, client, "localhost") == (caller, "TLSv1.3")
    with pytest.raises(ssl.SSLCertVerificationError):
        connected(server, client, server_name("website"))


def test_an_operator_speaks_tls_with_the_gateway(home: Path, everybody: list[Individual]) -> None:
    assert everybody
    server = server_context(TlsFiles.of_server(home, "gateway"))
    client = client_context(TlsFiles.of_identity(home / "operators" / "operator-1"))
    assert connected(server, client, server_name("gateway"))[0] == "website"


def test_all_of_it_is_for_its_owner_only(home: Path, everybody: list[Individual]) -> None:
    assert everybody
    for path in (home / "tls", home / "pki", home / "operators"):
        for each in (path, *path.rglob("*")):
            mode = stat.S_IMODE(each.stat().st_mode)
            assert mode == (0o700 if each.is_dir() else 0o600), each


def content(home: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(home)): path.read_bytes()
        for folder in ("tls", "pki", "operators")
        for path in (home / folder).rglob("*")
        if path.is_file()
    }


def test_a_second_time_changes_nothing(
    home: Path, authority: Authority, everybody: list[Individual]
) -> None:
    before = content(home)
    assert issue_installation(home, authority, gateway="127.0.0.1:7300") == everybody
    assert content(home) == before


def test_another_address_of_the_gateway_is_taken_over(
    home: Path, authority: Authority, everybody: list[Individual]
) -> None:
    assert issue_installation(home, authority, gateway="127.0.0.1:9000") == everybody
    assert load_device(home / "operators" / "operator-1").gateway == ("127.0.0.1", 9000)
    issue_installation(home, authority, gateway="127.0.0.1:7300")


def test_an_interrupted_one_is_completed(
    home: Path, authority: Authority, everybody: list[Individual]
) -> None:
    assert everybody
    folder = home / "operators" / "operator-2"
    key_pem = (folder / "key.pem").read_bytes()
    (folder / "identity.json").unlink()
    (home / "tls" / "pos.pem").unlink()
    again = issue_installation(home, authority, gateway="127.0.0.1:7300")
    assert (folder / "key.pem").read_bytes() == key_pem
    facts = json.loads((folder / "identity.json").read_bytes())
    assert facts["id"] == str(again[2].subject_id)
    key = load_pem_private_key((home / "tls" / "pos.key").read_bytes(), None)
    made = x509.load_pem_x509_certificate((home / "tls" / "pos.pem").read_bytes())
    assert made.public_key() == key.public_key()
