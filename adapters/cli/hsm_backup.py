"""`hsm backup` and `hsm restore`: the software token as one encrypted file, and back again.

The file is an age file (age-encryption.org/v1), to recipients' public keys or under a passphrase,
and holds a tar as `backup` writes it. The token's PIN is never in it.
"""

import contextlib
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from adapters import settings
from adapters.cli.failure import integrity_broken, misconfigured, refused
from adapters.cli.options import AsJson
from adapters.cli.output import print_json, say, step, this_program
from adapters.settings import Settings

PASSPHRASE_LEAST: Final = 12
MOST_BYTES: Final = 64 * 1024 * 1024
_TOKEN: Final = "hsm"  # noqa: S105 - a folder
_SEALED_PIN: Final = "secrets/hsm-pin.sealed"
# The configuration has paths of this machine, and every start writes it anew.
_PARTS: Final = [f"{_TOKEN}/tokens", f"{_TOKEN}/serial", _SEALED_PIN]

_PassphraseFile = Annotated[
    Path | None,
    typer.Option(help="Read the passphrase from this file's first line; else it is asked for."),
]


def backup(
    file: Annotated[Path, typer.Argument(help="The file to make; it must not exist.")],
    recipient: Annotated[
        list[str] | None,
        typer.Option(help="An age public key (age1…) that may open it; may be repeated."),
    ] = None,
    passphrase_file: _PassphraseFile = None,
    json: AsJson = False,
) -> None:
    """Copy the software token into one encrypted file of mode 0600, while nothing is served.

    It opens with the passphrase, or with the private key of a recipient (`age-keygen` makes one),
    and even then the keys in it need the token's PIN, which is not in it: keep both, apart from
    each other. A token rooted in a smart card needs that card. Keys of an own or network HSM
    never come here: its maker's tools copy them, from HSM to HSM.

    Example: [bold]ticketrestaurant hsm backup /mnt/safe/token.age --recipient age1…[/bold]
    """
    from adapters.hsm.softhsm import has_token

    found = settings.load()
    _check_ours(found)
    target = file.expanduser().absolute()
    if target.exists():
        raise refused(f"{target} exists already")
    with _alone(found):
        if not has_token(found.home / _TOKEN):
            raise misconfigured(f"{found.home} has no token; `ticketrestaurant init` makes it")
        lock = _lock_for(recipient or [], passphrase_file)
        with step("token"):
            manifest = _write(found, target, lock)
    if json:
        print_json({name: manifest[name] for name in ("created_us", "issuer", "serial")})
    else:
        say(f"saved token {manifest['serial']} in {target}; its PIN is not in it")


def restore(
    file: Annotated[Path, typer.Argument(help="A file made by `hsm backup`.")],
    identity: Annotated[
        Path | None, typer.Option(help="The file with a recipient's private key (age).")
    ] = None,
    passphrase_file: _PassphraseFile = None,
    json: AsJson = False,
) -> None:
    """Put the token of such a file into the state folder, which must have none.

    The file is checked as a whole before the token takes its place, and then the token is opened
    and every key looked at, if its PIN is there. An installation takes back its own token only:
    under another one nothing that was sealed would open.

    Example: [bold]ticketrestaurant hsm restore /mnt/safe/token.age --identity key.txt[/bold]
    """
    found = settings.load()
    _check_ours(found)
    found.home.mkdir(mode=0o700, parents=True, exist_ok=True)
    source = file.expanduser()
    with _alone(found):
        tokens = found.home / _TOKEN / "tokens"
        if tokens.is_dir() and any(tokens.iterdir()):
            raise refused(f"there is a token in {tokens}: move it away first")
        content = _opened(source, identity, passphrase_file)
        with step("token"):
            manifest = _put_back(found, content)
        looked_at = _look_at_keys(found)
    if json:
        print_json({"serial": manifest["serial"], "created_us": manifest["created_us"],
                    "keys_checked": looked_at})  # fmt: skip
        return
    say(f"restored token {manifest['serial']} in {found.home / _TOKEN}")
    if not looked_at:
        say("  ! Its PIN is not here, so its keys were not looked at: set it before serving.")


def _check_ours(found: Settings) -> None:
    from adapters.hsm_choice import PROVIDERS, check

    check(found)
    if not PROVIDERS[found.hsm_provider].ours:
        raise refused(
            f"the keys are in another HSM (hsm_provider {found.hsm_provider}), and do not leave it "
            "to us: copy them with its maker's tools, to a second HSM of the same security domain, "
            "and keep its PIN and settings.json; then set pkcs11_module to that HSM"
        )


@contextlib.contextmanager
def _alone(found: Settings) -> Iterator[None]:
    from adapters.cli.supervisor import AlreadyServing, sole_use

    if not found.home.is_dir():
        raise misconfigured(f"{found.home} does not exist")
    try:
        with sole_use(found):
            yield
    except AlreadyServing as error:
        raise refused(f"{error}; run: {this_program('stop')}") from None


# The encryption: age, which others can read, too


