"""The certification authority: its keys are in the HSM, its certificates beside them.

A certificate is made in three steps: the request is validated (its key, its proof of possession),
the profile makes the certificate, and what was signed is checked again before anybody gets it.
Recording and revoking are events of the ledger, not of this file.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Final
from uuid import UUID

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from pkcs11 import ObjectClass

from adapters.hsm import certificate_profiles as profiles
from adapters.hsm.authority_certificates import (
    Issuer,
    dated,
    establish_certificate,
    signed,
    stored,
)
from adapters.hsm.certificate_profiles import Profile
from adapters.hsm.certification_request import AuthorityRevoked, RequestRefused, validated_key
from adapters.hsm.generations import labelled
from adapters.hsm.provision import make_key, spec_of
from adapters.hsm.roots import Roots
from adapters.hsm.session import KeySession
from adapters.hsm.token import Token
from adapters.hsm.token_key import TokenPrivateKey
from adapters.hsm.writing import written
from protocol.certificates import BACKEND, PIN, ROLES

ORGANIZATION: Final = "TicketRestaurant US"
_ROOT, _ISSUING, _TLS = "CA-ROOT/1", "CA-ISSUING", "CA-TLS"


def _never(_: int) -> bool:
    return False


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Authority:
    """Issues certificates of individuals (private PKI) and of TLS classes.

    All methods raise HsmUnavailable when the token does not answer.
    """

    def __init__(
        self, token: Token, clock: Callable[[], datetime] = _utc_now, validation_url: str = ""
    ) -> None:
        """Of a token whose authorities were established. Raises HsmUnavailable otherwise.

        `validation_url`: where CRL and OCSP of individuals are asked for, written into them.
        """
        self._validation_url = validation_url
        self.revoked: Callable[[int], bool] = _never
        """Asked with the serial of the issuing certificate before anything is signed with it."""
        self.token = token
        self._clock = clock
        self.roots = Roots(token)
        self.issuers: dict[int, Issuer] = {}
        self.use_newest_issuing()
        self.use_newest_tls()
        self.look_for_own_keys()

    @property
    def issuing(self) -> x509.Certificate:
        """The certificate that individuals' certificates are signed with now."""
        return self.issuers[max(self.issuers)].certificate

    @property
    def root(self) -> x509.Certificate:
        """The newest root, which the next issuing authority is signed by."""
        return self.roots.newest

    def make_root(self, generation: int) -> None:
        """The next root, which is made; it signs nothing before it is taken into use.

        Raises RequestRefused where the root before it ended.
        """
        self.roots.make(generation, self._clock(), self._validation_url)

    def look_for_own_keys(self) -> None:
        """Learns which keys are the backend's own: every generation that is in the token."""
        self._backend_keys = self.token.run(partial(_public_keys, name="BACKEND-ID"))
        self._pin_keys = self.token.run(partial(_public_keys, name="PIN-ENC"))

    @property
    def backend_key(self) -> ec.EllipticCurvePublicKey:
        """With which the backend proves itself now."""
        return self._backend_keys[self.token.generations.newest("BACKEND-ID") - 1]

    @property
    def pin_key(self) -> ec.EllipticCurvePublicKey:
        """To which PIN blocks are sealed now."""
        return self._pin_keys[self.token.generations.newest("PIN-ENC") - 1]

    def issue_leaf(
        self,
        requester: ec.EllipticCurvePublicKey | bytes,
        subject_id: UUID,
        role: str,
        valid_days: int = 2 * 365,
    ) -> x509.Certificate:
        """The certificate of an individual, for a public key or a DER request (PKCS#10).

        Ends with the issuing certificate at the latest. Raises RequestRefused.
        """
        key = validated_key(requester)
        if role not in ROLES:
            raise RequestRefused("no such role")
        if key in self._pin_keys:
            raise RequestRefused("the key for PIN blocks gets no other certificate than its own")
        # Any other key with this role could pose as the backend.
        if (role == BACKEND) != (key in self._backend_keys):
            raise RequestRefused("the role backend belongs to the key in the HSM, and to no other")
        name, issuer = self._issuer()
        builder = profiles.individual(x509.CertificateBuilder(), subject_id, role)
        builder = profiles.validated_at(builder, self._validation_url, name)
        days = _checked_days(valid_days, profiles.LEAF)
        return self._issue(builder, key, profiles.LEAF, days, issuer.certificate, issuer.key)

    def issue_pin_key(self, subject_id: UUID, generation: int = 0) -> x509.Certificate:
        """The certificate of the HSM's key for PIN blocks (TR-TPR section 8), of no other key.

        `subject_id` names the key; `generation` 0 is the one in use. Raises RequestRefused.
        """
        name, issuer = self._issuer()
        builder = profiles.individual(x509.CertificateBuilder(), subject_id, PIN)
        builder = profiles.validated_at(builder, self._validation_url, name)
        profile = profiles.PIN_KEY
        key = self._pin_keys[generation - 1] if generation else self.pin_key
        return self._issue(builder, key, profile, profile.days, issuer.certificate, issuer.key)

    def issue_backend(self, subject_id: UUID, generation: int) -> x509.Certificate:
        """The certificate of a generation of the backend's own key. Raises RequestRefused."""
        return self.issue_leaf(self._backend_keys[generation - 1], subject_id, BACKEND)

    def issue_tls(
        self,
        requester: ec.EllipticCurvePublicKey | bytes,
        tls_class: str,
        names: Sequence[str] = (),
        valid_days: int = profiles.TLS_CLASS.days,
    ) -> x509.Certificate:
        """The certificate of a TLS class; `names`: further host names or addresses of a server.

        Raises RequestRefused.
        """
        key = validated_key(requester)
        try:
            builder = profiles.tls_class(x509.CertificateBuilder(), tls_class, names)
        except ValueError:
            raise RequestRefused("no such TLS class or host name") from None
        days = _checked_days(valid_days, profiles.TLS_CLASS)
        return self._issue(builder, key, profiles.TLS_CLASS, days, self.tls, self._tls_key)

    def use_newest_issuing(self) -> None:
        """Signs individuals with the newest generation of the issuing key from now on; what older
        ones signed stays valid, and they go on to sign what they revoked."""
        every = self.token.generations.all(_ISSUING)
        for generation in every:
            if generation not in self.issuers:
                label = labelled(_ISSUING, generation)
                key = TokenPrivateKey(self.token, label)
                self.issuers[generation] = Issuer(stored(self.token, label), key)

    def make_issuing(self, generation: int) -> x509.Certificate:
        """The certificate of the next issuing key, which is made, under the root.

        It signs nothing before it is taken into use. Raises RequestRefused where the root ended.
        """
        label, writable, now = labelled(_ISSUING, generation), written(self.token), self._clock()
        make_key(writable, spec_of(_ISSUING, generation))
        number = self.roots.generation
        root = self.roots.issuers[number].key, self.root.subject
        end = self.root.not_valid_after_utc
        if not self.root.not_valid_before_utc <= now < end:
            raise RequestRefused("the root's own certificate is not valid now")
        name = profiles.authority_name(_organization(self.root), f"Issuing CA {generation}")
        key = TokenPrivateKey(self.token, label)
        establish_certificate(
            *(writable, label, (key, name), root, profiles.ISSUING, now, end),
            validation_url=self._validation_url,
            root=number,
        )
        return stored(self.token, label)

    def use_newest_tls(self) -> None:
        """Signs TLS classes with the newest generation of the TLS authority from now on."""
        self.tls_generation = newest_tls_generation(self.token)
        self.token.generations.use(_TLS, self.tls_generation)
        label = f"{_TLS}/{self.tls_generation}"
        self.tls = stored(self.token, label)
        self._tls_key = TokenPrivateKey(self.token, label)

    def tls_issuer_of(self, leaf: x509.Certificate) -> x509.Certificate | None:
        """The TLS authority, whichever generation, that signed a class's certificate."""
        for generation in range(self.tls_generation, 0, -1):
            authority = stored(self.token, f"{_TLS}/{generation}")
            if authority.subject == leaf.issuer:
                return authority
        return None

    def begin_tls_generation(self) -> x509.Certificate:
        """The certificate of a new TLS authority, with a new key, which signs from now on.

        The one before stays in the token: what it signed is trusted as long as trust files say.
        """
        spec = spec_of(_TLS, self.tls_generation + 1)
        name = profiles.authority_name(_organization(self.tls), f"TLS CA {spec.generation}")
        writable = written(self.token)
        make_key(writable, spec)
        key = TokenPrivateKey(self.token, spec.label), name
        establish_certificate(writable, spec.label, key, key, profiles.TLS_AUTHORITY, self._clock())
        self.use_newest_tls()
        return self.tls

    def chain_der(self, leaf: x509.Certificate) -> list[bytes]:
        """What an individual presents: its own certificate, the one that issued it, and while the
        root before is in force, the link to the root above."""
        issuers = [each.certificate for each in self.issuers.values()]
        issuing = next((each for each in issuers if each.subject == leaf.issuer), self.issuing)
        link = self.roots.link_shown_with(issuing)
        chain = (leaf, issuing) if link is None else (leaf, issuing, link)
        return [each.public_bytes(Encoding.DER) for each in chain]

    def _issuer(self) -> tuple[str, Issuer]:
        """The newest generation of the issuing key, and its name where it is asked for.

        Never an older one: those only go on to sign what they revoked. Raises AuthorityRevoked.
        """
        newest = max(self.issuers)
        issuer = self.issuers[newest]
        if self.revoked(issuer.certificate.serial_number):
            raise AuthorityRevoked(
                "the issuing authority is revoked; the next one is made by:"
                " ticketrestaurant hsm rotate CA-ISSUING"
            )
        return issuer_name(newest), issuer

    def _issue(
        self,
        builder: x509.CertificateBuilder,
        key: ec.EllipticCurvePublicKey,
        profile: Profile,
        days: int,
        issuer: x509.Certificate,
        issuer_key: TokenPrivateKey,
    ) -> x509.Certificate:
        now = self._clock()
        if not issuer.not_valid_before_utc <= now < issuer.not_valid_after_utc:
            raise RequestRefused("the authority's own certificate is not valid now")
        end = min(now + timedelta(days=days), issuer.not_valid_after_utc)
        builder = dated(builder, now, end).issuer_name(issuer.subject)
        issuer_id = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
        builder = builder.add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(issuer_id),
            critical=False,
        )
        certificate = signed(builder, key, profile, issuer_key)
        _enforce(certificate, issuer)
        return certificate


