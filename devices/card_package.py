"""A virtual card handed over whole: key and certificate as PKCS#12, its card data locked beside it.

The desk made the key (TR-TPR section 12.4). One code of 125 bits, told by another way, opens both.
The lock also covers every other file of the package, so that nobody on the way exchanges the
gateway or the root. The code is never sent anywhere. Nothing is written before all of it is known
to be good, and then into a new folder that gets its name last.
"""

import base64
import contextlib
import json
import os
import secrets
import shutil
import stat
import time
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from devices.durable import sync_folder, write_durably
from devices.enrolment import (
    CARD_CODE_LETTERS,
    P12_FILE,
    PACKAGE_FILE,
    code_letters,
    read_gateway,
)
from devices.exchange import Refused
from devices.identity import IdentityError, load_device
from devices.identity_files import IDENTITY_FILE, ROOT_FILE
from devices.keystore import KEY_FILE, FileKeyStore
from devices.personalisation import CardData, TlsFiles, load_card, store_card, write_identity
from devices.pkcs12 import MOST_BYTES, ROUNDS_FOR_RANDOM, Bundle, Pkcs12Error, pack, unpack
from devices.roots import trust_in
from devices.tls_files import KEY_FILE as TLS_KEY_FILE
from devices.tls_files import PEM_FILE, TRUST_FILE
from protocol.encoding import lp
from protocol.errors import ProtocolError

LOCKED_FILE: Final = "card.locked"
_BOUND: Final = (PACKAGE_FILE, ROOT_FILE, TRUST_FILE, PEM_FILE, TLS_KEY_FILE, P12_FILE)
_VERSION: Final = b"\x01"
_SALT_BYTES: Final = 16
_NONCE_BYTES: Final = 12
_LABEL: Final = b"TR-CARD-PACKAGE/1"
_GROUP: Final = 5


@dataclass(frozen=True, slots=True)
class Taken:
    """What came of a package. `removed`: nothing of it is left."""

    card_id: UUID
    removed: bool


def new_code() -> str:
    """125 random bits, in groups to be typed."""
    letters = base64.b32encode(secrets.token_bytes(20)).decode()
    starts = range(0, CARD_CODE_LETTERS, _GROUP)
    return "-".join(letters[start : start + _GROUP] for start in starts)


def lock_card(package: Path, identity: Bundle, card: CardData, code: str) -> None:
    """Adds a card to an installation package that is complete but for it. Raises OSError.

    `identity`: the card's key and certificate, and the issuing authority's.
    """
    word = _word(code)
    data = pack(identity, word, "TicketRestaurant US card", ROUNDS_FOR_RANDOM)
    write_durably(package / P12_FILE, data)
    bound = _bound({name: (package / name).read_bytes() for name in _BOUND})
    salt, nonce = os.urandom(_SALT_BYTES), os.urandom(_NONCE_BYTES)
    facts = json.dumps({"pan": card.pan, "track2": card.track2}).encode()
    locked = AESGCM(_key(word, salt)).encrypt(nonce, facts, bound)
    write_durably(package / LOCKED_FILE, _VERSION + salt + nonce + locked)


def take_card(package: Path, folder: Path, code: str) -> Taken:
    """Makes the card's identity folder and removes the package. May be called again after anything.

    Raises IdentityError for a package or folder that is unfit, Refused for a wrong code.
    """
    files = _read(package)
    card = _unlocked(files, code)
    try:
        identity = unpack(files[P12_FILE], _word(code))
    except Pkcs12Error as error:
        raise IdentityError(f"{package}: {P12_FILE}: {error}") from None
    card_id = _verified(package, files, identity)
    try:
        if (folder / IDENTITY_FILE).exists():
            _is_it(folder, card_id)
        else:
            _make(folder, files, identity, card_id, card)
    except OSError as error:
        raise IdentityError(f"{folder}: {error.strerror}") from None
    return Taken(card_id, _removed(package))


