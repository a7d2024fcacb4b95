"""The signature of webhooks as Stripe makes it: `t=<seconds>,v1=<HMAC-SHA-256, hex>`.

Over `<seconds>.<body>`; several `v1` while a secret is being replaced. The time is signed, so an
old message cannot be sent again later. https://docs.stripe.com/webhooks/signature
"""

import hashlib
import hmac
import re
from typing import Final

from application.payment_processor import Forged

TOLERANCE_S: Final = 300
_TIME: Final = re.compile(r"[0-9]{1,12}", re.ASCII)
_MOST_PARTS: Final = 16


def signed(secret: bytes, body: bytes, at_s: int) -> str:
    """The header's value."""
    return f"t={at_s},v1={_mac(secret, body, str(at_s))}"


def check(secret: bytes, body: bytes, header: str, now_ms: int) -> None:
    """Raises Forged for another secret, another body or another time."""
    parts = [part.partition("=") for part in header.split(",", _MOST_PARTS)[:_MOST_PARTS]]
    times = [value for name, _, value in parts if name.strip() == "t"]
    macs = [value for name, _, value in parts if name.strip() == "v1"]
    if len(times) != 1 or _TIME.fullmatch(times[0]) is None or not macs:
        raise Forged("it is not signed")
    expected = _mac(secret, body, times[0])
    # Every one is compared, so that the time taken says nothing.
    found = [hmac.compare_digest(expected.encode(), mac.encode()) for mac in macs]
    if not any(found):
        raise Forged("its signature is wrong")
    if abs(now_ms // 1000 - int(times[0])) > TOLERANCE_S:
        raise Forged("it was signed at another time")


def _mac(secret: bytes, body: bytes, time: str) -> str:
    return hmac.new(secret, time.encode() + b"." + body, hashlib.sha256).hexdigest()
