"""A ceremony makes the next CA-ROOT under terminals that pay on; then the old one is retired."""

import asyncio
import json
import shutil
import subprocess
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from adapters.ceremony.transcript import TRANSCRIPT_FILE
from domain.aggregates.key import KeyRotated
from domain.aggregates.transaction import Authorized
from tests.e2e.books import Books
from tests.e2e.bystander import Bystander
from tests.e2e.installation import Installation, until
from tests.e2e.restored_copy import Copy
from tests.e2e.tills import Tills
from tests.e2e.town import Town, found_town


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """An installation of its own: its roots change."""
    made = Installation(tmp_path_factory.mktemp("roots"), ceremony=True)
    try:
        made.start()
        yield made
    finally:
        made.stop()


@pytest.fixture(scope="module")
def town(own: Installation) -> Town:
    return asyncio.run(found_town(own, terminals=2, cards=2))


def alone(town: Town, number: int) -> Town:
    return replace(town, terminals=[town.terminals[number]], cards=[town.cards[number]])


def pays(town: Town) -> None:
    async def once() -> None:
        async with Tills.opened(town) as tills:
            await tills.tills[0].pay_until_approved(20, pin=True)

    asyncio.run(once())


def certificates(path: Path) -> list[x509.Certificate]:
    return x509.load_pem_x509_certificates(path.read_bytes())


def by_two(own: Installation, *command: str) -> dict[str, Any]:
    told = own.json(*command, "--why", "a test")
    assert told["status"] == "waiting", "one operator is not enough"
    approved = own.json("proposal", "approve", told["proposal"], "--as", "operator-2")
    result: dict[str, Any] = approved["result"]
    return result


def assert_verified(own: Installation, folder: Path, old_root: Path, sha256: str) -> None:
    """An auditor who knows the old root only, without the servers; and the log says the same."""
    verdict = own.json("ceremony", "verify", str(folder), "--root", str(old_root))
    assert verdict["ok"]
    new_root = certificates(own.home / "pki" / "root.pem")[1]
    assert verdict["root_sha256"] == sha256 == new_root.fingerprint(SHA256()).hex()
    lines = [json.loads(line) for line in (folder / TRANSCRIPT_FILE).read_text().splitlines()]
    (order,) = [line["facts"]["order"] for line in lines if line["step"] == "rotated"]
    rotated = [e for e in Books.read(own.settings).events if isinstance(e, KeyRotated)]
    assert [e.ceremony for e in rotated if e.name == "CA-ROOT"] == [order]
    again = own.run("ceremony", "new-root", "--sandbox")
    assert again.returncode == 1
    assert "two roots are in force" in again.stderr


def receipt(own: Installation, file: Path) -> Path:
    """A proof, with the backend's receipt, of the last payment."""
    paid = [each for each in Books.read(own.settings).events if isinstance(each, Authorized)]
    done = own.run("audit", "prove", str(paid[-1].originator_id), "--receipt", "--out", str(file))
    assert done.returncode == 0, done.stderr
    return file


def believed(own: Installation, proof: Path, roots: Path) -> bool:
    key = str(own.settings.checkpoints / "log.pub")
    done = own.run("audit", "check", str(proof), "--key", key, "--root", str(roots))
    return done.returncode == 0 and "approved (code 00)" in done.stdout


def openssl(*arguments: str | Path) -> str:
    done = subprocess.run(
        ["openssl", *map(str, arguments)], capture_output=True, text=True, timeout=30
    )
    return done.stdout + done.stderr


