"""The certificates without which this backend does not go on: which those are, and their state.

Read from the state folder, where a rotation writes the next one before it is taken into use.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Final

from cryptography import x509

from adapters.hsm.authority import Authority
from adapters.hsm.installation import BACKEND_CERTIFICATE, PIN_CERTIFICATE

_ROTATE: Final = "Put the next one in its place first, with: ticketrestaurant hsm rotate "
_OWN: Final = {
    "PIN-ENC": (PIN_CERTIFICATE, "Devices seal PINs to the key of this chain. "),
    "BACKEND-ID": (BACKEND_CERTIFICATE, "The backend proves itself by this chain. "),
}


class OwnCertificates:
    """For any thread. `is_revoked` is asked with serials."""

    def __init__(self, home: Path, authority: Authority, is_revoked: Callable[[int], bool]) -> None:
        self._home, self._authority, self._is_revoked = home, authority, is_revoked

    def needed(self) -> dict[str, str]:
        """By serial, in hex: what must be done before that one can be revoked."""
        found: dict[str, str] = {}
        for key, (file, why) in _OWN.items():
            for each in _chain(self._home / file):
                found[_hex(each)] = why + _ROTATE + key
        issuing = _hex(self._authority.issuing)
        found[issuing] = "New certificates are signed by this one. " + _ROTATE + "CA-ISSUING"
        return found

    def warnings(self) -> dict[str, str]:
        """For a health check: which of them are revoked all the same, and what to do."""
        chains = {key: _chain(self._home / file) for key, (file, _) in _OWN.items()}
        chains = {"CA-ISSUING": [self._authority.issuing], **chains}
        ended = [
            key
            for key, chain in chains.items()
            if any(self._is_revoked(each.serial_number) for each in chain)
        ]
        if not ended:
            return {}
        told = ", then ".join(f"ticketrestaurant hsm rotate {key}" for key in ended)
        return {"revoked": f"revoked, and still in use: {', '.join(ended)}; give: {told}"}


def _chain(path: Path) -> list[x509.Certificate]:
    """Empty where there is none to be read: whoever needs it says so."""
    try:
        return x509.load_pem_x509_certificates(path.read_bytes())
    except (OSError, ValueError):
        return []


def _hex(certificate: x509.Certificate) -> str:
    return format(certificate.serial_number, "x")
