"""What certificates lie in this state folder and when they end, read without the HSM.

TLS classes and their authorities, the private PKI's own, the servers' and the people's. Devices
are elsewhere, and their certificates are in the ledger.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256

from adapters.tls import COMMON_NAME

WARN_DAYS: Final = 30
URGENT_DAYS: Final = 7
_CHAINS: Final = (
    "tls/*.pem",
    "pki/*.pem",
    "pki/*/certificate.pem",
    "pki/*/tls.pem",
    "operators/*/certificate.pem",
    "operators/*/tls.pem",
)


@dataclass(frozen=True, slots=True)
class Listed:
    """One certificate in one file. `file` is relative to the state folder."""

    file: str
    subject: str
    issuer: str
    serial: str
    sha256: str
    not_before: datetime
    not_after: datetime

    @property
    def holder(self) -> str:
        """The TLS class, for the certificate of one."""
        return self.subject.removeprefix(COMMON_NAME) if self.is_tls_class else ""

    @property
    def is_tls_class(self) -> bool:
        """Whether it is of a class, not of an individual or an authority."""
        return self.subject.startswith(COMMON_NAME) and not self.subject.startswith(
            COMMON_NAME + "CA"
        )

    def days_left(self, now: datetime) -> int:
        """Whole days until it ends; negative once it has ended."""
        return (self.not_after - now).days

    def state(self, now: datetime) -> str:
        """`ok`, `soon` (30 days), `urgent` (7 days), `expired`, `not-yet` (begins later)."""
        if now < self.not_before:
            return "not-yet"
        if now >= self.not_after:
            return "expired"
        days = self.days_left(now)
        if days < URGENT_DAYS:
            return "urgent"
        return "soon" if days < WARN_DAYS else "ok"

    def as_json(self, now: datetime) -> dict[str, Any]:
        """For programs."""
        return {
            "file": self.file,
            "subject": self.subject,
            "issuer": self.issuer,
            "serial": self.serial,
            "sha256": self.sha256,
            "not_before": self.not_before.isoformat(),
            "not_after": self.not_after.isoformat(),
            "days_left": self.days_left(now),
            "state": self.state(now),
        }


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A file that should hold a certificate and does not."""

    file: str
    why: str


def inventory(home: Path) -> list[Listed | Unreadable]:
    """Every certificate of the state folder, by file and place in it."""
    return [
        each
        for pattern in _CHAINS
        for path in sorted(home.glob(pattern))
        for each in _listed(path, path.relative_to(home).as_posix())
    ]


def warnings(found: list[Listed | Unreadable], now: datetime) -> list[str]:
    """A sentence for each certificate that ends soon or cannot be used; the worst first."""
    said: list[tuple[int, str]] = []
    for each in found:
        if isinstance(each, Unreadable):
            said.append((-1, f"{each.file}: {each.why}"))
            continue
        state, days = each.state(now), each.days_left(now)
        day = each.not_after.date().isoformat()
        if state == "expired":
            said.append((days, f"{each.file}: the certificate of {each.subject} ended on {day}"))
        elif state == "not-yet":
            begins = each.not_before.isoformat()
            said.append((-1, f"{each.file}: the certificate of {each.subject} begins at {begins}"))
        elif state != "ok":
            left = f"in {days} days" if days != 1 else "in one day"
            text = f"{each.file}: the certificate of {each.subject} ends {left}, on {day}"
            said.append((days, text))
    return [text for _, text in sorted(said)]


def _listed(path: Path, name: str) -> Iterator[Listed | Unreadable]:
    try:
        chain = x509.load_pem_x509_certificates(path.read_bytes())
    except OSError as error:
        yield Unreadable(name, f"cannot be read: {error.strerror}")
        return
    except ValueError:
        yield Unreadable(name, "holds no certificate")
        return
    for each in chain:
        yield Listed(
            file=name,
            subject=_common_name(each.subject),
            issuer=_common_name(each.issuer),
            serial=format(each.serial_number, "x"),
            sha256=each.fingerprint(SHA256()).hex(),
            not_before=each.not_valid_before_utc,
            not_after=each.not_valid_after_utc,
        )


def _common_name(name: x509.Name) -> str:
    found = name.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    return str(found[0].value) if found else name.rfc4514_string()
