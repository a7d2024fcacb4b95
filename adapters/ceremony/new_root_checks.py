"""What a closed ceremony for a new root is held to: the root before, and the first ceremony."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from cryptography import x509

from adapters.ceremony import checks as shared
from adapters.ceremony.checks import Check
from adapters.ceremony.first import read_first
from adapters.ceremony.new_root import MADE, PRESENT, READ
from adapters.ceremony.order import ORDER, folder_of
from adapters.ceremony.people import Plan
from adapters.ceremony.transcript import TRANSCRIPT_FILE, Entry, TranscriptBroken, read_entries

_FIRST: Final = "the first ceremony's custodians, and enough of them"


def check_new_root(
    folder: Path, entries: Sequence[Entry], plan: Plan, known: Sequence[x509.Certificate]
) -> list[Check]:
    """All but the chain of entries. Raises OSError, KeyError, TypeError, ValueError."""
    root, link, issuing = (shared.certificate(entries, name) for name in MADE)
    before = shared.certificate(entries, PRESENT)
    checks = [shared.complete(entries, _needed(entries, plan))]
    for what, leaf, issuer in (
        ("the root certificate signs itself", root, root),
        ("the root before signed the link", link, before),
        ("the root signed the issuing certificate", issuing, root),
    ):
        right = shared.issued_by(leaf, issuer)
        checks.append(Check(what, right, "its signature does not verify"))
    same = link.public_key() == root.public_key() != before.public_key()
    checks.append(Check("the link is to the new root's key", same, "it is to another key"))
    checks.append(shared.read_aloud(entries, READ))
    order = next((entry.hash for entry in entries if entry.step == ORDER), "")
    named = shared.fact(entries, "rotated", "order") == order
    checks.append(Check("the operators' command names the order", named, "it names another line"))
    ceremonies = folder.absolute().parent
    checks.append(_custodians(ceremonies, entries, plan))
    checks += _made_before(ceremonies, int(entries[0].facts["generation"]), before)
    if known:
        text = "it is neither the new root nor the one before: not of this installation"
        checks.append(Check("the root that you know", bool({root, before} & set(known)), text))
    return checks + shared.signed(folder, entries, plan, root, before)


def _made_before(ceremonies: Path, generation: int, before: x509.Certificate) -> list[Check]:
    """By the transcript of the ceremony that made the root before, where that lies there."""
    path = folder_of(ceremonies, generation - 1) / TRANSCRIPT_FILE
    name = MADE[0]
    if generation == 2:
        path, name = ceremonies / TRANSCRIPT_FILE, "root certificate"
    if not path.exists():
        return []
    what = "the root before is that of the ceremony before"
    try:
        made = shared.certificate(read_entries(path.read_bytes()), name)
    except (TranscriptBroken, KeyError, ValueError):
        return [Check(what, False, "its transcript is broken")]
    return [Check(what, made == before, "it is another root")]


def _needed(entries: Sequence[Entry], plan: Plan) -> list[str]:
    shares = entries[0].facts["shares"]
    return [
        "opening", *(f"present {person.name}" for person in plan.people), "state",
        *(f"share {shares[person.name]}" for person in plan.custodians), "proof",
        PRESENT, f"read {PRESENT}", ORDER, "rotated", *MADE,
        *(f"read {name}" for name in READ[1:]), "distribution", "backup", "closing",
    ]  # fmt: skip


def _custodians(ceremonies: Path, entries: Sequence[Entry], plan: Plan) -> Check:
    """By the transcript of the first ceremony, which lies around this one's folder."""
    try:
        first = read_first(ceremonies)
    except TranscriptBroken as error:
        return Check(_FIRST, False, f"its transcript is broken: {error}")
    if first is None:
        text = "its transcript is not here: verify this folder where it lies, in ceremony/"
        return Check(_FIRST, False, text)
    if first.head != entries[0].facts["first"]:
        return Check(_FIRST, False, "the first ceremony here is another one")
    given = {
        int(entry.facts["number"]): str(entry.facts["fingerprint"])
        for entry in entries
        if entry.step.startswith("share ")
    }
    right = all(first.shares.get(number) == each for number, each in given.items())
    enough = len(given) >= first.plan.threshold == plan.threshold
    return Check(_FIRST, right and enough, "a share is another one, or one is missing")
