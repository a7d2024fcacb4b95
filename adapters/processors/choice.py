"""Which payment processor the settings name, and its secrets from files of mode 0600."""

import logging
import secrets
from pathlib import Path
from typing import Final

from adapters.processors.sandbox import NAME as SANDBOX
from adapters.processors.sandbox import Sandbox
from adapters.processors.stripe import NAME as STRIPE
from adapters.processors.stripe import Stripe
from adapters.settings import Settings, SettingsError
from application.payment_processor import Processor
from devices.durable import write_durably

log = logging.getLogger(__name__)
NONE: Final = "none"
PROCESSORS: Final = (STRIPE, SANDBOX, NONE)
API_KEY, WEBHOOK_SECRET = "api-key", "webhook-secret"
"""Files in the processor's folder."""
_PRIVATE: Final = 0o077


def processor_of(settings: Settings) -> Processor | None:
    """The processor, None where no cards are charged. Raises SettingsError."""
    if settings.processor == NONE:
        return None
    folder = settings.processor_folder or settings.secrets / "processor"
    if settings.processor == STRIPE:
        return Stripe(_secret(folder / API_KEY), _secret(folder / WEBHOOK_SECRET).encode())
    if settings.processor == SANDBOX:
        log.warning("SANDBOX: refills by card are credited, and no money moves")
        base = settings.website_url or f"http://{settings.website_host}:{settings.website_port}"
        url = f"{base.rstrip('/')}/webhooks/{SANDBOX}"
        return Sandbox(settings.home / "sandbox" / "charges.json", _made(settings.secrets), url)
    raise SettingsError(f"processor: must be one of {', '.join(PROCESSORS)}")


def _secret(path: Path) -> str:
    try:
        mode, text = path.stat().st_mode, path.read_text("ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: cannot be read: {type(error).__name__}") from None
    if mode & _PRIVATE:
        raise SettingsError(f"{path}: others can read it; chmod 600")
    if not text:
        raise SettingsError(f"{path}: is empty")
    return text


def _made(folder: Path) -> bytes:
    """The sandbox's own webhook secret, made at its first use."""
    path = folder / "sandbox-webhook"
    try:
        return path.read_bytes()
    except FileNotFoundError:
        secret = secrets.token_hex(32).encode()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_durably(path, secret)
        return secret
