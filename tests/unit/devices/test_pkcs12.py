"""PKCS#12: what is packed opens, and nothing else does."""

import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    pkcs12,
)

from devices.keystore import FileKeyStore, KeyStoreError
from devices.pkcs12 import MOST_BYTES, ROUNDS_FOR_RANDOM, Bundle, Pkcs12Error, pack, unpack
from devices.pkcs12_mac import rounds_of
from devices.tls_files import TlsSource, install_p12, read_bundle
from tests.unit.devices.authority import Authority

PASSWORD = b"correct horse battery"
NOW = datetime.now(UTC)


def certificate(
    key: CertificateIssuerPrivateKeyTypes, *, authority: bool = False
) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(NOW)
        .not_valid_after(NOW + timedelta(days=1))
        .add_extension(x509.BasicConstraints(authority, 0 if authority else None), critical=True)
        .sign(key, SHA256())
    )


def test_what_was_packed_opens_with_its_password_only() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    bundle = Bundle(key, certificate(key), [certificate(key, authority=True)])
    data = pack(bundle, PASSWORD, "name", ROUNDS_FOR_RANDOM)
    found = unpack(data, PASSWORD)
    assert found.certificate == bundle.certificate
    assert found.authorities == bundle.authorities
    assert found.key.private_numbers() == key.private_numbers()
    for password in (b"", b"correct horse batterz", PASSWORD + b"\n"):
        with pytest.raises(Pkcs12Error, match="wrong password"):
            unpack(data, password)


@pytest.mark.parametrize("password", [PASSWORD, "pässwörd-€-x".encode(), b"p" * 31, b"p" * 200])
def test_the_seal_costs_a_guesser_as_much_as_the_encryption(password: bytes) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    data = pack(Bundle(key, certificate(key), []), password, "name", 70_000)
    assert rounds_of(data) == 70_000
    assert unpack(data, password).certificate == certificate_of(data, password)


def certificate_of(data: bytes, password: bytes) -> x509.Certificate | None:
    return pkcs12.load_key_and_certificates(data, password)[1]


@pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl here")
def test_openssl_opens_it_and_names_the_rounds(tmp_path: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    (tmp_path / "x.p12").write_bytes(pack(Bundle(key, certificate(key), []), PASSWORD, "name"))
    command = ["openssl", "pkcs12", "-in", str(tmp_path / "x.p12"), "-info", "-noout"]
    command += ["-passin", "pass:" + PASSWORD.decode()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stderr
    assert "MAC: sha256, Iteration 600000" in done.stderr + done.stdout


def test_no_altered_byte_opens() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    data = pack(Bundle(key, certificate(key), []), PASSWORD, "name", 1)
    for place in range(40, len(data), 97):
        broken = bytearray(data)
        broken[place] ^= 1
        with pytest.raises(Pkcs12Error):
            unpack(bytes(broken), PASSWORD)


@pytest.mark.parametrize(
    "data", [b"", b"0", b"x" * 1000, b"\x30\x82\xff\xff", b"0" * MOST_BYTES * 2]
)
def test_what_is_no_pkcs12_is_refused(data: bytes) -> None:
    with pytest.raises(Pkcs12Error):
        unpack(data, PASSWORD)


def made(key: Any, leaf: x509.Certificate | None, more: list[x509.Certificate]) -> bytes:
    """A file as another program might write it."""
    return pkcs12.serialize_key_and_certificates(
        b"n", key, leaf, more, BestAvailableEncryption(PASSWORD)
    )


def test_keys_and_chains_that_are_not_ours_are_refused() -> None:
    key, other = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP384R1())
    weak = rsa.generate_private_key(65_537, 1024)
    for data, why in (
        (made(weak, certificate(weak), []), "not a P-256 key"),
        (made(other, certificate(other), []), "not a P-256 key"),
        (made(None, None, [certificate(key)]), "lacks its key"),
        (made(key, certificate(key), [certificate(key)]), "no authority"),
    ):
        with pytest.raises(Pkcs12Error, match=why):
            unpack(data, PASSWORD)


def test_only_the_folders_own_key_store_opens_its_file(authority: Authority) -> None:
    folder, stranger = authority.device("pos"), authority.device("pos", "other")
    keystore = FileKeyStore(folder)
    install_p12(folder, keystore, read_bundle(folder, keystore))
    assert not (folder / "tls.pem").exists()
    assert TlsSource(folder, keystore).context()
    with pytest.raises(KeyStoreError, match="another key store"):
        TlsSource(folder, FileKeyStore(stranger))


def test_a_replaced_file_is_used_and_a_damaged_one_is_not(authority: Authority) -> None:
    folder = authority.device("pos")
    source = TlsSource(folder, FileKeyStore(folder))
    first = source.context()
    assert source.context() is first
    files = authority.tls_files("pos")
    (folder / "tls.pem").write_bytes(files.certificate_pem + files.key_pem)
    second = source.context()
    assert second is not first
    (folder / "tls.pem").write_bytes(b"-----BEGIN NOTHING-----\n")
    assert source.context() is second


def test_a_password_is_never_in_the_folder(authority: Authority, tmp_path: Path) -> None:
    folder = authority.device("pos")
    keystore = FileKeyStore(folder)
    bundle = read_bundle(folder, keystore)
    install_p12(folder, keystore, bundle)
    password = keystore.unseal("tls", (folder / "tls.p12.password").read_bytes())
    assert unpack((folder / "tls.p12").read_bytes(), password).certificate == bundle.certificate
    key = bundle.key.private_numbers().private_value.to_bytes(32)
    for path in folder.iterdir():
        content = path.read_bytes()
        assert password not in content
        assert key not in content
