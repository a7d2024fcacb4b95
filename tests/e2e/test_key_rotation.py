"""Keys of the HSM change under terminals that pay on; what older keys made holds on."""

import asyncio
import shutil
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from adapters import hsm_choice
from adapters.audit.folder import keys_in
from adapters.audit.note import verify
from adapters.backend.found_generations import ACTOR
from adapters.hsm.provision import make_key, spec_of
from domain.aggregates.key import KeyRotated
from tests.e2e.books import Books
from tests.e2e.bystander import Bystander
from tests.e2e.installation import Installation, until
from tests.e2e.tills import Till, Tills
from tests.e2e.town import Town, found_town

ALONE = ("K_CVV", "K_PVV", "PIN-ENC", "BACKEND-ID", "K_INDEX", "LOG")
BY_TWO = ("CA-ISSUING", "K_DB")


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """An installation of its own: its keys change."""
    made = Installation(tmp_path_factory.mktemp("keys"))
    try:
        made.start()
        yield made
    finally:
        made.stop()


@pytest.fixture(scope="module")
def town(own: Installation) -> Town:
    return asyncio.run(found_town(own, terminals=2, cards=2))


def rotated(own: Installation, key: str) -> dict[str, Any]:
    """The result of a rotation, by two operators where it takes them."""
    result: dict[str, Any] = own.json("hsm", "rotate", key, "--why", "a test")
    if key not in BY_TWO:
        return result
    assert result["status"] == "waiting", "one operator is not enough"
    assert generations(own)[key] == 1, "nothing was done yet"
    alone = own.run("proposal", "approve", result["proposal"], "--as", "operator-1")
    assert alone.returncode == 1
    assert generations(own)[key] == 1, "nobody approves what he proposed"
    approved: dict[str, Any] = own.json(
        "proposal", "approve", result["proposal"], "--as", "operator-2"
    )["result"]
    return approved


def generations(own: Installation) -> dict[str, int]:
    """What makes what is new."""
    rows = own.json("hsm", "keys")
    assert all(row["since_ms"] for row in rows), "each generation has its date"
    return {row["key"]: row["generation"] for row in rows if row["in_use"]}


def alone(town: Town, number: int) -> Town:
    """The part of it with one terminal and one card."""
    return replace(town, terminals=[town.terminals[number]], cards=[town.cards[number]])


def pays_with_pin(town: Town) -> bool:
    """Whether a terminal that is switched on now gets a yes with the card's PIN."""

    async def once() -> bool:
        async with Tills.opened(town) as tills:
            await tills.tills[0].pay_until_approved(20, pin=True)
        return True

    return asyncio.run(once())


def test_every_key_is_rotated_while_old_and_new_cards_pay(
    own: Installation, town: Town, tmp_path: Path
) -> None:
    pids = own.pids()

    async def before_and_after(bystander: Bystander) -> None:
        async with Tills.opened(alone(town, 1)) as tills:
            (till,) = tills.tills
            await approved(till)
            for key in (*ALONE, *BY_TWO):
                result = await asyncio.to_thread(rotated, own, key)
                assert (result["key"], result["generation"]) == (key, 2)
                bystander.untouched()
                await approved(till)  # in its old session, with a PIN sealed to the old key
            assert len(set(till.codes)) == 1, till.codes

    with Bystander.paying(alone(town, 0)) as bystander:
        asyncio.run(before_and_after(bystander))
        done = own.json("hsm", "rotate", "K_PVV", "--why", "again")
        assert done["generation"] == 3
        assert generations(own) == {
            **dict.fromkeys((*ALONE, *BY_TWO), 2), "K_PVV": 3, "K_PVV2": 3,
            "CA-ROOT": 1, "CA-TLS": 1,
        }  # fmt: skip
        status = own.json("hsm", "status")
        until(lambda: own.json("hsm", "status")["data_keys_left"] == 0, "sealed anew")
        assert status["data_keys"] >= 2
        assert pays_with_pin(alone(town, 1)), "an old card, in a session of the new keys"

        newer = asyncio.run(found_town(own))
        assert newer.cards[0].track[-13] == "2", "the new stripe names the new key"
        assert town.cards[1].track[-13] == "1"
        assert pays_with_pin(newer)
        bystander.untouched()
    assert own.pids() == pids, "no server was started again"
    topics = [row["topic"] for row in own.json("audit", "history", str(town.cards[1].id))]
    assert topics.count("card.pin_referenced/1") == 2, "once for each generation of K_PVV"

    before = own.part("backend")["pid"]
    own.kill("backend")
    own.wait_up("backend", other_than=before)
    for each in (alone(town, 0), alone(town, 1), newer):
        assert pays_with_pin(each), "after a start from the disk"
    assert generations(own)["BACKEND-ID"] == 2
    own.verify_log()
    both = (own.settings.checkpoints / "log.pub").read_bytes()
    first, second = keys_in(both)
    note = (own.settings.checkpoints / "checkpoint").read_text()
    assert verify(note, first) == verify(note, second), "each of them signed it"
    key = tmp_path / "second.pub"
    key.write_bytes(both[both.rindex(b"-----BEGIN") :])
    refused = own.run("audit", "verify", "--key", str(key))
    assert "history" in refused.stdout, "what was signed before is the first key's"
    proof = tmp_path / "proof.json"
    assert own.run("audit", "prove", "1", "--out", str(proof)).returncode == 0
    log_pub = str(own.settings.checkpoints / "log.pub")
    assert own.run("audit", "check", str(proof), "--key", log_pub).returncode == 0


