"""A throw-away authority: TLS classes, individual certificates, whole identity folders."""

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from devices.keystore import FileKeyStore
from devices.personalisation import CardData, TlsFiles, new_request, store_card, write_identity
from protocol.certificates import Trust, role_extension
from protocol.handshake import Identity
from protocol.signature import software_signer

PAN = "6039530000000016"
TRACK2 = f";{PAN}=291272510112345678?"
SHOP = UUID("00000000-0000-8000-8000-00000000005b")
_NOW = datetime.now(UTC)


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


class Authority:
    """Root, issuing and TLS authority in memory; `port` is where identities find the gateway."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = 1
        self.root_key = ec.generate_private_key(ec.SECP256R1())
        self.issuing_key = ec.generate_private_key(ec.SECP256R1())
        self.tls_key = ec.generate_private_key(ec.SECP256R1())
        self.pin_key = ec.generate_private_key(ec.SECP256R1())
        self.root = self._ca("test root", self.root_key, "test root", self.root_key, 1)
        self.issuing = self._ca("test issuing", self.issuing_key, "test root", self.root_key, 0)
        self.tls_root = self._ca("test TLS", self.tls_key, "test TLS", self.tls_key, 0)

    def _ca(
        self,
        name: str,
        key: ec.EllipticCurvePrivateKey,
        issuer: str,
        issuer_key: ec.EllipticCurvePrivateKey,
        depth: int,
    ) -> x509.Certificate:
        usage = x509.KeyUsage(
            digital_signature=False, content_commitment=False, key_encipherment=False,
            data_encipherment=False, key_agreement=False, key_cert_sign=True, crl_sign=True,
            encipher_only=False, decipher_only=False,
        )  # fmt: skip
        return (
            self._builder(name, issuer, key.public_key(), issuer_key)
            .add_extension(x509.BasicConstraints(True, depth), critical=True)
            .add_extension(usage, critical=True)
            .sign(issuer_key, hashes.SHA256())
        )

    @staticmethod
    def _builder(
        name: str,
        issuer: str,
        key: ec.EllipticCurvePublicKey,
        issuer_key: ec.EllipticCurvePrivateKey,
    ) -> x509.CertificateBuilder:
        identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key())
        return (
            x509.CertificateBuilder()
            .subject_name(_name(name))
            .issuer_name(_name(issuer))
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(_NOW - timedelta(hours=1))
            .not_valid_after(_NOW + timedelta(days=1))
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
            .add_extension(identifier, critical=False)
        )

    def leaf(self, role: str, subject: UUID, key: ec.EllipticCurvePublicKey) -> list[bytes]:
        """The chain of an individual certificate, leaf first."""
        uri = x509.UniformResourceIdentifier(f"urn:uuid:{subject}")
        certificate = (
            self._builder(str(subject), "test issuing", key, self.issuing_key)
            .add_extension(x509.SubjectAlternativeName([uri]), critical=False)
            .add_extension(x509.BasicConstraints(False, None), critical=True)
            .add_extension(_signing_only(), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
            .add_extension(role_extension(role), critical=False)
            .sign(self.issuing_key, hashes.SHA256())
        )
        return [c.public_bytes(Encoding.DER) for c in (certificate, self.issuing)]

    def pin_chain(self, *, other: bool = False) -> list[bytes]:
        """The chain of the PIN key's certificate; or one of some `other` key."""
        key = ec.generate_private_key(ec.SECP256R1()) if other else self.pin_key
        usage = x509.KeyUsage(
            digital_signature=False, content_commitment=False, key_encipherment=False,
            data_encipherment=False, key_agreement=True, key_cert_sign=False, crl_sign=False,
            encipher_only=False, decipher_only=False,
        )  # fmt: skip
        certificate = (
            self._builder("test PIN", "test issuing", key.public_key(), self.issuing_key)
            .add_extension(x509.BasicConstraints(False, None), critical=True)
            .add_extension(usage, critical=True)
            .add_extension(role_extension("pin"), critical=False)
            .sign(self.issuing_key, hashes.SHA256())
        )
        return [c.public_bytes(Encoding.DER) for c in (certificate, self.issuing)]

    def tls_files(self, device_class: str) -> TlsFiles:
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = self.tls_certificate(key.public_key(), device_class)
        authority = self.tls_root.public_bytes(Encoding.PEM)
        return TlsFiles(authority, certificate.public_bytes(Encoding.PEM), _pem(key))

    def tls_certificate(
        self, key: ec.EllipticCurvePublicKey, device_class: str
    ) -> x509.Certificate:
        """Of a TLS class, for somebody's key."""
        names = x509.SubjectAlternativeName(
            [x509.DNSName(f"{device_class}.ticketrestaurant.internal")]
        )
        both = [ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH]
        name = f"TicketRestaurant US TLS {device_class}"
        return (
            self._builder(name, "test TLS", key, self.tls_key)
            .add_extension(names, critical=False)
            .add_extension(x509.BasicConstraints(False, None), critical=True)
            .add_extension(_signing_only(), critical=True)
            .add_extension(x509.ExtendedKeyUsage(both), critical=False)
            .sign(self.tls_key, hashes.SHA256())
        )

    def server_tls(self) -> ssl.SSLContext:
        """The gateway's side of TLS."""
        files = self.tls_files("gateway")
        for name, pem in (("ca", files.authority_pem), ("cert", files.certificate_pem)):
            (self.folder / f"gateway-{name}.pem").write_bytes(pem)
        (self.folder / "gateway.key").write_bytes(files.key_pem)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(self.folder / "gateway-ca.pem")
        context.load_cert_chain(self.folder / "gateway-cert.pem", self.folder / "gateway.key")
        return context

    def backend(self) -> tuple[Identity, Trust]:
        key = ec.generate_private_key(ec.SECP256R1())
        chain = self.leaf("backend", uuid4(), key.public_key())
        return Identity("backend", chain, software_signer(key)), self.trust()

    def trust(self) -> Trust:
        return Trust(self.root.public_bytes(Encoding.DER))

    def device(self, role: str, name: str = "") -> Path:
        """A complete identity folder."""
        folder = self.folder / (name or role)
        subject = uuid4()
        request = x509.load_der_x509_csr(new_request(folder))
        key = request.public_key()
        assert isinstance(key, ec.EllipticCurvePublicKey)
        write_identity(
            folder,
            subject_id=str(subject),
            role=role,
            gateway=f"127.0.0.1:{self.port}",
            chain_der=self.leaf(role, subject, key),
            root_pem=self.root.public_bytes(Encoding.PEM),
            tls=self.tls_files(role),
            shop=str(SHOP) if role == "pos" else None,
            shop_name="Chez Marie" if role == "pos" else "",
        )
        if role == "card":
            store_card(folder, FileKeyStore(folder), CardData(PAN, TRACK2))
        return folder


def _signing_only() -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True, content_commitment=False, key_encipherment=False,
        data_encipherment=False, key_agreement=False, key_cert_sign=False, crl_sign=False,
        encipher_only=False, decipher_only=False,
    )  # fmt: skip
