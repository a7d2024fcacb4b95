"""The software token (SoftHSM): where its module lies, its configuration, a new token.

The state folder's `hsm/` holds the configuration, the tokens and `serial`, the number of the
token that this installation was made with. Another HSM needs none of this: its maker's tools
prepare a token, and its module path is configured.
"""

import ctypes
import os
import secrets
import shutil
from collections.abc import Callable
from pathlib import Path

from pkcs11 import TokenFlag
from pkcs11.exceptions import PKCS11Error

from adapters.hsm.library import library
from adapters.hsm.token import HsmUnavailable

MODULE_SETTING = "SOFTHSM2_MODULE"
_CONFIGURATION_SETTING = "SOFTHSM2_CONF"
_ROOT = Path("/")
# Debian (with and without multiarch), Fedora, and what `make install` does.
_PLACES = (
    "usr/lib/softhsm/libsofthsm2.so",
    "usr/lib/*/softhsm/libsofthsm2.so",
    "usr/lib64/pkcs11/libsofthsm2.so",
    "usr/lib64/softhsm/libsofthsm2.so",
    "usr/local/lib/softhsm/libsofthsm2.so",
)
_LABEL_BYTES = 32
# Our configurations of this process, and what was configured before the first of them.
_OURS: set[str | None] = set()
_BEFORE: dict[str, str | None] = {}


def find_module(home: Path, override: str | Path | None = None) -> Path:
    """The PKCS#11 module: the override, what SOFTHSM2_MODULE says, the system's SoftHSM, or one
    unpacked under `<home>/system/` (`dpkg -x`). Raises HsmUnavailable."""
    chosen = override or os.environ.get(MODULE_SETTING)
    if chosen:
        if not Path(chosen).is_file():
            raise HsmUnavailable(f"there is no PKCS#11 module {chosen}")
        return Path(chosen)
    for root in (_ROOT, home / "system"):
        for place in _PLACES:
            for found in sorted(root.glob(place)):
                return found.absolute()
    raise HsmUnavailable(
        "no SoftHSM module found: install the package softhsm2, "
        f"or set {MODULE_SETTING} to the path of a PKCS#11 module"
    )


def is_softhsm(module: Path) -> bool:
    """Whether tokens are made and configured here, or by the tools of an HSM's maker."""
    return "softhsm" in module.name


def use_tokens_of(folder: Path) -> None:
    """Makes the module's next start in this process read the tokens of `folder`, which is the
    state folder's `hsm/`."""
    before = os.environ.get(_CONFIGURATION_SETTING)
    if before not in _OURS:
        _BEFORE[_CONFIGURATION_SETTING] = before
    path = str(_write_configuration(folder))
    _OURS.add(path)
    os.environ[_CONFIGURATION_SETTING] = path


def environment_of_others() -> dict[str, str]:
    """The environment as it was without our configuration of SoftHSM: for a module that is not
    to see our tokens."""
    found = dict(os.environ)
    if found.get(_CONFIGURATION_SETTING) in _OURS:
        del found[_CONFIGURATION_SETTING]
        before = _BEFORE[_CONFIGURATION_SETTING]
        if before is not None:
            found[_CONFIGURATION_SETTING] = before
    return found


def has_token(folder: Path) -> bool:
    """Whether the token was made. Raises HsmUnavailable where it was and is gone: a new one would
    have other keys, and everything sealed so far would be lost behind it."""
    tokens = folder / "tokens"
    if tokens.is_dir() and any(tokens.iterdir()):
        return True
    if (folder / "serial").exists():
        raise HsmUnavailable(f"the token that {folder / 'serial'} names is gone: restore {tokens}")
    return False


def create_token(
    folder: Path, module: Path, label: str, pin: str, fill: Callable[[], None]
) -> None:
    """A new token in `folder`, whole or not at all: made and filled beside its place.

    `fill` makes its keys. The security officer's PIN is random and forgotten: nobody can set a
    new user PIN, so whoever loses it needs the back-up of PIN and token.
    """
    staging = folder / "new"
    shutil.rmtree(staging, ignore_errors=True)
    (staging / "tokens").mkdir(mode=0o700, parents=True)
    use_tokens_of(staging)
    try:
        serial = _initialize(module, label, pin)
        fill()
    finally:
        use_tokens_of(folder)
    _synchronize(staging / "tokens")
    (staging / "tokens").rename(folder / "tokens")
    _write(folder / "serial", serial + b"\n")
    _synchronize(folder)
    shutil.rmtree(staging)


def _initialize(module: Path, label: str, pin: str) -> bytes:
    """Makes a token in the free slot and gives its serial number. Raises HsmUnavailable."""
    officer_pin = secrets.token_hex(16)
    shared = library(module)
    with shared.gate.alone():
        try:
            shared.start()
            _init_token(module, _free_slot(module), officer_pin, label)
            token = shared.token(label)
            session = token.open(rw=True, so_pin=officer_pin)
            session.init_pin(pin)
            session.close()
        except PKCS11Error as error:
            raise HsmUnavailable(f"no token could be made: {type(error).__name__}") from None
        return bytes(token.serial)


def _free_slot(module: Path) -> int:
    for slot in library(module).slots():
        if not slot.get_token().flags & TokenFlag.TOKEN_INITIALIZED:
            return int(slot.slot_id)
    raise HsmUnavailable("no free slot for a new token")


def _init_token(module: Path, slot: int, officer_pin: str, label: str) -> None:
    """C_InitToken, which python-pkcs11 lacks; `softhsm2-util` would show PINs in `ps`."""
    padded = label.encode().ljust(_LABEL_BYTES)
    if len(padded) != _LABEL_BYTES:
        raise ValueError("a token's label has at most 32 bytes")
    init_token = ctypes.CDLL(str(module)).C_InitToken
    init_token.argtypes = (ctypes.c_ulong, ctypes.c_char_p, ctypes.c_ulong, ctypes.c_char_p)
    init_token.restype = ctypes.c_ulong
    answer = init_token(slot, officer_pin.encode(), len(officer_pin), padded)
    if answer != 0:
        raise HsmUnavailable(f"no token could be made: error {answer:#x}")


def _write_configuration(folder: Path) -> Path:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder.absolute() / "softhsm2.conf"
    text = (
        f"directories.tokendir = {folder.absolute() / 'tokens'}\n"
        "objectstore.backend = file\n"
        "objectstore.umask = 0077\n"
        "log.level = ERROR\n"
        "slots.removable = false\n"
        "library.reset_on_fork = true\n"
    )
    if not path.exists() or path.read_text() != text:
        _write(path, text.encode())
    return path


def _write(path: Path, content: bytes) -> None:
    fresh = path.with_name(f"{path.name}.{os.getpid()}")
    fresh.touch(mode=0o600)
    fresh.write_bytes(content)
    fresh.replace(path)


def _synchronize(folder: Path) -> None:
    """Brings the folder and all in it to the disk: SoftHSM itself does not."""
    for path in (*folder.rglob("*"), folder):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
