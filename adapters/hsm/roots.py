"""The roots of the private PKI: every generation with its key, and the link from each to the next.

The next root is made as RFC 4210 section 4.4 has it: under the same name, with a certificate of its
own and one that the root before signed ("new with old", the link). Whoever trusts only the old one
is shown the link until that one is retired, which its revocation is.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from adapters.hsm import certificate_profiles as profiles
from adapters.hsm.authority_certificates import Issuer, establish_certificate, stored
from adapters.hsm.certification_request import RequestRefused
from adapters.hsm.generations import FIRST, labelled
from adapters.hsm.provision import make_key, spec_of
from adapters.hsm.token import Token
from adapters.hsm.token_key import TokenPrivateKey
from adapters.hsm.writing import written
from protocol.encoding import b64
from protocol.roots import is_issued_by

KEY: Final = "CA-ROOT"


def _never(_: int) -> bool:
    return False


class Roots:
    """For any thread; a new generation is taken into use by `use_newest`.

    `revoked` is asked with a root's serial: whether it was retired.
    """

    def __init__(self, token: Token) -> None:
        """Of a token whose authorities were established. Raises HsmUnavailable otherwise."""
        self._token = token
        self.revoked: Callable[[int], bool] = _never
        self.issuers: dict[int, Issuer] = {}
        self._links: dict[int, x509.Certificate] = {}
        self._above: dict[int, int] = {}
        self.use_newest()

    def use_newest(self) -> None:
        """Learns every generation that is in use. Raises HsmUnavailable."""
        for generation in self._token.generations.all(KEY):
            if generation in self.issuers:
                continue
            label = labelled(KEY, generation)
            if generation > FIRST:
                self._links[generation] = stored(self._token, link_label(generation))
            key = TokenPrivateKey(self._token, label)
            self.issuers = {**self.issuers, generation: Issuer(stored(self._token, label), key)}

    @property
    def generation(self) -> int:
        """The newest."""
        return max(self.issuers)

    @property
    def newest(self) -> x509.Certificate:
        """The root that new authorities are signed by."""
        return self.issuers[self.generation].certificate

    @property
    def all(self) -> list[x509.Certificate]:
        """Every generation, oldest first, retired ones too."""
        return [self.issuers[each].certificate for each in sorted(self.issuers)]

    @property
    def in_force(self) -> list[x509.Certificate]:
        """Those that were not retired, oldest first."""
        return [each for each in self.all if not self.revoked(each.serial_number)]

    def link(self, generation: int) -> x509.Certificate | None:
        """What the root before says of a generation; the first one has none."""
        return self._links.get(generation)

    def above(self, issuing: x509.Certificate) -> int:
        """Which generation signed an issuing authority's certificate; 0: none of ours."""
        serial = issuing.serial_number
        if serial not in self._above:
            found = [
                generation
                for generation, root in self.issuers.items()
                if is_issued_by(issuing, root.certificate)
            ]
            self._above[serial] = found[0] if found else 0
        return self._above[serial]

    def link_shown_with(self, issuing: x509.Certificate) -> x509.Certificate | None:
        """The link that a chain has beside this authority, while the root before is in force."""
        return self._needed_link(self.above(issuing))

    def told(self) -> Mapping[str, Any]:
        """For READY: the roots in force and their links; nothing where there was never another."""
        if self.generation == FIRST:
            return {}
        links = filter(None, map(self._needed_link, sorted(self.issuers)))
        return {"roots": {"in_force": _b64(self.in_force), "links": _b64(links)}}

    def make(self, generation: int, now: datetime, validation_url: str) -> None:
        """Key, link and certificate of the next root, as far as they are not in the token yet.

        It is complete with its own certificate, which comes last. Raises RequestRefused where the
        root before has ended, HsmUnavailable.
        """
        before = self.issuers[generation - 1]
        old, end = before.certificate, before.certificate.not_valid_after_utc
        if not old.not_valid_before_utc <= now < end:
            raise RequestRefused("the root's own certificate is not valid now")
        label, writable = labelled(KEY, generation), written(self._token)
        make_key(writable, spec_of(KEY, generation))
        new = TokenPrivateKey(self._token, label), old.subject
        by_old = before.key, old.subject
        establish_certificate(
            *(writable, link_label(generation), new, by_old, profiles.ROOT, now, end),
            validation_url=validation_url,
            root=generation - 1,
        )
        establish_certificate(writable, label, new, new, profiles.ROOT, now)

    def _needed_link(self, generation: int) -> x509.Certificate | None:
        before = self.issuers.get(generation - 1)
        if before is None or self.revoked(before.certificate.serial_number):
            return None
        return self._links.get(generation)


def link_label(generation: int) -> str:
    """How the token knows the link to a generation."""
    return f"{labelled(KEY, generation)}/link"


def pem_of(certificates: Iterable[x509.Certificate]) -> bytes:
    """One file of them all."""
    return b"".join(each.public_bytes(Encoding.PEM) for each in certificates)


def _b64(certificates: Iterable[x509.Certificate]) -> list[str]:
    return [b64(each.public_bytes(Encoding.DER)) for each in certificates]
