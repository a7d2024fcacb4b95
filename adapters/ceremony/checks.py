"""What checks of closed ceremonies share: a check, a verdict, and what both kinds are held to."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256

from adapters.ceremony.holding import PDF_FILE, TEXT_FILE
from adapters.ceremony.people import Plan
from adapters.ceremony.rendering import as_text
from adapters.ceremony.signatures import SIGNATURES_FILE, Signatures, root_verifies, verifies
from adapters.ceremony.transcript import Entry


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at."""

    what: str
    ok: bool
    why: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """All checks, and what an auditor compares with the printed and signed paper."""

    checks: list[Check]
    head: str = ""
    root_sha256: str = ""
    held: str = ""
    sandbox: bool = False

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return all(check.ok for check in self.checks)


def complete(entries: Sequence[Entry], needed: Sequence[str]) -> Check:
    """Every step of the script is there, and none is missing in between."""
    steps = [entry.step for entry in entries]
    missing = [name for name in needed if name not in steps]
    in_order = [step for step in steps if step in needed] == list(needed)
    closed = steps[-1] == "closing"
    why = f"missing: {', '.join(missing)}" if missing else "steps are out of order"
    return Check("every step, in order", not missing and in_order and closed, why)


def read_aloud(entries: Sequence[Entry], names: Sequence[str]) -> Check:
    """The fingerprints that were written and read are those of the certificates."""
    same = all(
        fact(entries, name, "sha256") == certificate(entries, name).fingerprint(SHA256()).hex()
        == fact(entries, f"read {name}", "sha256")
        for name in names
    )  # fmt: skip
    return Check("the fingerprints that were read aloud", same, "one is of another key")


def signed(
    folder: Path,
    entries: Sequence[Entry],
    plan: Plan,
    root: x509.Certificate,
    before: x509.Certificate | None = None,
) -> list[Check]:
    """The signatures, of the root key, that of the one before where there is one, and the people;
    and that the documents show these entries. Raises OSError, KeyError."""
    try:
        signatures = Signatures.read((folder / SIGNATURES_FILE).read_bytes())
    except ValueError:
        return [Check("the signatures", False, f"{SIGNATURES_FILE} is damaged")]
    head = entries[-1].hash
    by_root = root_verifies(root, signatures.root, head)
    checks = [
        Check("the signatures are over the last entry", signatures.head == head, "another hash"),
        Check("the root key's signature", by_root, "is wrong"),
    ]
    if before is not None:
        right = root_verifies(before, signatures.before, head)
        checks.append(Check("the signature of the root key before", right, "is wrong or missing"))
    keys = {str(each["name"]): str(each["public_key"]) for each in entries[0].facts["keys"]}
    for person in plan.people:
        signature = signatures.people.get(person.name, "")
        right = verifies(keys.get(person.name, ""), signature, head)
        checks.append(Check(f"the signature of {person.name}", right, "is wrong or missing"))
    checks.append(_document(folder / TEXT_FILE, as_text(entries, signatures)))
    if (folder / PDF_FILE).exists():
        from adapters.ceremony.pdf import as_pdf

        checks.append(_document(folder / PDF_FILE, as_pdf(entries, signatures)))
    return checks


def _document(path: Path, expected: bytes) -> Check:
    same = path.exists() and path.read_bytes() == expected
    return Check(f"{path.name} shows these entries", same, "it differs from them")


def certificate(entries: Sequence[Entry], name: str) -> x509.Certificate:
    """The one that a step wrote down. Raises StopIteration, KeyError, ValueError."""
    return x509.load_pem_x509_certificate(str(fact(entries, name, "pem")).encode())


def fact(entries: Sequence[Entry], step: str, name: str) -> Any:
    """Of a step. Raises KeyError where either is missing."""
    for entry in entries:
        if entry.step == step:
            return entry.facts[name]
    raise KeyError(step)


def issued_by(leaf: x509.Certificate, issuer: x509.Certificate) -> bool:
    """Whether it was signed with the issuer's key, under its name."""
    try:
        leaf.verify_directly_issued_by(issuer)
    except Exception:  # cryptography raises several kinds; all mean no
        return False
    return True
