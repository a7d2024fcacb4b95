"""The certificates that were issued, as files beside the HSM: never in the database (seed 5.4).

Who asks for one again because its answer was lost gets it from here; so does whoever looks at the
directory. A file without an event in the ledger is worth nothing.
"""

import os
import re
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

_SERIAL = re.compile("[1-9a-f][0-9a-f]{0,39}")


class CertificateStore:
    """`<home>/pki/issued/`, a DER file for each serial number. Methods raise OSError."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def put(self, certificate: x509.Certificate) -> None:
        """Keeps it, durably."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = self._path(format(certificate.serial_number, "x"))
        new = path.with_suffix(".new")
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
        with os.fdopen(os.open(new, flags, 0o600), "wb") as file:
            file.write(certificate.public_bytes(Encoding.DER))
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)

    def get(self, serial: str) -> bytes | None:
        """Its DER, None where it is not here."""
        try:
            return self._path(serial).read_bytes()
        except FileNotFoundError:
            return None

    def _path(self, serial: str) -> Path:
        if _SERIAL.fullmatch(serial) is None:
            raise ValueError("no serial number")
        # Two letters a folder: a hundred thousand files in one are slow to list.
        place = self._folder / serial[-2:]
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        return place / f"{serial}.der"
