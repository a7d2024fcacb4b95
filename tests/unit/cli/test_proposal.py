"""`proposal`: nobody approves what was not shown, nor as somebody by default."""

import sys
from hashlib import sha256
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from adapters.backend.operator_ports import Rows
from domain.suspicion import DEFAULTS
from protocol.encoding import b64, to_json
from tests.unit.backend.operator_double import DirectoryDouble
from tests.unit.cli.backend_double import BackendDouble
from tests.unit.cli.conftest import Program

PROPOSAL = "01a20ada-2c00-8007-8000-000000000009"
CERTIFICATE = "01a20ada-2c00-8007-8000-00000000000b"
REVOKE = {"certificates": [CERTIFICATE, str(UUID(int=5))], "why": "the shop\x1b[2J closed"}
POLICY = {"profiles": [{"role": "pos", "valid_days": 365, "check": "human"}], "why": "audit"}
ERASE = {"cardholder": CERTIFICATE, "why": "asked for it"}
RULES = msgspec.structs.asdict(DEFAULTS)
ROTATE = {"key": "K_DB", "generation": 2, "why": "every year"}
_KEY = ec.generate_private_key(ec.SECP256R1())
_REQUEST = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
CSR = b64(_REQUEST.sign(_KEY, SHA256()).public_bytes(Encoding.DER))
_SPKI = _KEY.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
KEY_SHA256 = sha256(_SPKI).hexdigest()


def has_proposal(directory: DirectoryDouble, shown: Rows) -> None:
    def proposal(id: UUID) -> Rows:
        return shown

    directory.proposal = proposal  # type: ignore[method-assign]


def proposed(backend: BackendDouble, verb: str, body: dict[str, Any], *about: Any) -> str:
    """Lets the backend have a proposal; its hash."""
    command = {"verb": verb, "command_id": str(uuid4()), "issued_ms": 1, "body": body}
    raw = to_json(command)
    digest = sha256(raw).hexdigest()
    directory = backend.outside.directory
    directory.rows = [
        {
            "proposal": PROPOSAL,
            "status": "waiting",
            "verb": verb,
            "summary": "a summary",
            "proposer": str(UUID(int=1)),
            "command_hash": digest,
        }
    ]
    shown = [{"piece": b64(raw[:40])}, {"piece": b64(raw[40:])}, *about]
    has_proposal(directory, shown)
    return digest


@pytest.mark.parametrize(
    ("verb", "body", "about", "lines"),
    [
        (
            "REVOKE", REVOKE,
            [{"about": "certificate", "certificate": CERTIFICATE, "serial": "2f90", "role": "pos",
              "holder": "h", "revoked": False}],
            ["certificate  2f90 (pos) of h", "which is not on record", "the shop�[2J closed"],
        ),
        (
            "POLICY", POLICY,
            [{"about": "profile", "role": "pos", "valid_days": 730, "check": "human"}],
            ["valid days: 730 → 365", "check: stays human", "audit"],
        ),
        (
            "ERASE", ERASE,
            [{"about": "cardholder", "cardholder": CERTIFICATE, "name": "Ana Diaz",
              "company": "c"}],
            [f"cardholder   {CERTIFICATE}", "Ana Diaz, company c", "cannot be undone"],
        ),
        ("ROTATE", ROTATE, [], ["K_DB: generation 1 → 2", "every year"]),
        (
            "WATCH", {"rules": RULES | {"burst_count": 5}, "why": "holidays"},
            [{"about": "watch", **RULES}],
            ["  payments in a burst: 8 → 5\n  why          holidays"],
        ),
        (
            "CORRECT", {"lines": [{"payment": "p", "amount_cents": 108}], "why": "typo"}, [],
            ["  lines        amount $1.08, payment p\n  why          typo"],
        ),
        (
            "TLS",
            {"what": "certificate",
             "requests": [{"holder": "gateway", "csr": CSR, "names": ["localhost", "127.0.0.1"]},
                          {"holder": "pos", "csr": "AAAA"}]},
            [],
            ["certificate  of gateway, further names: localhost, 127.0.0.1",
             f"key of SHA-256 {KEY_SHA256}", "of pos, further names: none", "cannot be read"],
        ),
        (
            "TLS", {"what": "authority", "replaces": "ab"}, [],
            ["authority    a new one after that of SHA-256 ab"],
        ),
        (
            "TLS", {"what": "retire", "keeps": "ab"}, [],
            ["trust        no authority before that of SHA-256 ab"],
        ),
        ("ALERT", {"alert": "ab", "why": "odd"}, [], ["alert        ab"]),
    ],
)  # fmt: skip
def test_it_is_shown_what_exactly_would_be_done(
    program: Program,
    backend: BackendDouble,
    verb: str,
    body: dict[str, Any],
    about: list[Any],
    lines: list[str],
) -> None:
    digest = proposed(backend, verb, body, *about)
    backend.outside.hsm.key_rows = [
        {"key": "K_DB", "generation": 1, "in_use": True, "sound": True},
        {"key": "K_CVV", "generation": 4, "in_use": True, "sound": True},
    ]
    out = program("proposal", "show", PROPOSAL).out
    assert all(line in out for line in [*lines, digest]), out
    assert "\x1b" not in out
    assert program.json("proposal", "show", PROPOSAL)["command"]["body"] == body
    assert digest in program("proposal", "list").out


def test_bytes_that_are_not_those_of_the_hash_are_not_approved(
    program: Program, backend: BackendDouble
) -> None:
    proposed(backend, "ERASE", ERASE)
    backend.outside.directory.rows[0]["command_hash"] = "0" * 64
    for command in (("show", PROPOSAL), ("approve", PROPOSAL, "--as", "operator-2")):
        ended = program("proposal", *command)
        assert (ended.status, "not the one that was proposed" in ended.err) == (4, True)


def test_who_approves_says_who_that_is(program: Program, backend: BackendDouble) -> None:
    proposed(backend, "ERASE", ERASE)
    for command in (("approve", PROPOSAL), ("reject", PROPOSAL, "--why", "no")):
        ended = program("proposal", *command)
        assert (ended.status, "--as" in ended.err) == (2, True)


@pytest.mark.parametrize(("said", "status"), [("y", 1), ("n", 1)])
def test_at_a_terminal_it_is_asked_after_it_was_shown(
    program: Program,
    backend: BackendDouble,
    monkeypatch: pytest.MonkeyPatch,
    said: str,
    status: int,
) -> None:
    proposed(backend, "ERASE", ERASE)
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    asked: list[str] = []

    def confirm(text: str, **_: Any) -> bool:
        asked.append(text)
        return said == "y"

    monkeypatch.setattr("typer.confirm", confirm)
    ended = program("proposal", "approve", PROPOSAL, "--as", "operator-2")
    assert asked == ["Approve it as operator-2?"]
    assert ended.status == status
    # The double's engine knows no such proposal: with a yes it was asked.
    assert ("no proposal with that id" in ended.err) == (said == "y")
    assert f"cardholder   {CERTIFICATE}" in ended.err
    program("proposal", "approve", PROPOSAL, "--as", "operator-2", "--yes")
    assert len(asked) == 1
