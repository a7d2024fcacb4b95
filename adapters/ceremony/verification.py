"""An auditor's check of a closed ceremony: offline, without the HSM, from its files alone."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256

from adapters.ceremony import checks as shared
from adapters.ceremony.checks import Check, Verdict
from adapters.ceremony.holding import is_open
from adapters.ceremony.new_root import KIND, MADE
from adapters.ceremony.new_root_checks import check_new_root
from adapters.ceremony.people import Plan
from adapters.ceremony.transcript import (
    TRANSCRIPT_FILE,
    Entry,
    TranscriptBroken,
    read_entries,
)

_CERTIFICATES: Final = ("root certificate", "issuing certificate", "TLS certificate")


def verify(folder: Path, known: Sequence[x509.Certificate] = ()) -> Verdict:
    """Everything that can be checked. `known`: the root certificates that the auditor knows.

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
        new_root = entries[0].facts.get("kind") == KIND
        root = shared.certificate(entries, MADE[0] if new_root else _CERTIFICATES[0])
        if new_root:
            checks += check_new_root(folder, entries, plan, known)
        else:
            checks += _first(folder, entries, plan, known)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError):
        return Verdict([*checks, Check("what the entries hold", False, "a fact is missing")])
    checks.append(Check(
        "the ceremony is closed", not is_open(folder), "its secrets lie there still"
    ))  # fmt: skip
    return Verdict(
        checks,
        entries[-1].hash,
        root.fingerprint(SHA256()).hex(),
        entries[0].at,
        plan.sandbox,
    )


def _first(
    folder: Path, entries: Sequence[Entry], plan: Plan, known: Sequence[x509.Certificate]
) -> list[Check]:
    """The ceremony that made everything."""
    names = (*_CERTIFICATES, "log key")
    needed = [
        "opening", *(f"present {person.name}" for person in plan.people), "pin", "token",
        *names, "split", *(f"share {number}" for number in range(1, len(plan.custodians) + 1)),
        "rehearsal", *(f"read {name}" for name in names), "closing",
    ]  # fmt: skip
    root, issuing, tls = (shared.certificate(entries, name) for name in _CERTIFICATES)
    checks = [shared.complete(entries, needed)]
    for what, leaf, issuer in (
        ("the root certificate signs itself", root, root),
        ("the root signed the issuing certificate", issuing, root),
        ("the TLS authority signs itself", tls, tls),
    ):
        right = shared.issued_by(leaf, issuer)
        checks.append(Check(what, right, "its signature does not verify"))
    checks.append(shared.read_aloud(entries, _CERTIFICATES))
    if known:
        text = "it is another root: this transcript is not of this installation"
        checks.append(Check("the root that you know", root in known, text))
    return checks + shared.signed(folder, entries, plan, root)
