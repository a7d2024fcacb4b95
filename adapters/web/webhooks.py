"""Where payment processors tell what happened: bytes and signature go to the backend as they came.

Nothing is decided here. 200 once it is recorded, so that the processor stops sending it; 400 for
what the backend refuses; 503 for what it should send again.
"""

import logging
import re
from typing import Any, Final

from litestar import Request, Response, post
from litestar.exceptions import ClientException, NotFoundException

from adapters.web.asking import NotAsked, Refused
from adapters.web.site import Site
from protocol.encoding import b64

_log = logging.getLogger("ticketrestaurant.website")
MOST_BYTES: Final = 30_000
"""In base64url within a line of the protocol."""
_HEADERS: Final = {"stripe": "stripe-signature", "sandbox": "stripe-signature"}
_SIGNATURE: Final = re.compile(r"[\x21-\x7e]{1,1000}", re.ASCII)
_FOR_GOOD: Final = frozenset({"forged-webhook", "bad-body"})


@post("/webhooks/{processor:str}", status_code=200, request_max_body_size=MOST_BYTES)
async def webhook(request: Request[Any, Any, Any], processor: str, site: Site) -> Response[Any]:
    """One message of a processor."""
    header = _HEADERS.get(processor)
    if header is None:
        raise NotFoundException
    signature = request.headers.get(header, "")
    if _SIGNATURE.fullmatch(signature) is None:
        raise ClientException("This message is not signed.")
    body = await request.body()
    told = {"processor": processor, "body": b64(body), "signature": signature}
    try:
        result = await site.link.asking.ask("WEBHOOK", told)
    except Refused as refused:
        if refused.code in _FOR_GOOD:
            return Response({"error": refused.code}, status_code=400)
        if refused.code == "no-processor":
            raise NotFoundException from None
        return _later(refused.code)
    except NotAsked as error:
        return _later(str(error))
    return Response({"outcome": result.get("outcome", "")})


def _later(why: str) -> Response[Any]:
    _log.warning("a webhook could not be recorded: %s", why)
    return Response({"error": "try-later"}, status_code=503, headers={"Retry-After": "30"})
