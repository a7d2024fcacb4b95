"""A throw-away TLS authority for the tests, with the certificate profile of the real one."""

from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from adapters.tls import CLASSES, COMMON_NAME, DOMAIN, TlsFiles


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _write_key(path: Path, key: ec.EllipticCurvePrivateKey) -> None:
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )


class Authority:
    """Issues into `home`/tls, where the servers look."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self._folder = home / "tls"
        self._folder.mkdir(parents=True)
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._subject = _name("TicketRestaurant US TLS CA")
        certificate = (
            self._builder(self._subject, self._key.public_key(), days=2)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .sign(self._key, hashes.SHA256())
        )
        self._authority_file = self._folder / "ca.pem"
        self._authority_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        for tls_class in sorted(CLASSES):
            self.issue(tls_class)

    def files(self, name: str) -> TlsFiles:
        """Those issued under `name` (for the ordinary ones: the class)."""
        return TlsFiles(
            self._folder / f"{name}.pem", self._folder / f"{name}.key", self._authority_file
        )

    def issue(
        self, name: str, *, common: str | None = None, dns: str | None = None, days: int = 1
    ) -> TlsFiles:
        """`common` and `dns` are the classes claimed in the two names; negative days: expired."""
        key = ec.generate_private_key(ec.SECP256R1())
        names: list[x509.GeneralName] = [x509.DNSName(f"{dns or name}.{DOMAIN}")]
        if name in ("gateway", "backend"):
            names += [x509.DNSName("localhost"), x509.IPAddress(ip_address("127.0.0.1"))]
        usages = [ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH]
        certificate = (
            self._builder(_name(COMMON_NAME + (common or name)), key.public_key(), days=days)
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .add_extension(x509.ExtendedKeyUsage(usages), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        files = self.files(name)
        files.certificate.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        _write_key(files.key, key)
        return files

    def _builder(
        self, subject: x509.Name, key: ec.EllipticCurvePublicKey, days: int
    ) -> x509.CertificateBuilder:
        now = datetime.now(UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._subject)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=3))
            .not_valid_after(now + timedelta(days=days))
        )