def _lock_for(recipients: list[str], passphrase_file: Path | None) -> Any:
    """What encrypts bytes, to the recipients or under a passphrase."""
    import pyrage

    if recipients and passphrase_file:
        raise typer.BadParameter("give recipients or a passphrase, not both")
    if recipients:
        try:
            keys = [pyrage.x25519.Recipient.from_str(text.strip()) for text in recipients]
        except pyrage.RecipientError:
            raise typer.BadParameter("a recipient is an age public key: age1…") from None
        return lambda content: pyrage.encrypt(content, keys)
    passphrase = _passphrase(passphrase_file, confirm=True)
    if len(passphrase) < PASSPHRASE_LEAST:
        raise refused(f"the passphrase needs {PASSPHRASE_LEAST} characters or more")
    return lambda content: pyrage.passphrase.encrypt(content, passphrase)


def _opened(source: Path, identity: Path | None, passphrase_file: Path | None) -> bytes:
    """The tar in the file. Raises Failure."""
    import pyrage

    if identity and passphrase_file:
        raise typer.BadParameter("give an identity or a passphrase, not both")
    try:
        if source.stat().st_size > MOST_BYTES:
            raise integrity_broken(f"{source} is too long for a token's back-up")
        sealed = source.read_bytes()
        if identity:
            keys = [pyrage.x25519.Identity.from_str(text) for text in _secret_keys(identity)]
            if not keys:
                raise misconfigured(f"{identity} holds no private key of age")
            return bytes(pyrage.decrypt(sealed, keys))
        passphrase = _passphrase(passphrase_file, confirm=False)
        return bytes(pyrage.passphrase.decrypt(sealed, passphrase))
    except OSError as error:
        raise misconfigured(f"nothing was restored: {error}") from None
    except pyrage.IdentityError:
        raise misconfigured(f"{identity} holds no private key of age") from None
    except pyrage.DecryptError:
        raise refused(
            f"{source} does not open: another passphrase or key, or no whole back-up of a token"
        ) from None


def _passphrase(file: Path | None, *, confirm: bool) -> str:
    if file is None:
        return str(typer.prompt("Passphrase", hide_input=True, confirmation_prompt=confirm))
    try:
        lines = file.expanduser().read_text().splitlines()
    except (OSError, ValueError) as error:
        raise misconfigured(f"the passphrase cannot be read: {error}") from None
    return lines[0].strip() if lines else ""


def _secret_keys(file: Path) -> list[str]:
    lines = file.expanduser().read_text(errors="replace").splitlines()
    return [line.strip() for line in lines if line.strip() and not line.startswith("#")]


# The content


def _write(found: Settings, target: Path, lock: Any) -> dict[str, Any]:
    """Beside the token first, where the same bytes lie anyway; outside only what is encrypted."""
    from adapters.cli import archive
    from devices.durable import write_durably

    serial = (found.home / _TOKEN / "serial").read_text().strip()
    facts = {"created_us": time.time_ns() // 1_000, "issuer": found.issuer_name, "serial": serial}
    try:
        with _workshop(found) as folder:
            plain = folder / "token.tar"
            manifest = archive.write(
                plain, found.home, _PARTS, facts,
                leave_out=frozenset(), progress=lambda size: None,
            )  # fmt: skip
            write_durably(target, lock(plain.read_bytes()))
    except (OSError, ValueError) as error:
        raise misconfigured(f"no back-up was made: {error}") from None
    return manifest


def _put_back(found: Settings, content: bytes) -> dict[str, Any]:
    from adapters.cli import archive

    home = found.home
    try:
        with _workshop(found) as folder:
            (folder / "token.tar").write_bytes(content)
            manifest = archive.extract(
                folder / "token.tar", folder / "made", progress=lambda size: None
            )
            made = folder / "made" / _TOKEN
            serial = made / "serial"
            if not (made / "tokens").is_dir() or not serial.is_file():
                raise integrity_broken("the file holds no token")
            ours = home / _TOKEN / "serial"
            if ours.exists() and ours.read_bytes() != serial.read_bytes():
                raise refused(
                    f"this installation was made with token {ours.read_text().strip()}, "
                    f"and the file holds {serial.read_text().strip()}"
                )
            sealed = folder / "made" / _SEALED_PIN
            if sealed.is_file() and not (home / _SEALED_PIN).exists():
                (home / "secrets").mkdir(mode=0o700, exist_ok=True)
                sealed.rename(home / _SEALED_PIN)
            if (home / _TOKEN).exists():
                shutil.rmtree(home / _TOKEN)  # it has no token
            made.rename(home / _TOKEN)
    except archive.ArchiveBroken as error:
        raise integrity_broken(f"no usable back-up of a token: {error}") from None
    except OSError as error:
        raise misconfigured(f"nothing was restored: {error}") from None
    return manifest


@contextlib.contextmanager
def _workshop(found: Settings) -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix=f"hsm-{os.getpid()}-", dir=found.home))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _look_at_keys(found: Settings) -> bool:
    """Whether the keys could be looked at. Raises Failure where one is not sound."""
    from adapters.hsm.provision import weaknesses
    from adapters.hsm_choice import open_token
    from adapters.settings import SettingsError
    from application.ports import Unavailable

    try:
        token = open_token(found)
    except SettingsError:  # no PIN here
        return False
    except Unavailable as error:
        raise misconfigured(f"the token was put back and does not open: {error}") from None
    try:
        weak = weaknesses(token)
    finally:
        token.close()
    if weak:
        raise integrity_broken(f"the token was put back, and its keys are not sound: {weak}")
    return True
