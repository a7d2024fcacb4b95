"""A PKCS#12 file gets into the folder that it is for, and into no other."""

from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from adapters.tls_installing import install_file
from devices.identity import load_device
from devices.keystore import FileKeyStore
from devices.personalisation import TlsFiles
from devices.pkcs12 import ROUNDS_FOR_RANDOM, Bundle, Pkcs12Error, pack
from devices.tls_files import read_bundle
from tests.unit.devices import authority as made_at
from tests.unit.devices.authority import Authority

PASSWORD = b"correct horse battery"


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def file_of(folder: Path, files: TlsFiles, *authorities: x509.Certificate) -> Path:
    """As `tls export` writes it."""
    key = load_pem_private_key(files.key_pem, None)
    certificate = x509.load_pem_x509_certificate(files.certificate_pem)
    bundle = Bundle(key, certificate, list(authorities))  # type: ignore[arg-type]
    path = folder / "file.p12"
    path.write_bytes(pack(bundle, PASSWORD, "test", ROUNDS_FOR_RANDOM))
    return path


def test_the_file_decides_whom_the_device_trusts(authority: Authority, tmp_path: Path) -> None:
    folder = authority.device("pos")
    (tmp_path / "other").mkdir()
    other = Authority(tmp_path / "other")
    path = file_of(tmp_path, other.tls_files("pos"), other.tls_root)
    sha256 = other.tls_root.fingerprint(SHA256()).hex()
    with pytest.raises(Pkcs12Error, match=f"--trust {sha256}"):
        install_file(path, folder, PASSWORD)
    with pytest.raises(Pkcs12Error, match="does not trust"):
        install_file(path, folder, PASSWORD, ["0" * 64])
    assert not (folder / "tls.p12").exists()
    install_file(path, folder, PASSWORD, [sha256.upper()])
    assert read_bundle(folder, FileKeyStore(folder)).authorities == [other.tls_root]
    assert load_device(folder).tls


@pytest.mark.parametrize("tls_class", ["card", "gateway", "website", "nonsense"])
def test_another_class_is_refused(authority: Authority, tmp_path: Path, tls_class: str) -> None:
    folder = authority.device("pos")
    path = file_of(tmp_path, authority.tls_files(tls_class), authority.tls_root)
    with pytest.raises(Pkcs12Error, match="does not use a certificate of the class"):
        install_file(path, folder, PASSWORD)
    assert (folder / "tls.pem").exists()


def test_a_chain_that_does_not_lead_to_the_certificate_is_refused(
    authority: Authority, tmp_path: Path
) -> None:
    folder = authority.device("pos")
    for authorities in ([], [authority.root]):
        path = file_of(tmp_path, authority.tls_files("pos"), *authorities)
        with pytest.raises(Pkcs12Error, match="no authority in the file"):
            install_file(path, folder, PASSWORD)
    assert not (folder / "tls.p12").exists()


@pytest.mark.parametrize(("days", "words"), [(-2, "expired on"), (2, "valid from")])
def test_a_certificate_out_of_its_time_is_refused(
    authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, days: int, words: str
) -> None:
    folder = authority.device("pos")
    monkeypatch.setattr(made_at, "_NOW", made_at._NOW + timedelta(days=days))
    path = file_of(tmp_path, authority.tls_files("pos"), authority.tls_root)
    with pytest.raises(Pkcs12Error, match=words):
        install_file(path, folder, PASSWORD)
    assert not (folder / "tls.p12").exists()
