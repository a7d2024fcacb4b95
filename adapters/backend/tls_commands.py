"""Certificates of TLS classes, made while the backend serves: the HSM is its alone meanwhile.

The key is made where it is used and never comes here; the command brings a request for it. What
is issued is recorded like every other certificate.
"""

from collections.abc import Mapping
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from adapters.backend.carrying_out import CarryingOut, any_partition
from adapters.backend.operator_ports import Certified, Personalisation
from adapters.tls import CLASSES
from application import fields
from application.command import Command
from application.record_tls import RecordTls
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
        newest = await commands.works.in_lane(hsm.tls_authority)
        if sha256(newest.chain_der[0]).digest() == _replaced(told.body):
            return await commands.two_persons(told)
        return {"certificate": [b64(der) for der in newest.chain_der]}
    holder = fields.choice(told.body, "holder", tuple(sorted(CLASSES)))
    request, names = _request(told), _names(told)
    certified = None
    if not await commands.works.used(told.command_id):
        certified = await commands.works.in_lane(lambda: hsm.certify_tls(request, holder, names))
    answer = await commands.works.carry_out(_record(commands.works, told, holder, certified))
    if certified is None:
        return answer
    return {**answer, "certificate": [b64(der) for der in certified.chain_der]}


class NextTlsAuthority:
    """`two_persons.Verb`: a new TLS authority is never one operator's decision."""

    def __init__(self, works: CarryingOut, hsm: Personalisation) -> None:
        self._works = works
        self._hsm = hsm

    def summary(self, body: Mapping[str, Any]) -> str:
        """See `Verb`."""
        return f"A new TLS authority after the one of SHA-256 {_replaced(body).hex()[:16]}…"

    def needs_two(self, body: Mapping[str, Any]) -> bool:
        """See `Verb`."""
        return True

    async def make(self, told: "Told") -> Certified:
        """See `Verb`: the authority is made, or was by a command that arrived before."""
        replaces = _replaced(told.body).hex()
        return await self._works.in_lane(lambda: self._hsm.next_tls_authority(replaces))

    def command(self, told: "Told", made: Certified | None) -> Command:
        """See `Verb`."""
        return _record(self._works, told, AUTHORITY, made)


def _record(
    works: CarryingOut, told: "Told", holder: str, certified: Certified | None
) -> RecordTls:
    return RecordTls(
        told.origin,
        works.deadline_us(),
        partition=any_partition(),
        holder=holder,
        certificate=certified.record if certified else None,
    )


def _replaced(body: Mapping[str, Any]) -> bytes:
    return fields.hex_bytes(body, "replaces", 64)


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