async def approved(till: Till) -> None:
    outcome = await till.pay(pin=True)
    assert outcome.approved, outcome


@pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl here")
def test_each_issuing_key_answers_for_what_it_signed(
    own: Installation, town: Town, tmp_path: Path
) -> None:
    newer = asyncio.run(found_town(own))
    chain = newer.terminals[0] / "certificate.pem"
    leaf, issuing = x509.load_pem_x509_certificates(chain.read_bytes())
    assert issuing.subject.rfc4514_string().startswith("CN=TicketRestaurant US Issuing CA 2")
    url, pki = own.settings.validated_at, own.home / "pki"
    points = leaf.extensions.get_extension_for_class(x509.CRLDistributionPoints).value
    assert points[0].full_name[0].value == f"{url}/crl/issuing-2.crl"
    own.json("pki", "revoke", format(leaf.serial_number, "x"), "--why", "a test")
    for certificate, issuer, wanted in (
        (chain, "issuing-2.pem", "revoked"),
        (town.terminals[0] / "certificate.pem", "issuing.pem", "good"),
    ):
        arguments = [
            *("openssl", "ocsp", "-url", f"{url}/ocsp", "-CAfile", str(pki / "root.pem")),
            *("-issuer", str(pki / issuer), "-cert", str(certificate)),
        ]

        def said() -> str:
            done = subprocess.run(arguments, capture_output=True, text=True, timeout=30)  # noqa: B023
            return done.stdout + done.stderr

        until(lambda: f"{certificate}: {wanted}" in said(), wanted)  # noqa: B023
        assert "Response verify OK" in said()
    for name in ("issuing", "issuing-2"):
        crl = tmp_path / f"{name}.crl"
        with urllib.request.urlopen(f"{url}/crl/{name}.crl", timeout=10) as answer:
            crl.write_bytes(answer.read())
        chained = tmp_path / f"{name}.pem"
        chained.write_bytes((pki / f"{name}.pem").read_bytes() + (pki / "root.pem").read_bytes())
        checked = subprocess.run(
            ["openssl", "crl", "-inform", "DER", "-in", str(crl), "-CAfile", str(chained)],
            capture_output=True, text=True,
        )  # fmt: skip
        assert "verify OK" in checked.stderr, checked.stderr


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("CA-TLS", "tls rotate authority"),
        ("K_PVV2", "rotate K_PVV"),
        ("nothing", "no such key"),
    ],
)
def test_what_cannot_be_rotated_is_refused_with_what_to_do(
    own: Installation, key: str, words: str
) -> None:
    refused = own.run("hsm", "rotate", key)
    assert refused.returncode == 1
    assert words in refused.stderr