def establish(
    token: Token,
    organization: str = ORGANIZATION,
    clock: Callable[[], datetime] = _utc_now,
    validation_url: str = "",
) -> Authority:
    """The authority of a writable token; certificates of its own that it lacks are made."""
    now = clock()
    root = TokenPrivateKey(token, _ROOT), profiles.authority_name(organization, "Root CA")
    first_issuing = f"{_ISSUING}/1"
    issuing = (
        TokenPrivateKey(token, first_issuing),
        profiles.authority_name(organization, "Issuing CA"),
    )
    first_tls = f"{_TLS}/1"
    tls = TokenPrivateKey(token, first_tls), profiles.authority_name(organization, "TLS CA")
    establish_certificate(token, _ROOT, root, root, profiles.ROOT, now)
    establish_certificate(
        token, first_issuing, issuing, root, profiles.ISSUING, now, validation_url=validation_url
    )
    establish_certificate(token, first_tls, tls, tls, profiles.TLS_AUTHORITY, now)
    return Authority(token, clock, validation_url)


def newest_tls_generation(token: Token) -> int:
    """The newest generation of the TLS authority that has a certificate in the token, from 1."""
    generation = 1
    while token.run(partial(_has_certificate, label=f"{_TLS}/{generation + 1}")):
        generation += 1
    return generation


