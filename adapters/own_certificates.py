"""The certificates without which this backend does not go on: which those are, and their state.

Read from the state folder, where a rotation writes the next one before it is taken into use.
"""

from collections.abc import Callable, Collection
from pathlib import Path
from typing import Final, Protocol

from cryptography import x509

from adapters.backend.revocations import Issued
from adapters.hsm.authority import Authority
from adapters.hsm.installation import BACKEND_CERTIFICATE, PIN_CERTIFICATE

_ROTATE: Final = "Put the next one in its place first, with: ticketrestaurant hsm rotate "
_OWN: Final = {
    "PIN-ENC": (PIN_CERTIFICATE, "Devices seal PINs to the key of this chain. "),
    "BACKEND-ID": (BACKEND_CERTIFICATE, "The backend proves itself by this chain. "),
}
_NEWEST_ROOT: Final = "New authorities are signed by this root. " + _ROTATE + "CA-ROOT"
_ROOT_SHOWN: Final = (
    "The backend proves itself, or the key for PINs, under this root. Rotate BACKEND-ID and PIN-ENC"
    " first, with: ticketrestaurant hsm rotate"
)


class Known(Protocol):
    """What the ledger says: `adapters.backend.revocations.Revocations`."""

    def is_revoked(self, serial: int) -> bool: ...

    def only_under(self, issuers: Collection[bytes], now_us: int) -> list[Issued]: ...


class OwnCertificates:
    """For any thread."""

    def __init__(
        self,
        home: Path,
        authority: Authority,
        revocations: Known,
        now_us: Callable[[], int],
    ) -> None:
        self._home, self._authority, self._revocations = home, authority, revocations
        self._now_us = now_us

    def needed(self) -> dict[str, str]:
        """By serial, in hex: what must be done before that one can be revoked."""
        found: dict[str, str] = {}
        for key, (file, why) in _OWN.items():
            for each in _chain(self._home / file):
                found[_hex(each)] = why + _ROTATE + key
        for generation in self._authority.roots.issuers:
            root = self._authority.roots.issuers[generation].certificate
            if generation == self._authority.roots.generation:
                found[_hex(root)] = _NEWEST_ROOT
            elif self._needs(generation):
                found[_hex(root)] = _ROOT_SHOWN
        issuing = _hex(self._authority.issuing)
        found[issuing] = "New certificates are signed by this one. " + _ROTATE + "CA-ISSUING"
        return found

    def cut_off(self) -> dict[str, list[Issued]]:
        """By serial of an older root, in hex: who could not log in any more without it."""
        roots, issuers = self._authority.roots, self._authority.issuers.values()
        if len(roots.issuers) == 1:
            return {}
        newest = roots.generation
        old = [each.certificate for each in issuers if roots.above(each.certificate) < newest]
        # An event without one is from before there was a second root.
        ids = {b"", *map(_key_id, old)}
        found = self._revocations.only_under(ids, self._now_us())
        return {_hex(each): found for each in roots.in_force if each != roots.newest}

    def _needs(self, root: int) -> bool:
        """Whether what the backend shows is under that root."""
        roots = self._authority.roots
        chains = [_chain(self._home / file) for file, _ in _OWN.values()]
        return any(roots.above(chain[1]) == root for chain in chains if len(chain) > 1)

    def warnings(self) -> dict[str, str]:
        """For a health check: which of them are revoked all the same, and what to do."""
        chains = {key: _chain(self._home / file) for key, (file, _) in _OWN.items()}
        chains = {"CA-ISSUING": [self._authority.issuing], **chains}
        ended = [
            key
            for key, chain in chains.items()
            if any(self._revocations.is_revoked(each.serial_number) for each in chain)
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


def _key_id(certificate: x509.Certificate) -> bytes:
    return certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest


def _hex(certificate: x509.Certificate) -> str:
    return format(certificate.serial_number, "x")
