"""The exchange of an identity's key and certificate for the next ones, whole or not at all.

What is next is complete in a folder beside the current files before any of those is touched; an
exchange that was interrupted is finished at the next start.
"""

import json
import shutil
from pathlib import Path
from typing import Any, Final

from cryptography import x509

from devices.durable import write_durably
from devices.identity_files import CERTIFICATE_FILE, IDENTITY_FILE
from devices.keystore import KEY_FILE

NEXT_FOLDER: Final = "next"
COMPLETE: Final = "complete"
"""A file in that folder: everything is there."""


def finish(folder: Path) -> None:
    """Ends an exchange that was begun; does nothing where none was."""
    waiting = folder / NEXT_FOLDER
    if not (waiting / COMPLETE).exists():
        return
    pem = (waiting / CERTIFICATE_FILE).read_bytes()
    write_durably(folder / KEY_FILE, (waiting / KEY_FILE).read_bytes())
    write_durably(folder / CERTIFICATE_FILE, pem)
    facts: dict[str, Any] = json.loads((folder / IDENTITY_FILE).read_text("utf-8"))
    facts["serial"] = format(x509.load_pem_x509_certificates(pem)[0].serial_number, "x")
    write_durably(folder / IDENTITY_FILE, json.dumps(facts, indent=1).encode() + b"\n")
    shutil.rmtree(waiting)
