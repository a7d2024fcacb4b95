"""What ends when, and which replaced certificate still counts."""

import json
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from adapters.certificate_inventory import inventory, warnings
from adapters.tls_rotation import SupersededList

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


def write(path: Path, name: str, begins_days: float, ends_days: float) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(42)
        .not_valid_before(NOW + timedelta(days=begins_days))
        .not_valid_after(NOW + timedelta(days=ends_days))
        .sign(key, SHA256())
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(made.public_bytes(Encoding.PEM))


def test_warnings_come_at_thirty_and_at_seven_days_and_the_worst_first(tmp_path: Path) -> None:
    for name, ends in (("a", 31), ("b", 29), ("c", 6.5), ("d", -2)):
        write(tmp_path / "tls" / f"{name}.pem", name, -100, ends)
    write(tmp_path / "operators" / "op" / "certificate.pem", "person", -100, 1.2)
    write(tmp_path / "pki" / "root.pem", "Root", -100, 5_000)
    found = inventory(tmp_path)
    states = {each.file: each.state(NOW) for each in found}  # type: ignore[union-attr]
    assert states == {
        "tls/a.pem": "ok",
        "tls/b.pem": "soon",
        "tls/c.pem": "urgent",
        "tls/d.pem": "expired",
        "pki/root.pem": "ok",
        "operators/op/certificate.pem": "urgent",
    }
    assert warnings(found, NOW) == [
        "tls/d.pem: the certificate of d ended on 2026-11-22",
        "operators/op/certificate.pem: the certificate of person ends in one day, on 2026-11-25",
        "tls/c.pem: the certificate of c ends in 6 days, on 2026-12-01",
        "tls/b.pem: the certificate of b ends in 29 days, on 2026-12-23",
    ]


def test_what_cannot_be_used_is_told(tmp_path: Path) -> None:
    write(tmp_path / "tls" / "early.pem", "early", 2, 900)
    (tmp_path / "tls" / "damaged.pem").write_bytes(b"-----BEGIN CERTIFICATE-----\nAAAA\n")
    said = warnings(inventory(tmp_path), NOW)
    assert said[0] == "tls/damaged.pem: holds no certificate"
    assert said[1].startswith("tls/early.pem: the certificate of early begins at")


def test_a_replaced_certificate_counts_until_its_window_ends(tmp_path: Path) -> None:
    assert not SupersededList.read(tmp_path).refuses(b"der", 1)
    (tmp_path / "tls").mkdir()
    entry = {sha256(b"der").hexdigest(): {"holder": "pos", "until_ms": 1_000}}
    (tmp_path / "tls" / "superseded.json").write_text(json.dumps(entry))
    listed = SupersededList.read(tmp_path)
    assert not listed.refuses(b"der", 999)
    assert listed.refuses(b"der", 1_000)
    assert not listed.refuses(b"another", 1_000)
    assert not listed.refuses(None, 1_000)
    assert json.loads(listed.as_json()) == entry


@pytest.mark.parametrize("content", ["", "[]", '{"ab": 1}', '{"ab": {"holder": "pos"}}', "nul"])
def test_a_damaged_list_is_no_empty_list(tmp_path: Path, content: str) -> None:
    (tmp_path / "tls").mkdir()
    (tmp_path / "tls" / "superseded.json").write_text(content)
    with pytest.raises(ValueError):
        SupersededList.read(tmp_path)
