"""A card's package gives the whole card to whoever has its code, and nothing to anybody else."""

import asyncio
import os
import re
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from typer.testing import CliRunner

from devices import card_package, personalisation
from devices.card.program import app
from devices.card_package import lock_card, new_code, take_card
from devices.durable import write_durably
from devices.enrolment import enrol, write_package
from devices.exchange import Refused
from devices.identity import IdentityError, load_device
from devices.personalisation import CardData, load_card
from devices.pkcs12 import Bundle
from tests.unit.devices.authority import PAN, TRACK2, Authority

FILES = {"package.json", "root.pem", "tls-ca.pem", "tls.pem", "tls.key", "identity.p12",
         "card.locked"}  # fmt: skip


@dataclass(frozen=True)
class Handed:
    """A package, its code, and what it should become."""

    package: Path
    code: str
    card_id: UUID
    key: bytes


def hand_over(
    authority: Authority, *, role: str = "card", root: x509.Certificate | None = None
) -> Handed:
    package = authority.folder / f"package-{uuid4().hex[:8]}"
    key, card_id, code = ec.generate_private_key(ec.SECP256R1()), uuid4(), new_code()
    root_pem = (root or authority.root).public_bytes(Encoding.PEM)
    tls = authority.tls_files("card")
    write_package(package, gateway="[::1]:7300", root_pem=root_pem, tls=tls)
    chain = authority.leaf(role, card_id, key.public_key())
    leaf, issuing = map(x509.load_der_x509_certificate, chain)
    lock_card(package, Bundle(key, leaf, [issuing]), CardData(PAN, TRACK2), code)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return Handed(package, code, card_id, pem)


@pytest.fixture
def handed(authority: Authority) -> Handed:
    return hand_over(authority)


@pytest.fixture
def phone(tmp_path: Path) -> Path:
    return tmp_path / "phones" / "ada"


def assert_whole(phone: Path, handed: Handed) -> None:
    device = load_device(phone, "card")
    assert (device.id, device.gateway) == (handed.card_id, ("::1", 7300))
    assert (load_card(device).pan, load_card(device).track2) == (PAN, TRACK2)
    assert (phone / "key.pem").read_bytes() == handed.key
    assert stat.S_IMODE(phone.stat().st_mode) == 0o700
    assert all(stat.S_IMODE(file.stat().st_mode) == 0o600 for file in phone.iterdir())
    assert list(phone.parent.iterdir()) == [phone]


def test_the_card_is_whole_and_the_package_is_gone(handed: Handed, phone: Path) -> None:
    taken = take_card(handed.package, phone, handed.code)
    assert (taken.card_id, taken.removed) == (handed.card_id, True)
    assert not handed.package.exists()
    assert_whole(phone, handed)


def test_a_code_may_be_typed_in_any_way(handed: Handed, phone: Path) -> None:
    take_card(handed.package, phone, f" {handed.code.lower().replace('-', ' ')} ")
    assert_whole(phone, handed)


def test_codes_are_of_five_groups_and_never_the_same() -> None:
    codes = {new_code() for _ in range(100)}
    assert len(codes) == 100
    assert all(re.fullmatch(r"([A-Z2-7]{5}-){4}[A-Z2-7]{5}", code) for code in codes)


def test_without_the_code_a_package_tells_nothing_of_the_card(handed: Handed) -> None:
    assert {file.name for file in handed.package.iterdir()} == FILES
    key = b"".join(handed.key.splitlines()[1:-1])
    for file in handed.package.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        content = file.read_bytes().replace(b"\n", b"")
        assert not any(secret in content for secret in (PAN.encode(), TRACK2.encode(), key))


@pytest.mark.parametrize("code", ["", "-", "ABCDE-ABCDE-ABCDE-ABCDE", "é" * 20, "A" * 10_000])
def test_a_wrong_code_is_refused_and_does_nothing(handed: Handed, phone: Path, code: str) -> None:
    with pytest.raises(Refused, match="not the package's code"):
        take_card(handed.package, phone, code)
    assert not phone.parent.exists()
    take_card(handed.package, phone, handed.code)


@pytest.mark.parametrize("name", sorted(FILES))
def test_no_file_of_a_package_can_be_exchanged(
    authority: Authority, handed: Handed, phone: Path, name: str
) -> None:
    """Not even for one that would do: that of another package."""
    other = hand_over(authority)
    content = (other.package / name).read_bytes()
    if name in ("package.json", "root.pem", "tls-ca.pem"):  # those are equal
        content += b"\n"
    (handed.package / name).write_bytes(content)
    with pytest.raises(Refused, match="altered"):
        take_card(handed.package, phone, handed.code)
    assert not phone.parent.exists()


