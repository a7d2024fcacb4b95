"""Certificates of TLS classes, made while the backend serves: the HSM is its alone meanwhile.

The key is made where it is used and never comes here; the command brings a request for it. What
is issued is recorded like every other certificate.
"""

import secrets
from typing import TYPE_CHECKING, Any

from adapters.tls import CLASSES
from application import fields
from application.record_tls import RecordTls
from domain.ids import PARTITIONS
from protocol.encoding import b64, unb64

if TYPE_CHECKING:
    from adapters.backend.operator_commands import OperatorCommands
    from adapters.backend.told import Told

NAMES_MOST = 16
AUTHORITY = "authority"
_NAME_MOST = 253  # RFC 1035: the longest host name


async def tls(commands: "OperatorCommands", told: "Told") -> dict[str, Any]:
    """A certificate for a holder's new key, or the next TLS authority."""
    hsm = commands.outside.personalisation
    if fields.choice(told.body, "what", ("certificate", AUTHORITY)) == AUTHORITY:
        holder = AUTHORITY
        replaces = fields.text(told.body, "replaces", 64)
        certified = await commands.works.in_lane(lambda: hsm.next_tls_authority(replaces))
    else:
        holder = fields.choice(told.body, "holder", tuple(sorted(CLASSES)))
        request, names = _request(told), _names(told)
        certified = await commands.works.in_lane(lambda: hsm.certify_tls(request, holder, names))
    answer = await commands.works.carry_out(
        RecordTls(
            told.origin,
            commands.works.deadline_us(),
            partition=secrets.randbelow(PARTITIONS),
            holder=holder,
            certificate=certified.record,
        )
    )
    if answer.get("repeated"):
        return answer
    return {**answer, "certificate": [b64(der) for der in certified.chain_der]}


def _request(told: "Told") -> bytes:
    try:
        return unb64(fields.text(told.body, "csr", 8_192))
    except ValueError:
        raise fields.Invalid("csr", "is no base64url. Give a certificate request.") from None


def _names(told: "Told") -> list[str]:
    names = told.body.get("names", [])
    fits = isinstance(names, list) and len(names) <= NAMES_MOST
    if not fits or not all(isinstance(name, str) and 0 < len(name) <= _NAME_MOST for name in names):
        raise fields.Invalid("names", f"must be a list of at most {NAMES_MOST} host names.")
    return [str(name) for name in names]