def test_a_new_root_comes_while_all_pay_and_who_was_away_learns_it(
    own: Installation, town: Town, tmp_path: Path
) -> None:
    old_root = tmp_path / "old-root.pem"
    shutil.copy(own.home / "pki" / "root.pem", old_root)
    with Bystander.paying(alone(town, 0)) as bystander:
        bystander.untouched()
        proofs = [receipt(own, tmp_path / "before.json")]
        backup = tmp_path / "backup"
        made = own.json("ceremony", "new-root", "--sandbox", "--backup", str(backup))
        assert made["generation"] == 2
        bystander.untouched()
        for key in ("BACKEND-ID", "PIN-ENC"):
            own.json("hsm", "rotate", key)
        bystander.untouched()
        away = town.terminals[1]
        assert len(certificates(away / "root.pem")) == 1
        assert len(certificates(own.home / "pki" / "backend.pem")) == 3, "the link is shown"
        pays(alone(town, 1))  # in a session, and to a PIN key, that are under the new root
        assert len(certificates(away / "root.pem")) == 2
        newer = asyncio.run(found_town(own))
        pays(newer)
        bystander.untouched()
    leaf, link = newer.terminals[0] / "certificate.pem", own.home / "pki" / "link-2.pem"
    bundle = own.home / "pki" / "root.pem"
    assert certificates(leaf)[2:] == certificates(link)
    assert certificates(newer.terminals[0] / "root.pem") == certificates(bundle)
    proofs.append(receipt(own, tmp_path / "after.json"))
    assert all(believed(own, proof, root) for proof in proofs for root in (bundle, old_root))
    assert own.run("hsm", "rotate", "CA-ROOT").stderr.count("hsm retire CA-ROOT") == 1
    roles = [row["role"] for row in own.json("pki", "list")]
    assert (roles.count("authority:root"), roles.count("authority:link")) == (2, 1)
    in_use = {row["generation"]: row["in_use"] for row in own.json("hsm", "keys")
              if row["key"] == "CA-ROOT"}  # fmt: skip
    assert in_use == {1: False, 2: True}
    assert_verified(own, Path(made["folder"]), old_root, made["root_sha256"])
    copy = Copy(tmp_path / "copy")
    copy.restore(str(backup), "--rehearsal")
    assert certificates(copy.home / "pki" / "root.pem") == certificates(bundle)
    assert (copy.home / "ceremony" / "root-2" / TRANSCRIPT_FILE).exists()
    if shutil.which("openssl") is None:
        return
    url, lists = own.settings.validated_at, tmp_path / "lists.pem"
    for name in ("issuing", "issuing-2", "root", "root-2"):
        with urllib.request.urlopen(f"{url}/crl/{name}.crl", timeout=10) as answer:
            pem = x509.load_der_x509_crl(answer.read()).public_bytes(Encoding.PEM)
        lists.write_bytes((lists.read_bytes() if lists.exists() else b"") + pem)
    untrusted = tmp_path / "untrusted.pem"
    for which, trusted in ((leaf, bundle), (away / "certificate.pem", bundle), (leaf, old_root)):
        above = certificates(which)[1:]
        untrusted.write_bytes(b"".join(each.public_bytes(Encoding.PEM) for each in above))
        said = openssl(
            *("verify", "-x509_strict", "-crl_check_all", "-CRLfile", lists),
            *("-CAfile", trusted, "-untrusted", untrusted, which),
        )
        assert said.strip().endswith(": OK"), said
    with urllib.request.urlopen(f"{url}/ca/link-2.cer", timeout=10) as answer:
        assert x509.load_der_x509_certificate(answer.read()) == certificates(link)[0]


def test_the_old_root_ends_with_who_is_told_to_be_cut_off(own: Installation, town: Town) -> None:
    refused = own.run("hsm", "retire", "CA-ROOT").stderr
    assert "pki renew" in refused, "the operator himself is under it"
    for name in ("operators/operator-1", "operators/operator-2", "operators/auditor-1",
                 "pki/website"):  # fmt: skip
        assert own.run("pki", "renew", str(own.home / name)).returncode == 0
    assert own.run("pki", "renew", str(town.terminals[0])).returncode == 0
    refused = own.run("hsm", "retire", "CA-ROOT").stderr
    lost = town.device(1)
    assert f"1 have no certificate under a newer root: pos {lost.id}" in refused
    who = own.json("hsm", "retire", "CA-ROOT", "--who")
    assert [(row["role"], row["holder"]) for row in who] == [("pos", str(lost.id))]

    async def ends() -> None:
        async with Tills.opened(alone(town, 1)) as tills:
            await asyncio.to_thread(by_two, own, "hsm", "retire", "CA-ROOT", "--cut-off")
            async with asyncio.timeout(2):
                while (await tills.tills[0].pay()).decided:
                    pass

    asyncio.run(ends())
    until(lambda: len(certificates(own.home / "pki" / "root.pem")) == 1, "one root")
    said = own.run("pki", "renew", str(town.terminals[1]))
    assert "retired root" in said.stderr, said.stderr
    pays(alone(town, 0))
    root = certificates(own.home / "pki" / "root.pem")
    assert certificates(town.terminals[0] / "root.pem") == root, "the old one is forgotten"

    own.kill("backend")
    until(lambda: own.run("hsm", "status").returncode == 0, "back")
    pays(alone(town, 0))
    assert "retired root" in own.run("pki", "renew", str(town.terminals[1])).stderr
    assert "only one root" in own.run("hsm", "retire", "CA-ROOT").stderr
    assert certificates(own.home / "pki" / "root.pem") == root
    assert len(certificates(own.home / "pki" / "retired" / "root.pem")) == 1
    own.verify_log()
