"""Which HSM the settings choose: one of the four providers, its token, and where its PIN is.

Used by whatever opens the token: the composition root, `init`, and the commands on the HSM.
"""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

from adapters.hsm import provision, sealed_pin
from adapters.hsm.card import Card
from adapters.hsm.simulated_network import delayed
from adapters.hsm.softhsm import environment_of_others, is_softhsm
from adapters.hsm.token import Pin, Token
from adapters.settings import PREFIX, Settings, SettingsError
from devices.durable import write_durably

SOFTWARE: Final = "software"
CARD: Final = "card"
OWN: Final = "own"
NETWORK: Final = "network"
SEALED_PIN: Final = "hsm-pin.sealed"
"""In the folder of the secrets: the token's PIN, for the smart card only."""
_PIN_DIGITS: Final = 12
_PIN_MISSING: Final = (
    f"the HSM's PIN is not here. Set {PREFIX}HSM_PIN_FILE; after a key ceremony get it from the"
    " custodians' shares: ticketrestaurant ceremony recover --to FILE"
)


class _Provider(NamedTuple):
    """`ours`: its token is SoftHSM's, made here; else its maker's tools prepare it."""

    ours: bool
    threads: int


PROVIDERS: Final = {
    # SoftHSM has one lock over all calls; more threads only contend for the interpreter.
    SOFTWARE: _Provider(ours=True, threads=1),
    CARD: _Provider(ours=True, threads=1),
    OWN: _Provider(ours=False, threads=8),
    NETWORK: _Provider(ours=False, threads=32),
}


def check(settings: Settings) -> None:
    """Raises SettingsError, with what to do, for settings of the HSM that do not go together."""
    provider = PROVIDERS.get(settings.hsm_provider)
    if provider is None:
        raise _wrong("hsm_provider", f"is {settings.hsm_provider!r}: use {', '.join(PROVIDERS)}")
    if provider.ours:
        _check_software(settings)
    else:
        _check_foreign(settings)
    _check_card(settings)


def _check_software(settings: Settings) -> None:
    name = settings.hsm_provider
    if settings.pkcs11_module is not None and not is_softhsm(settings.pkcs11_module):
        raise _wrong(
            "pkcs11_module",
            f"is not SoftHSM, and hsm_provider is {name}: "
            f"set {PREFIX}HSM_PROVIDER to own or network",
        )
    if settings.hsm_slot is not None:
        raise _wrong("hsm_slot", f"does not go with hsm_provider {name}: its label finds the token")


def _check_foreign(settings: Settings) -> None:
    name = settings.hsm_provider
    if settings.pkcs11_module is None:
        raise _wrong("pkcs11_module", f"is missing: hsm_provider {name} needs its maker's module")
    if not settings.pkcs11_module.is_file():
        raise _wrong("pkcs11_module", f"names no file: {settings.pkcs11_module}")
    if settings.hsm_pin is None and settings.hsm_pin_file is None:
        # A PIN made up here would be wrong, and a few wrong ones lock an HSM.
        raise _wrong("hsm_pin_file", f"is missing: hsm_provider {name} has a PIN of its own")
    if settings.hsm_simulated_delay_ms:
        raise _wrong(
            "hsm_simulated_delay_ms", f"is for measurements, not for hsm_provider {name}: remove it"
        )


def _check_card(settings: Settings) -> None:
    given = [
        name
        for name in ("hsm_card_module", "hsm_card_token", "hsm_card_pin_file", "hsm_card_pin")
        if getattr(settings, name)
    ]
    if settings.hsm_provider != CARD:
        if given:
            raise _wrong(given[0], f"goes with hsm_provider {CARD} only: set that, or remove it")
        return
    for name in ("hsm_card_module", "hsm_card_token"):
        if name not in given:
            raise _wrong(name, f"is missing: hsm_provider {CARD} needs it")
    if not (settings.hsm_card_pin or settings.hsm_card_pin_file):
        raise _wrong("hsm_card_pin_file", f"is missing: hsm_provider {CARD} needs the card's PIN")
    if settings.hsm_pin or settings.hsm_pin_file:
        name = "hsm_pin" if settings.hsm_pin else "hsm_pin_file"
        raise _wrong(name, f"does not go with hsm_provider {CARD}: the PIN is sealed to the card")


