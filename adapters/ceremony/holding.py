"""A ceremony held in a state folder: begun, gone on with, and closed with its signed documents."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from adapters.ceremony import signatures as signing
from adapters.ceremony.conduct import Conduct
from adapters.ceremony.desk import Abandoned, Desk
from adapters.ceremony.hsm import CeremonyHsm
from adapters.ceremony.open_secrets import FILE, OpenSecrets
from adapters.ceremony.people import Plan, PlanError
from adapters.ceremony.rendering import as_text
from adapters.ceremony.signatures import SIGNATURES_FILE, Signatures
from adapters.ceremony.transcript import TRANSCRIPT_FILE, Transcript, TranscriptBroken
from devices.durable import write_durably

TEXT_FILE: Final = "transcript.txt"
PDF_FILE: Final = "transcript.pdf"
ByRoots = Callable[[str], tuple[str, str]]
"""The signatures of a transcript's head by the root key, and by the one before if there is one."""


class NotAgain(Exception):
    """A ceremony was held here, or the HSM has its keys already: nothing was touched."""


def is_open(folder: Path) -> bool:
    """Whether a ceremony was begun here and is not closed."""
    return (folder / FILE).exists()


def hold(
    folder: Path,
    hsm: CeremonyHsm,
    desk: Desk,
    plan: Plan | None,
    *,
    given_pin: str = "",
    key_files: Mapping[str, str] | None = None,
) -> Transcript:
    """Begins a ceremony, or goes on with the one that is open; returns when it is closed.

    `given_pin`: of an HSM that its maker's tools initialised. Raises NotAgain, PlanError,
    Abandoned, TranscriptBroken, HsmUnavailable, OSError.
    """
    secrets = OpenSecrets.open(folder)
    if secrets is None:
        secrets = _begin(folder, hsm, plan, given_pin, key_files or {})
    transcript = Transcript.open(folder / TRANSCRIPT_FILE)

    def signed(head: str) -> tuple[str, str]:
        return hsm.sign(secrets.pin, head), ""

    if (folder / SIGNATURES_FILE).exists():  # interrupted between signing and erasing
        finish(folder, transcript, secrets, signed)
        return transcript
    secrets.check(transcript)
    opening = transcript.find("opening")
    if opening is not None:
        recorded = recorded_plan(opening.facts)
        if plan is not None and plan != recorded:
            raise PlanError("a ceremony with other people is open here: go on without naming any")
        plan = recorded
    if plan is None:
        raise PlanError("the ceremony was interrupted before its opening: name its people again")
    Conduct(plan, transcript, secrets, hsm, desk).run()
    finish(folder, transcript, secrets, signed)
    return transcript


def _begin(
    folder: Path,
    hsm: CeremonyHsm,
    plan: Plan | None,
    given_pin: str,
    key_files: Mapping[str, str],
) -> OpenSecrets:
    if (folder / TRANSCRIPT_FILE).exists():
        raise NotAgain(f"a ceremony was held here: {folder / TRANSCRIPT_FILE}")
    if hsm.is_provisioned(given_pin):
        raise NotAgain("the HSM has its keys already: a ceremony would be about other ones")
    if plan is None:
        raise PlanError("name the people of the ceremony: --administrator, --witness, --custodian")
    check_key_files(plan, key_files)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return OpenSecrets(
        folder / FILE, pin=given_pin, pin_given=bool(given_pin), key_files=dict(key_files)
    )


def check_key_files(plan: Plan, key_files: Mapping[str, str]) -> None:
    """That each is a key of somebody who takes part. Raises PlanError, KeyFileError."""
    unknown = set(key_files) - {person.name for person in plan.people}
    if unknown:
        raise PlanError(f"a key is given for {min(unknown)}, who does not take part")
    for path in key_files.values():
        signing.own_key(Path(path))


def recorded_plan(facts: Mapping[str, object]) -> Plan:
    """Of an opening. Raises TranscriptBroken."""
    try:
        return Plan.from_json(facts)
    except (KeyError, TypeError, ValueError):
        raise TranscriptBroken("the opening names no participants") from None


def finish(folder: Path, transcript: Transcript, secrets: OpenSecrets, by_roots: ByRoots) -> None:
    """Signatures once, documents, and nothing secret left."""
    path = folder / SIGNATURES_FILE
    if not path.exists():
        write_durably(path, _signed(transcript, secrets, by_roots).as_json())
    signatures = Signatures.read(path.read_bytes())
    from adapters.ceremony.pdf import as_pdf

    write_durably(folder / TEXT_FILE, as_text(transcript.entries, signatures))
    write_durably(folder / PDF_FILE, as_pdf(transcript.entries, signatures))
    secrets.erase()


def _signed(transcript: Transcript, secrets: OpenSecrets, by_roots: ByRoots) -> Signatures:
    head = transcript.head
    people = {}
    for each in transcript.entries[0].facts["keys"]:
        name = each["name"]
        if each["own_key"]:
            key = signing.own_key(Path(secrets.key_files[name]))
        else:
            key = signing.private_key(secrets.keys[name].encode())
        if signing.public_pem(key) != each["public_key"]:
            raise Abandoned(f"the key file of {name} holds another key than at the opening")
        people[name] = signing.sign(key, head)
    root, before = by_roots(head)
    return Signatures(head, root, people, before)