def issuer_name(generation: int) -> str:
    """How an issuing key is named where CRL and certificate are asked for."""
    return "issuing" if generation == 1 else f"issuing-{generation}"


def _organization(authority: x509.Certificate) -> str:
    return str(authority.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)[0].value)


def _public_keys(keys: KeySession, name: str) -> list[ec.EllipticCurvePublicKey]:
    found = [keys.public_key_p256(f"{name}/1")]
    while keys.has(ObjectClass.PUBLIC_KEY, labelled(name, len(found) + 1)):
        found.append(keys.public_key_p256(labelled(name, len(found) + 1)))
    return found


def _has_certificate(keys: KeySession, label: str) -> bool:
    return keys.certificate(label) is not None


def _checked_days(days: int, profile: Profile) -> int:
    if not 1 <= days <= profile.days:
        raise RequestRefused(f"a certificate of this kind is valid for 1 to {profile.days} days")
    return days


def _enforce(certificate: x509.Certificate, issuer: x509.Certificate) -> None:
    """Refuses what no requester may get, whatever the steps before did."""
    basic = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
    usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    if basic.ca or usage.key_cert_sign or usage.crl_sign:
        raise RequestRefused("nobody gets an authority's certificate")
    if certificate.not_valid_after_utc > issuer.not_valid_after_utc:
        raise RequestRefused("no certificate outlives its authority's")
    certificate.verify_directly_issued_by(issuer)