def pin_lies_beside_the_token(settings: Settings) -> bool:
    """Whether whoever copies the state folder has the PIN, too: fit for a demo only."""
    return settings.hsm_provider == SOFTWARE and not settings.hsm_pin and not settings.hsm_pin_file


def threads(settings: Settings) -> int:
    """How many calls overlap."""
    return settings.hsm_threads or PROVIDERS[settings.hsm_provider].threads


def provision_token(settings: Settings) -> None:
    """The token with all keys, and its PIN, if it is ours; what exists stays.

    Raises SettingsError, HsmUnavailable, OSError.
    """
    check(settings)
    with _card_of(settings) as card:
        _make_pin(settings, card)
        provision.provision(
            settings.home,
            _pin(settings, card)(),
            module=settings.pkcs11_module,
            label=settings.hsm_token,
            slot=settings.hsm_slot,
            ours=PROVIDERS[settings.hsm_provider].ours,
        )


def open_token(settings: Settings, *, writable: bool = False) -> Token:
    """The token that `provision_token` made. Call it after forking.

    Raises SettingsError, HsmUnavailable: without its smart card, where there is one, too.
    """
    check(settings)
    card = _card(settings)
    return provision.open_token(
        settings.home,
        _pin(settings, card),
        module=settings.pkcs11_module,
        label=settings.hsm_token,
        slot=settings.hsm_slot,
        ours=PROVIDERS[settings.hsm_provider].ours,
        writable=writable,
        sessions=delayed(settings.hsm_simulated_delay_ms),
        guard=None if card is None else partial(_check_present, settings, card),
        overlap=settings.hsm_threads != 1,
    )


def _pin(settings: Settings, card: Card | None) -> Pin:
    """Asked at each login; one that is sealed is in memory no longer than that."""
    if card is not None:
        return lambda: sealed_pin.read(_sealed(settings), card.shared_secret)
    path = settings.hsm_pin_file or _plain(settings)
    pin = settings.hsm_pin or _read_pin(path, "the HSM's PIN")
    return lambda: pin


def _make_pin(settings: Settings, card: Card | None) -> None:
    """The PIN of a token that is to be made here, if nobody gives one."""
    if card is not None and not _sealed(settings).exists():
        _refuse_orphan(settings)
        sealed_pin.write(_sealed(settings), secrets.token_hex(16), card.public_key())
    elif pin_lies_beside_the_token(settings) and not _plain(settings).exists():
        if (settings.home / "hsm" / "serial").exists():
            raise SettingsError(_PIN_MISSING)
        digits = f"{secrets.randbelow(10**_PIN_DIGITS):0{_PIN_DIGITS}}"
        write_durably(_plain(settings), f"{digits}\n".encode())


def _refuse_orphan(settings: Settings) -> None:
    """A token that has a PIN already cannot be opened by a new one."""
    if (settings.home / "hsm" / "serial").exists():
        raise SettingsError(
            f"{_sealed(settings)} is missing, and the token was made already: restore that file, "
            f"or set {PREFIX}HSM_PROVIDER to {SOFTWARE} where its PIN is known"
        )


def _check_present(settings: Settings, card: Card) -> None:
    card.check(sealed_pin.card_key(_sealed(settings)))


def _card(settings: Settings) -> Card | None:
    if settings.hsm_provider != CARD:
        return None
    assert settings.hsm_card_module is not None, "checked"
    pin = settings.hsm_card_pin
    if pin is None:
        assert settings.hsm_card_pin_file is not None, "checked"
        pin = _read_pin(settings.hsm_card_pin_file, "the card's PIN")
    return Card(
        settings.hsm_card_module,
        settings.hsm_card_token,
        settings.hsm_card_key,
        pin,
        environment_of_others(),
    )


@contextmanager
def _card_of(settings: Settings) -> Iterator[Card | None]:
    card = _card(settings)
    try:
        yield card
    finally:
        if card is not None:
            card.close()


def _plain(settings: Settings) -> Path:
    return settings.secrets / "hsm-pin"


def _sealed(settings: Settings) -> Path:
    return settings.secrets / SEALED_PIN


def _read_pin(path: Path, what: str) -> str:
    try:
        return path.read_text().strip()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "no text"
        raise SettingsError(f"{what} cannot be read: {path}: {reason}") from None


def _wrong(name: str, text: str) -> SettingsError:
    return SettingsError(f"{PREFIX}{name.upper()} {text}")
