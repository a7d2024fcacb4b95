"""Making an identity folder: the individual key here, its certificate from the authority.

Two steps, because the key never leaves the folder: `new_request` makes the key and the request
for a certificate; `write_identity` adds what the authority answered. A virtual card also gets its
card data, sealed by the key store.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import NameOID

from devices.durable import write_durably
from devices.identity import Device, IdentityError
from devices.identity_files import CERTIFICATE_FILE, IDENTITY_FILE, ROOT_FILE
from devices.keystore import KEY_FILE, KeyStore, KeyStoreError

CARD_FILE = "card.sealed"
_CARD_PURPOSE = "card"


def new_request(folder: Path) -> bytes:
    """Makes the folder (0700) and an individual P-256 key in it; DER of the signing request.

    The authority takes only the public key from the request; the name is a placeholder.
    A key that is already there is kept, so that an interrupted personalisation can be repeated.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / KEY_FILE
    if path.exists():
        key = load_pem_private_key(path.read_bytes(), password=None)
        assert isinstance(key, ec.EllipticCurvePrivateKey)
    else:
        key = ec.generate_private_key(ec.SECP256R1())
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        write_durably(path, pem)
    return signing_request(key)


def signing_request(key: ec.EllipticCurvePrivateKey) -> bytes:
    """DER of a request for a certificate of this key."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "TicketRestaurant US device")])
    request = x509.CertificateSigningRequestBuilder().subject_name(name)
    return request.sign(key, hashes.SHA256()).public_bytes(Encoding.DER)


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """The class certificate that all devices of one kind share, and the TLS authority."""

    authority_pem: bytes
    certificate_pem: bytes
    key_pem: bytes = field(repr=False)


def write_identity(
    folder: Path,
    *,
    subject_id: str,
    role: str,
    gateway: str,
    chain_der: Sequence[bytes],
    root_pem: bytes,
    tls: TlsFiles,
    shop: str | None = None,
    shop_name: str = "",
) -> None:
    """Completes the folder. `chain_der`: leaf first, then issuing; `gateway`: host:port."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)
    chain = [x509.load_der_x509_certificate(der) for der in chain_der]
    pem = b"".join(certificate.public_bytes(Encoding.PEM) for certificate in chain)
    write_durably(folder / CERTIFICATE_FILE, pem)
    write_durably(folder / ROOT_FILE, root_pem)
    write_durably(folder / "tls-ca.pem", tls.authority_pem)
    write_durably(folder / "tls.pem", tls.certificate_pem)
    write_durably(folder / "tls.key", tls.key_pem)
    facts = {
        "id": subject_id,
        "role": role,
        "shop": shop,
        "shop_name": shop_name,
        "gateway": gateway,
        "serial": format(chain[0].serial_number, "x"),
    }
    # Last: a folder with identity.json is complete.
    write_durably(folder / IDENTITY_FILE, json.dumps(facts, indent=1).encode() + b"\n")


@dataclass(frozen=True, slots=True)
class CardData:
    """What a virtual card holds in place of a stripe (TR-CFS). Shown by no `repr`."""

    pan: str = field(repr=False)
    track2: str = field(repr=False)


def store_card(folder: Path, keystore: KeyStore, card: CardData) -> None:
    """Puts the card data into the folder, sealed by the key store."""
    sealed = keystore.seal(_CARD_PURPOSE, json.dumps(asdict(card)).encode())
    write_durably(folder / CARD_FILE, sealed)


def load_card(device: Device) -> CardData:
    """The card data of a virtual card's folder. Raises IdentityError."""
    try:
        sealed = (device.folder / CARD_FILE).read_bytes()
        facts = json.loads(device.keystore.unseal(_CARD_PURPOSE, sealed))
        return CardData(facts["pan"], facts["track2"])
    except OSError:
        raise IdentityError(f"{device.folder} holds no card data ({CARD_FILE})") from None
    except (KeyStoreError, ValueError, KeyError):
        raise IdentityError(f"{CARD_FILE} cannot be opened with this key store") from None
