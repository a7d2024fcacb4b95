"""Certificates and the TLS authority change under a POS that pays on, and that notices nothing."""

import asyncio
import json
import socket
import ssl
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from adapters.cli.parts import server_address
from adapters.tls import TlsFiles, client_context, server_name
from tests.e2e.bystander import Bystander
from tests.e2e.installation import Installation, until
from tests.e2e.tills import Tills
from tests.e2e.town import Town, found_town

HOLDERS = ("gateway", "backend", "website", "pos", "card")


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """An installation of its own: its authority changes."""
    made = Installation(tmp_path_factory.mktemp("rotation"))
    try:
        made.start()
        yield made
    finally:
        made.stop()


@pytest.fixture(scope="module")
def town(own: Installation) -> Town:
    return asyncio.run(found_town(own, terminals=2, cards=2))


def shown(installation: Installation, server: str, files: TlsFiles) -> int:
    """The serial number that a server shows to a new caller."""
    address = server_address(installation.settings, server)
    with (
        socket.create_connection(address, timeout=5) as raw,
        client_context(files).wrap_socket(raw, server_hostname=server_name(server)) as secured,
    ):
        der = secured.getpeercert(binary_form=True)
    assert der is not None
    return x509.load_der_x509_certificate(der).serial_number


def let_in(installation: Installation, files: TlsFiles) -> bool:
    """Whether the gateway keeps a caller with these files for a moment."""
    address = server_address(installation.settings, "gateway")
    try:
        with (
            socket.create_connection(address, timeout=5) as raw,
            client_context(files).wrap_socket(
                raw, server_hostname=server_name("gateway")
            ) as secured,
        ):
            secured.settimeout(0.5)
            said = secured.recv(4096)
    except TimeoutError:
        return True
    except ssl.SSLError:
        return False
    assert said == b"" or b" I ERROR " in said, said
    return False


def by_two(own: Installation, *command: str) -> Any:
    """What a `tls` command comes to: one operator asks, another approves, the first goes on."""
    asked = own.json("tls", *command)
    assert asked["status"] == "waiting"
    again = own.json("tls", *command)
    assert again["proposal"] == asked["proposal"], "it is not asked for twice"
    alone = own.run("proposal", "approve", asked["proposal"], "--as", "operator-1")
    assert "Another operator" in alone.stderr
    own.json("proposal", "approve", asked["proposal"], "--as", "operator-2")
    return own.json("tls", *command)


def kept(installation: Installation, tls_class: str, folder: Path) -> TlsFiles:
    """A copy of a class's files as they are now."""
    folder.mkdir(exist_ok=True)
    now = TlsFiles.of_server(installation.home, tls_class)
    for path in now:
        if path.exists():
            (folder / path.name).write_bytes(path.read_bytes())
    return TlsFiles(*(folder / path.name for path in now))


def pays(town: Town) -> bool:
    """Whether the second terminal, switched on anew, gets a yes."""

    async def once() -> bool:
        async with Tills.opened(replace(town, terminals=town.terminals[1:])) as tills:
            await tills.tills[0].pay_until_approved(20)
        return True

    return asyncio.run(once())


