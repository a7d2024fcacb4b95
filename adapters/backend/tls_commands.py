"""C TLS: certificates of TLS classes, the next TLS authority, the end of older ones, made while the
backend serves: the HSM is its alone meanwhile. All of it by two operators: whoever has such a
certificate can stand between every device and us.

The keys are made where they are used and never come here; the command brings requests for them. A
command that was approved is given again for what came of it.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

from adapters.backend.carrying_out import Answer, CarryingOut, any_partition
from adapters.backend.operator_ports import Certified, Denied, Personalisation
from adapters.tls import CLASSES
from application import fields
from application.command import Command
from application.dual_control import waiting
from application.read import Read
from application.record_tls import (
    EndTlsTrust,
    RecordTlsAuthority,
    RecordTlsClasses,
    TlsOnRecord,
    TlsTrustEnded,
)
from application.register import KEY_IN_USE
from protocol.encoding import b64, unb64

if TYPE_CHECKING:
    from adapters.backend.operator_commands import OperatorCommands
    from adapters.backend.told import Told

NAMES_MOST: Final = 16
CERTIFICATE, AUTHORITY, RETIRE = "certificate", "authority", "retire"
_NAME_MOST: Final = 253  # RFC 1035: the longest host name
_OTHER_AUTHORITY: Final = (
    "The newest TLS authority is another one. Trust it here first, with: ticketrestaurant tls"
    " rotate authority"
)
_Requests = Mapping[str, tuple[bytes, Sequence[str]]]


async def tls(commands: "OperatorCommands", told: "Told") -> Answer:
    """What an approved command came to, what waits still, or a new proposal."""
    return await commands.tls.known(told) or await commands.two_persons(told)


class TlsVerb:
    """`two_persons.Verb`: never one operator's decision."""

    def __init__(self, works: CarryingOut, hsm: Personalisation) -> None:
        self._works = works
        self._hsm = hsm

    def summary(self, body: Mapping[str, Any]) -> str:
        """See `Verb`."""
        match _what(body):
            case "authority":
                return f"A new TLS authority after the one of SHA-256 {_start(body, 'replaces')}"
            case "retire":
                return f"Trust no TLS authority before the one of SHA-256 {_start(body, 'keeps')}"
            case _:
                return f"New TLS certificates, and keys, of {', '.join(_requests(body))}"

    def needs_two(self, body: Mapping[str, Any]) -> bool:
        """See `Verb`."""
        return True

    async def known(self, told: "Told") -> Answer | None:
        """The answer without a new proposal: what was asked for is there, or it waits."""
        body = told.body
        if _what(body) == AUTHORITY:
            newest = await self._newest()
            if sha256(newest.chain_der[0]).digest() == _sha256(body, "replaces"):
                return await self._waiting(told)
            return {"certificate": [b64(der) for der in newest.chain_der]}
        if _what(body) == RETIRE:
            keeps = _sha256(body, "keeps")
            if sha256((await self._newest()).chain_der[0]).digest() != keeps:
                raise Denied("other-authority", _OTHER_AUTHORITY)
            if await self._works.through_engine(TlsTrustEnded(self._works.deadline_us(), keeps)):
                return {"keeps": keeps.hex(), "agreed": True}
            return await self._waiting(told)
        serials = await self._on_record(self._keys(body))
        if not serials:
            return await self._waiting(told)
        chains = await self._works.in_lane(
            lambda: {holder: self._hsm.tls_chain(serial) for holder, serial in serials.items()}
        )
        return {
            "certificates": [
                {"holder": holder, "certificate": [b64(der) for der in chain]}
                for holder, chain in chains.items()
            ]
        }

    async def make(self, told: "Told") -> Any:
        """See `Verb`: the authority is made, or was by a command that arrived before."""
        body = told.body
        if _what(body) == AUTHORITY:
            replaces = _sha256(body, "replaces").hex()
            return await self._works.in_lane(lambda: self._hsm.next_tls_authority(replaces))
        if _what(body) == RETIRE:
            return None
        if await self._on_record(self._keys(body)):
            raise Denied(KEY_IN_USE.code, KEY_IN_USE.text)
        requests = _requests(body)
        return await self._works.in_lane(
            lambda: {
                holder: self._hsm.certify_tls(request, holder, names)
                for holder, (request, names) in requests.items()
            }
        )

    def command(self, told: "Told", made: Any) -> Command:
        """See `Verb`."""
        origin, deadline_us = told.origin, self._works.deadline_us()
        if _what(told.body) == RETIRE:
            return EndTlsTrust(origin, deadline_us, keeps=_sha256(told.body, "keeps"))
        if _what(told.body) == AUTHORITY:
            return RecordTlsAuthority(
                origin,
                deadline_us,
                partition=any_partition(),
                certificate=made.record if made else None,
            )
        records = None
        if made is not None:
            records = {holder: certified.record for holder, certified in made.items()}
        return RecordTlsClasses(
            origin,
            deadline_us,
            partition=any_partition(),
            keys=self._keys(told.body),
            certificates=records,
        )

    async def _newest(self) -> Certified:
        return await self._works.in_lane(self._hsm.tls_authority)

    def _keys(self, body: Mapping[str, Any]) -> dict[str, bytes]:
        """By holder, SHA-256 of the key. Raises Denied for a bad request."""
        requests = _requests(body)
        keys = {holder: self._hsm.requested_key(each) for holder, (each, _) in requests.items()}
        if len(set(keys.values())) < len(keys):
            raise fields.Invalid("requests", "bring a key twice.")
        return keys

    async def _on_record(self, keys: Mapping[str, bytes]) -> Mapping[str, str]:
        found: Mapping[str, str] = await self._works.through_engine(
            TlsOnRecord(self._works.deadline_us(), keys)
        )
        return found

    async def _waiting(self, told: "Told") -> Answer | None:
        """The proposal that this was asked for by before, while it waits for a second operator."""
        if "proposal" not in told.body:
            return None
        asked = fields.uuid(told.body, "proposal")
        read = Read(asked, partial(waiting, asked), self._works.deadline_us())
        looked: Answer | None = await self._works.through_engine(read)
        same = looked is not None and looked["summary"] == self.summary(told.body)
        return looked if same else None