def _read(package: Path) -> dict[str, bytes]:
    """The files of a package, which anybody may have made: small, regular, all there."""
    files = {}
    for name in (*_BOUND, LOCKED_FILE):
        try:
            with open(package / name, "rb", opener=_without_waiting) as file:
                regular = stat.S_ISREG(os.fstat(file.fileno()).st_mode)
                files[name] = file.read(MOST_BYTES + 1) if regular else b""
        except OSError:
            raise IdentityError(f"{package} is no package of a virtual card ({name})") from None
        if not 0 < len(files[name]) <= MOST_BYTES:
            raise IdentityError(f"{package}: {name} is damaged")
    return files


def _without_waiting(path: str, flags: int) -> int:
    # A pipe in place of a file would hold us up for ever.
    return os.open(path, flags | os.O_NONBLOCK)


def _unlocked(files: Mapping[str, bytes], code: str) -> CardData:
    """The card data; from here on every other file is known to be as the desk made it."""
    head = len(_VERSION) + _SALT_BYTES + _NONCE_BYTES
    locked = files[LOCKED_FILE]
    if locked[:1] != _VERSION or len(locked) < head:
        raise IdentityError(f"{LOCKED_FILE} was made by another version, or is damaged")
    salt, nonce = locked[1 : 1 + _SALT_BYTES], locked[1 + _SALT_BYTES : head]
    key = _key(_word(code), salt)
    try:
        facts = json.loads(AESGCM(key).decrypt(nonce, locked[head:], _bound(files)))
    except InvalidTag:
        text = "This is not the package's code, or the package was altered. Type it again."
        raise Refused("wrong-code", text) from None
    return CardData(facts["pan"], facts["track2"])


def _verified(package: Path, files: Mapping[str, bytes], identity: Bundle) -> UUID:
    """Whose card it is, by a certificate that is good now."""
    try:
        trust = trust_in(files[ROOT_FILE])
        holder = trust.verify(_chain(identity), time.time_ns() // 1_000_000)
    except ProtocolError as error:
        raise IdentityError(f"{package}: {P12_FILE}: {error.text}") from None
    except ValueError:
        raise IdentityError(f"{package}: {ROOT_FILE} is damaged") from None
    if holder.role != "card":
        raise IdentityError(f"{package} holds the identity of a {holder.role}, not of a card")
    return holder.subject_id


def _is_it(folder: Path, card_id: UUID) -> None:
    """A folder that is there already is ours only if it is this card, complete."""
    device = load_device(folder, "card")
    load_card(device)
    if device.id != card_id:
        raise IdentityError(f"{folder} is another card: give a new folder")


def _make(
    folder: Path, files: Mapping[str, bytes], identity: Bundle, card_id: UUID, card: CardData
) -> None:
    folder = folder.absolute()
    fresh = folder.with_name(f".{folder.name}.new")
    shutil.rmtree(fresh, ignore_errors=True)  # of a run that was killed
    key = identity.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    try:
        fresh.mkdir(mode=0o700, parents=True)  # new, so nobody else has a hand in it
        write_durably(fresh / KEY_FILE, key)
        store_card(fresh, FileKeyStore(fresh), card)
        write_identity(
            fresh,
            subject_id=str(card_id),
            role="card",
            gateway=read_gateway(files[PACKAGE_FILE]),
            chain_der=_chain(identity),
            root_pem=files[ROOT_FILE],
            tls=TlsFiles(files[TRUST_FILE], files[PEM_FILE], files[TLS_KEY_FILE]),
        )
        load_device(fresh, "card")  # a file that does not fit is found here, while nothing is lost
        fresh.rename(folder)
        sync_folder(folder.parent)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def _removed(package: Path) -> bool:
    """The card data first: a package without them is good for nothing."""
    with contextlib.suppress(OSError):
        for name in (LOCKED_FILE, *reversed(_BOUND)):
            (package / name).unlink()
        package.rmdir()
        return True
    return False


def _chain(identity: Bundle) -> list[bytes]:
    certificates = (identity.certificate, *identity.authorities)
    return [each.public_bytes(Encoding.DER) for each in certificates]


def _bound(files: Mapping[str, bytes]) -> bytes:
    """What the lock covers without hiding it."""
    named = b"".join(lp(name.encode()) + sha256(files[name]).digest() for name in _BOUND)
    return _LABEL + named


def _key(word: bytes, salt: bytes) -> bytes:
    return HKDF(SHA256(), 32, salt, _LABEL).derive(word)


def _word(code: str) -> bytes:
    return code_letters(code).encode()