def test_a_generation_whose_rotation_was_killed_is_put_on_record(own: Installation) -> None:
    """The HSM has it, and nothing else: as killed between the two."""
    newest = generations(own)["K_CVV"]
    own.stop()
    token = hsm_choice.open_token(own.settings, writable=True)
    make_key(token, spec_of("K_CVV", newest + 1))
    token.close()

    rows = own.json("hsm", "keys")  # nothing serves: the token is asked
    assert max(row["generation"] for row in rows if row["key"] == "K_CVV") == newest + 1
    assert all(row["since_ms"] for row in rows if row["generation"] == 1), "the root tells the day"
    assert own.json("hsm", "status")["answers"] is True

    own.start()
    until(lambda: (newest + 1, ACTOR) in recorded(own, "K_CVV"), "on record")
    assert generations(own)["K_CVV"] == newest + 1
    assert "keys" not in own.json("status")["backend"]["health"]["warnings"]
    assert own.json("hsm", "rotate", "K_CVV")["generation"] == newest + 2
    assert [each for each, _ in recorded(own, "K_CVV")] == list(range(2, newest + 3))


def recorded(own: Installation, key: str) -> list[tuple[int, str]]:
    """The generations that the ledger names, and who had them made."""
    return [
        (each.generation, each.actor)
        for each in Books.read(own.settings).events
        if isinstance(each, KeyRotated) and each.name == key
    ]


def test_an_authority_ends_by_two_and_with_it_every_session_under_it(
    own: Installation, town: Town
) -> None:
    """Last of this file: the first terminals of the town are out afterwards."""
    old, newest = (_serial(own.home / "pki" / name) for name in ("issuing.pem", "issuing-2.pem"))
    listed = {row["serial"]: row["role"] for row in own.json("pki", "list")}
    assert listed[old] == listed[newest] == "authority:issuing"
    assert {"authority:root", "tls:authority", "tls:pos", "tls:gateway"} <= set(listed.values())

    def refused(serial: str) -> str:
        done = own.run("pki", "revoke", serial, "--why", "leaked", "--reason", "keyCompromise")
        assert done.returncode == 1, done.stdout
        return done.stderr

    assert "hsm rotate CA-ISSUING" in refused(newest)
    for key in ("BACKEND-ID", "PIN-ENC"):
        assert f"hsm rotate {key}" in refused(old)
        own.json("hsm", "rotate", key, "--why", "the authority leaked")
    assert "pki renew" in refused(old)
    renew(own, "operators/operator-1")
    told = own.json("pki", "revoke", old, "--why", "leaked", "--reason", "keyCompromise")
    assert told["status"] == "waiting", "one operator is not enough"
    approval = ("proposal", "approve", told["proposal"], "--as", "operator-2")
    assert "pki renew" in own.run(*approval).stderr
    for name in ("operators/operator-2", "operators/auditor-1", "pki/website"):
        renew(own, name)

    async def a_session_under_it_ends() -> None:
        async with Tills.opened(alone(town, 0)) as tills:
            (till,) = tills.tills
            await approved(till)
            await asyncio.to_thread(own.json, *approval)
            revoked_s = time.monotonic()
            while (await till.pay()).decided:
                assert time.monotonic() - revoked_s < 1, "still paying a second later"

    asyncio.run(a_session_under_it_ends())
    assert own.json("pki", "show", old)["state"] == "revoked"
    assert own.json("status")["backend"]["health"]["warnings"].get("revoked") is None
    assert pays_with_pin(asyncio.run(found_town(own))), "what is under the new authority goes on"
    url, leaf = own.settings.validated_at, town.terminals[1] / "certificate.pem"
    status = ("openssl", "ocsp", "-url", f"{url}/ocsp", "-CAfile", str(own.home / "pki/root.pem"),
              "-issuer", str(own.home / "pki/issuing.pem"), "-cert", str(leaf))  # fmt: skip
    done = subprocess.run(status, capture_output=True, text=True, timeout=30)
    assert f"{leaf}: revoked" in done.stdout, done.stdout + done.stderr

    def of_the_root() -> x509.CertificateRevocationList:
        with urllib.request.urlopen(f"{url}/crl/root.crl", timeout=10) as answer:
            return x509.load_der_x509_crl(answer.read())

    until(lambda: bool(of_the_root().get_revoked_certificate_by_serial_number(int(old, 16))), "it")


def renew(own: Installation, name: str) -> None:
    """Before its time: the authority above it is not the newest."""
    done = own.run("pki", "renew", str(own.home / name))
    assert done.returncode == 0, done.stderr


def _serial(chain: Path) -> str:
    leaf = x509.load_pem_x509_certificates(chain.read_bytes())[0]
    return format(leaf.serial_number, "x")