def _pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def _folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize("name", sorted(FILES))
@pytest.mark.parametrize(
    "spoil",
    [Path.unlink, _pipe, _folder, lambda path: path.write_bytes(b""),
     lambda path: path.write_bytes(b"\x01" * 70_000)],
)  # fmt: skip
def test_what_is_no_package_is_said_so(
    handed: Handed, phone: Path, name: str, spoil: Callable[[Path], None]
) -> None:
    spoil(handed.package / name)
    with pytest.raises(IdentityError, match=name):
        take_card(handed.package, phone, handed.code)
    assert not phone.parent.exists()


@pytest.mark.parametrize("content", [b"\x01", b"\x02" + b"x" * 60, b"x" * 60])
def test_a_lock_of_another_version_is_said_so(handed: Handed, phone: Path, content: bytes) -> None:
    (handed.package / "card.locked").write_bytes(content)
    with pytest.raises(IdentityError, match="another version"):
        take_card(handed.package, phone, handed.code)


def test_only_a_card_of_this_issuer_is_taken(authority: Authority, phone: Path) -> None:
    pos = hand_over(authority, role="pos")
    with pytest.raises(IdentityError, match="not of a card"):
        take_card(pos.package, phone, pos.code)
    elsewhere = Authority(authority.folder)
    foreign = hand_over(authority, root=elsewhere.root)
    with pytest.raises(IdentityError, match=r"identity\.p12: .*certificate"):
        take_card(foreign.package, phone, foreign.code)
    assert not phone.parent.exists()


def test_a_run_that_was_killed_is_repeated(
    handed: Handed, phone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After every file that it writes, and before the folder has its name."""

    class Killed(BaseException):
        pass

    left = 0

    def dying(path: Path, content: bytes) -> None:
        nonlocal left
        if not left:
            raise Killed
        left -= 1
        write_durably(path, content)

    for files in range(8):
        left = files
        with monkeypatch.context() as patch:
            patch.setattr(card_package, "write_durably", dying)
            patch.setattr(personalisation, "write_durably", dying)
            with pytest.raises(Killed):
                take_card(handed.package, phone, handed.code)
        assert not phone.exists()
        assert {file.name for file in handed.package.iterdir()} == FILES
        leftover = phone.with_name(".ada.new")
        leftover.mkdir()
        (leftover / "key.pem").write_text("half")
    take_card(handed.package, phone, handed.code)
    assert_whole(phone, handed)


def test_a_card_that_was_taken_before_only_loses_its_package(
    authority: Authority, handed: Handed, phone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(card_package, "_removed", lambda _: False)
        assert not take_card(handed.package, phone, handed.code).removed
    other = hand_over(authority)
    with pytest.raises(IdentityError, match="another card"):
        take_card(other.package, phone, other.code)
    assert other.package.exists()
    assert take_card(handed.package, phone, handed.code).removed
    assert_whole(phone, handed)


def test_a_folder_with_something_in_it_stays_as_it_is(handed: Handed, phone: Path) -> None:
    phone.mkdir(parents=True)
    (phone / "letter.txt").write_text("mine")
    with pytest.raises(IdentityError, match="not empty"):
        take_card(handed.package, phone, handed.code)
    assert [path.name for path in phone.parent.rglob("*")] == ["ada", "letter.txt"]
    assert handed.package.exists()


def test_the_code_is_sent_to_nobody(handed: Handed) -> None:
    """Whoever exchanged root and gateway would otherwise hear it."""
    with pytest.raises(IdentityError, match="card enrol"):
        asyncio.run(enrol(handed.package, handed.code))
    for name in ("identity.p12", "card.locked"):
        (handed.package / name).unlink()
    with pytest.raises(IdentityError, match="card enrol"):
        asyncio.run(enrol(handed.package, handed.code.lower()))


def test_the_program_takes_a_card_and_says_what_is_wrong(handed: Handed, phone: Path) -> None:
    command = ["enrol", str(handed.package), "--device", str(phone)]
    ended = CliRunner().invoke(app, command, input="ABCDE\n")
    assert (ended.exit_code, "not the package's code" in ended.output) == (1, True)
    ended = CliRunner().invoke(app, [*command, "--json"], input=handed.code + "\n")
    assert ended.exit_code == 0, ended.output
    assert f'"card": "{handed.card_id}"' in ended.output
    ended = CliRunner().invoke(app, command, input=handed.code + "\n")
    assert (ended.exit_code, "no package" in ended.output) == (2, True)