def _what(body: Mapping[str, Any]) -> str:
    return fields.choice(body, "what", (CERTIFICATE, AUTHORITY, RETIRE))


def _sha256(body: Mapping[str, Any], field: str) -> bytes:
    return fields.hex_bytes(body, field, 64)


def _start(body: Mapping[str, Any], field: str) -> str:
    return _sha256(body, field).hex()[:16] + "…"


def _requests(body: Mapping[str, Any]) -> _Requests:
    """By holder: the request in DER, and the names."""
    holders = tuple(sorted(CLASSES))
    found: dict[str, tuple[bytes, Sequence[str]]] = {}
    for row in fields.rows(body, "requests", len(holders)):
        holder = fields.choice(row, "holder", holders)
        if holder in found:
            raise fields.Invalid("requests", "names a holder twice.")
        found[holder] = _request(row), _names(row)
    return found


def _request(row: Mapping[str, Any]) -> bytes:
    try:
        return unb64(fields.text(row, "csr", 8_192))
    except ValueError:
        raise fields.Invalid("csr", "is no base64url. Give a certificate request.") from None


def _names(row: Mapping[str, Any]) -> list[str]:
    names = row.get("names", [])
    fits = isinstance(names, list) and len(names) <= NAMES_MOST
    if not fits or not all(isinstance(name, str) and 0 < len(name) <= _NAME_MOST for name in names):
        raise fields.Invalid("names", f"must be a list of at most {NAMES_MOST} host names.")
    return [str(name) for name in names]
