"""A real HTTPS server on loopback under an authority of its own, as good or bad as a test wants."""

import contextlib
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

Key = ec.EllipticCurvePrivateKey


class Witness:
    """What a server got, and how it answers: a status, or any behaviour of its own."""

    def __init__(self) -> None:
        self.port = 0
        self.ca_file = Path()
        self.got: list[tuple[str, str, str]] = []
        self.headers: list[dict[str, str]] = []
        self.status = 204
        self.behave: Callable[[BaseHTTPRequestHandler], None] | None = None

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}/log"

    def bodies(self) -> list[str]:
        return [body for _, _, body in self.got]


@contextmanager
def serving(folder: Path, name: str = "127.0.0.1") -> Iterator[Witness]:
    """A server with a certificate for `name`."""
    witness = Witness()
    witness.ca_file = folder / "witness-ca.pem"
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(_certificate(folder, witness.ca_file, name))
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(witness))
    server.daemon_threads = True
    server.socket = context.wrap_socket(
        server.socket, server_side=True, do_handshake_on_connect=False
    )
    witness.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield witness
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _handler(witness: Witness) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            length = int(self.headers["Content-Length"])
            body = self.rfile.read(length).decode()
            witness.got.append((self.command, self.path, body))
            witness.headers.append(dict(self.headers))
            if witness.behave is not None:
                witness.behave(self)
                return
            self.send_response(witness.status)
            self.end_headers()

        do_POST = do_PUT  # noqa: N815

        def log_message(self, *arguments: object) -> None:
            """Nothing."""

    return Handler


def drip(handler: BaseHTTPRequestHandler) -> None:
    """A byte of a header now and then, for longer than any test."""
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Long: ")
    with contextlib.suppress(OSError):
        for _ in range(1_000):
            handler.wfile.write(b"x")
            time.sleep(0.1)


def endless(handler: BaseHTTPRequestHandler) -> None:
    """A body without end."""
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n")
    with contextlib.suppress(OSError):  # the other end has seen enough
        while True:
            handler.wfile.write(bytes(65_536))


def elsewhere(handler: BaseHTTPRequestHandler) -> None:
    """A redirect to itself."""
    handler.send_response(307)
    handler.send_header("Location", "/other")
    handler.end_headers()


def _certificate(folder: Path, ca_file: Path, name: str) -> Path:
    """The server's certificate and key in one file."""
    ca_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    authority = _signed("witness CA", ca_key, "witness CA", ca_key, x509.BasicConstraints(True, 0))
    ca_file.write_bytes(authority.public_bytes(Encoding.PEM))
    try:
        subject: x509.GeneralName = x509.IPAddress(ip_address(name))
    except ValueError:
        subject = x509.DNSName(name)
    certificate = _signed(
        "witness", key, "witness CA", ca_key, x509.SubjectAlternativeName([subject])
    )
    file = folder / "witness.pem"
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    file.write_bytes(pem + certificate.public_bytes(Encoding.PEM))
    return file


def _signed(
    name: str, key: Key, issuer: str, issuer_key: Key, extension: x509.ExtensionType
) -> x509.Certificate:
    now = datetime.now(UTC)
    usage = x509.KeyUsage(
        digital_signature=True, content_commitment=False, key_encipherment=False,
        data_encipherment=False, key_agreement=False, key_cert_sign=name == issuer,
        crl_sign=False, encipher_only=False, decipher_only=False,
    )  # fmt: skip
    issuer_id = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key())
    return (
        x509.CertificateBuilder()
        .subject_name(_name(name))
        .issuer_name(_name(issuer))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(extension, critical=name == issuer)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(issuer_id, critical=False)
        .sign(issuer_key, hashes.SHA256())
    )


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])
