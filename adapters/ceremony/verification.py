"""An auditor's check of a closed ceremony: offline, without the HSM, from its files alone."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256

from adapters.ceremony.conduct import TRANSCRIPT_FILE
from adapters.ceremony.holding import PDF_FILE, TEXT_FILE, is_open
from adapters.ceremony.people import Plan
from adapters.ceremony.rendering import as_text
from adapters.ceremony.signatures import SIGNATURES_FILE, Signatures, root_verifies, verifies
from adapters.ceremony.transcript import Entry, TranscriptBroken, read_entries

_CERTIFICATES: Final = ("root certificate", "issuing certificate", "TLS certificate")


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


def verify(folder: Path, root: x509.Certificate | None = None) -> Verdict:
    """Everything that can be checked. `root`: the root certificate that the auditor knows.

    Raises OSError where a file is missing.
    """
    try:
        entries = read_entries((folder / TRANSCRIPT_FILE).read_bytes())
        if not entries:
            raise TranscriptBroken("it is empty")
    except TranscriptBroken as error:
        return Verdict([Check("the chain of entries", False, str(error))])
    checks = [Check("the chain of entries", True)]
    try:
        plan = Plan.from_json(entries[0].facts)
        checks.append(_complete(entries, plan))
        own_root = _certificate(entries, _CERTIFICATES[0])
        checks += _certified(entries, own_root, root)
    except (KeyError, TypeError, ValueError, IndexError):
        return Verdict([*checks, Check("what the entries hold", False, "a fact is missing")])
    checks += _signed(folder, entries, plan, own_root)
    checks.append(Check(
        "the ceremony is closed", not is_open(folder), "its secrets lie there still"
    ))  # fmt: skip
    return Verdict(
        checks,
        entries[-1].hash,
        own_root.fingerprint(SHA256()).hex(),
        entries[0].at,
        plan.sandbox,
    )


def _complete(entries: list[Entry], plan: Plan) -> Check:
    """Every step of the script is there, and none is missing in between."""
    steps = [entry.step for entry in entries]
    needed = [
        "opening", *(f"present {person.name}" for person in plan.people), "pin", "token",
        *(f"{name}" for name in _CERTIFICATES), "log key", "split",
        *(f"share {number}" for number in range(1, len(plan.custodians) + 1)), "rehearsal",
        *(f"read {name}" for name in (*_CERTIFICATES, "log key")), "closing",
    ]  # fmt: skip
    missing = [name for name in needed if name not in steps]
    in_order = [step for step in steps if step in needed] == needed
    closed = steps[-1] == "closing"
    why = f"missing: {', '.join(missing)}" if missing else "steps are out of order"
    return Check("every step, in order", not missing and in_order and closed, why)


def _certified(
    entries: list[Entry], own_root: x509.Certificate, known: x509.Certificate | None
) -> list[Check]:
    issuing, tls = (_certificate(entries, name) for name in _CERTIFICATES[1:])
    checks = []
    for what, leaf, issuer in (
        ("the root certificate signs itself", own_root, own_root),
        ("the root signed the issuing certificate", issuing, own_root),
        ("the TLS authority signs itself", tls, tls),
    ):
        checks.append(Check(what, _issued_by(leaf, issuer), "its signature does not verify"))
    same = all(
        _fact(entries, name, "sha256") == _certificate(entries, name).fingerprint(SHA256()).hex()
        == _fact(entries, f"read {name}", "sha256")
        for name in _CERTIFICATES
    )  # fmt: skip
    checks.append(Check("the fingerprints that were read aloud", same, "one is of another key"))
    if known is not None:
        text = "it is another root: this transcript is not of this installation"
        checks.append(Check("the root that you know", known == own_root, text))
    return checks


def _signed(
    folder: Path, entries: list[Entry], plan: Plan, own_root: x509.Certificate
) -> list[Check]:
    try:
        signatures = Signatures.read((folder / SIGNATURES_FILE).read_bytes())
    except ValueError:
        return [Check("the signatures", False, f"{SIGNATURES_FILE} is damaged")]
    head = entries[-1].hash
    checks = [
        Check("the signatures are over the last entry", signatures.head == head, "another hash"),
        Check(
            "the root key's signature", root_verifies(own_root, signatures.root, head), "is wrong"
        ),
    ]
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


def _certificate(entries: list[Entry], name: str) -> x509.Certificate:
    return x509.load_pem_x509_certificate(str(_fact(entries, name, "pem")).encode())


def _fact(entries: list[Entry], step: str, name: str) -> Any:
    return next(entry for entry in entries if entry.step == step).facts[name]


def _issued_by(leaf: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        leaf.verify_directly_issued_by(issuer)
    except Exception:  # cryptography raises several kinds; all mean no
        return False
    return True