def test_a_pos_pays_through_the_rotation_of_every_certificate_and_of_the_authority(
    own: Installation, town: Town, tmp_path: Path
) -> None:
    pids = own.pids()
    alone = replace(town, terminals=town.terminals[:1], cards=town.cards[:1])
    ours = TlsFiles.of_server(own.home, "website")
    old = {holder: kept(own, holder, tmp_path / holder) for holder in HOLDERS}
    with Bystander.paying(alone) as bystander:
        for holder in HOLDERS:
            (made,) = by_two(own, "rotate", holder, "--window", "1h")
            assert made["holder"] == holder
            if holder in ("gateway", "backend"):
                mine = ours if holder == "gateway" else TlsFiles.of_server(own.home, "gateway")
                serial = int(made["serial"], 16)
                until(lambda: shown(own, holder, mine) == serial, f"{holder} shows it")  # noqa: B023
            bystander.untouched()
        assert let_in(own, old["pos"]), "the old certificate is accepted in its window"
        assert pays(town)

        (authority,) = by_two(own, "rotate", "authority")
        assert len(x509.load_pem_x509_certificates((own.home / "tls" / "ca.pem").read_bytes())) == 2
        assert let_in(own, old["pos"]), "of the old authority"
        refused = own.run("tls", "retire")
        assert refused.returncode == 1
        assert "still certified by an older authority" in refused.stderr
        by_two(own, "rotate", "all", "--window", "1h")
        bystander.untouched()
        assert pays(town)
        assert by_two(own, "retire")["retired"]
        until(lambda: not let_in(own, old["pos"]), "the old authority counts no more")
        bystander.untouched()
        trusted = x509.load_pem_x509_certificates((own.home / "tls" / "ca.pem").read_bytes())
        assert [each.serial_number for each in trusted] == [int(authority["serial"], 16)]
    assert own.pids() == pids, "no server was started again"

    # What starts now knows the new authority only.
    for victim in ("gateway", "backend"):
        before = own.part(victim)["pid"]
        own.kill(victim)
        own.wait_up(victim, other_than=before)
    assert pays(town)
    assert own.json("list", "companies"), "operators' folders were changed, too"


def test_after_its_window_a_replaced_certificate_is_refused(
    own: Installation, town: Town, tmp_path: Path
) -> None:
    old = kept(own, "pos", tmp_path / "pos")
    by_two(own, "rotate", "pos", "--window", "3s")
    assert let_in(own, old)
    until(lambda: not let_in(own, old), "the window is over")
    assert pays(town)
    until(lambda: "superseded-certificate" in _refused(own), "it is counted")
    assert own.json("tls", "list")["superseded"]


def _refused(installation: Installation) -> dict[str, int]:
    status = json.loads((installation.home / "run" / "gateway.json").read_bytes())
    refused: dict[str, int] = status["totals"]["refused"]
    return refused


def test_files_that_do_not_fit_change_nothing(own: Installation, town: Town) -> None:
    path = own.home / "tls" / "gateway.pem"
    good = path.read_bytes()
    serial = shown(own, "gateway", TlsFiles.of_server(own.home, "website"))
    path.write_bytes(good[: len(good) // 2])
    try:
        log = own.settings.logs / "gateway.log"
        until(lambda: "tls-unfit" in log.read_text(), "it is told")
        assert shown(own, "gateway", TlsFiles.of_server(own.home, "website")) == serial
        assert pays(town)
    finally:
        path.write_bytes(good)


def test_a_device_pays_with_pkcs12_which_openssl_opens(
    own: Installation, town: Town, tmp_path: Path
) -> None:
    file, word = tmp_path / "pos.p12", "correct horse battery"
    done = own.run("tls", "export", "pos", str(file), "--password-file", "-", stdin=word + "\n")
    assert done.returncode == 0, done.stderr
    assert file.stat().st_mode & 0o777 == 0o600
    short = own.run(
        "tls", "export", "pos", f"{file}.2", "--password-file", "-", stdin="eleven chr\n"
    )
    assert (short.returncode, "12 characters" in short.stderr) == (1, True)
    opened = subprocess.run(
        ["openssl", "pkcs12", "-in", str(file), "-info", "-nodes", "-passin", "stdin"],
        input=word, capture_output=True, text=True,
    )  # fmt: skip
    assert opened.returncode == 0, opened.stderr
    assert "PBES2, PBKDF2, AES-256-CBC, Iteration 600000" in opened.stderr
    assert opened.stdout.count("BEGIN CERTIFICATE") == 2, "with its authority"
    folder = town.terminals[1]
    arguments = ("tls", "install", str(file), "--device", str(folder), "--password-file", "-")
    wrong = own.run(*arguments, stdin="another password\n")
    assert wrong.returncode == 1
    assert "wrong password" in wrong.stderr
    assert (folder / "tls.pem").exists()
    done = own.run(*arguments, stdin=word + "\n")
    assert done.returncode == 0, done.stderr
    assert not (folder / "tls.pem").exists()
    assert not (folder / "tls.key").exists()
    assert pays(town)
    by_two(own, "rotate", "pos")
    assert (folder / "tls.p12").exists()
    assert pays(town)
