"""What a new generation of each key means for the running backend: `operator_ports.KeyRotation`.

Part of the composition root. For each key: made in the token, certified where others must believe
it, written where the next start looks, and only then taken into use; what is in use already goes on
under the generation that made it. After a crash at any point the next start finds either the old
generation or the new one whole, and the same command can be given again.
"""

import contextlib
import logging
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Final
from uuid import UUID

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from adapters.audit.folder import CheckpointFolder
from adapters.audit.note import BadNote, Signer
from adapters.backend.operator_ports import Denied, InUse, Rotated
from adapters.backend.personalisation import recorded
from adapters.backend.ready import Ready
from adapters.ceremony.order import refusal
from adapters.ceremony.transcript import FOLDER as CEREMONY_FOLDER
from adapters.hsm.authority import Authority, issuer_name
from adapters.hsm.card_verification import VERSIONS_MOST
from adapters.hsm.certificate_store import CertificateStore
from adapters.hsm.certification_request import RequestRefused
from adapters.hsm.installation import (
    BACKEND_CERTIFICATE,
    PIN_CERTIFICATE,
    ROOTS_FILE,
    subject_of,
    write_roots,
)
from adapters.hsm.keys import Hsm
from adapters.hsm.pin_verification import GENERATIONS_MOST
from adapters.hsm.provision import PIN_REFERENCE_KEYS, make_key, spec_of
from adapters.hsm.roots import KEY as ROOT_KEY
from adapters.hsm.roots import Roots
from adapters.hsm.session import KeySession
from adapters.hsm.token import HsmUnavailable, Token
from adapters.hsm.writing import written
from adapters.postgres.data_keys import DataKeys
from adapters.postgres.resealing import Resealing
from adapters.settings import SettingsError
from application.record_tls import AUTHORITY_ROLE
from devices.durable import write_durably
from domain.aggregates.certificate import (
    AUTHORITY_ISSUING,
    AUTHORITY_LINK,
    AUTHORITY_ROOT,
    INSTALLED,
)
from domain.aggregates.key import key_id
from protocol.certificates import BACKEND, PIN, Trust
from protocol.handshake import Identity

log = logging.getLogger(__name__)
MOST: Final = 99
"""Generations of a key, where nothing allows fewer."""
_MOST: Final = {"K_CVV": VERSIONS_MOST, "K_PVV": GENERATIONS_MOST}
TLS_KEY: Final = "CA-TLS"
TWO_ROOTS: Final = (
    "Two roots are in force. Retire the older one first: ticketrestaurant hsm retire CA-ROOT."
)
NOT_HERE: Final = {
    TLS_KEY: "The TLS authority is followed by: ticketrestaurant tls rotate authority.",
    "K_PVV2": "K_PVV2 is rotated together with K_PVV: rotate K_PVV.",
}


class KeyRotation:
    """One rotation at a time. Lives in the HSM's lane."""

    def __init__(
        self,
        home: Path,
        hsm: Hsm,
        authority: Authority,
        keys: DataKeys,
        resealing: Resealing,
        store: CertificateStore,
        ready: Ready,
        use_identity: Callable[[Identity], None],
        evidence: CheckpointFolder,
        use_roots: Callable[[], None],
    ) -> None:
        """`use_identity` gets the backend's new identity for handshakes and receipts; `use_roots`
        is called when the roots of the authority are others than before."""
        self._home, self._hsm, self._authority = home, hsm, authority
        self._keys, self._resealing, self._store = keys, resealing, store
        self._ready, self._use_identity, self._evidence = ready, use_identity, evidence
        self._use_roots = use_roots
        self._generations = hsm.token.generations
        self._lock = Lock()
        self._steps: Mapping[str, Callable[[int], Rotated]] = {
            "K_DB": self._k_db,
            "K_INDEX": partial(self._alone, "K_INDEX"),
            "K_CVV": partial(self._alone, "K_CVV"),
            "K_PVV": self._k_pvv,
            "PIN-ENC": self._pin_enc,
            "BACKEND-ID": self._backend_id,
            "LOG": self._log,
            "CA-ISSUING": self._ca_issuing,
            ROOT_KEY: self._ca_root,
        }

    def check(self, name: str, generation: int, ceremony: str = "") -> None:
        """See the port."""
        if name not in self._steps:
            text = NOT_HERE.get(name, "There is no such key. See: ticketrestaurant hsm keys.")
            raise Denied("not-rotated-here", text)
        newest, most = self._generations.newest(name), _MOST.get(name, MOST)
        if generation > most:
            raise Denied("last-generation", f"{name} has at most {most} generations.")
        if generation not in (newest, newest + 1):
            text = f"{name} is at generation {newest}: only {newest + 1} can follow."
            raise Denied("other-generation", text)
        if name == ROOT_KEY and generation > newest and len(self._authority.roots.in_force) > 1:
            raise Denied("two-roots", TWO_ROOTS)
        if name != ROOT_KEY and ceremony:
            raise Denied("no-ceremony", "A ceremony is for a new root: leave it out.")
        if name == ROOT_KEY and generation > newest:
            no = refusal(self._home / CEREMONY_FOLDER, generation, ceremony)
            if no is not None:
                raise Denied(*no)

    def rotate(self, name: str, generation: int, ceremony: str = "") -> Rotated:
        """See the port."""
        with self._lock:
            self.check(name, generation, ceremony)
            if generation == self._generations.newest(name) and name != ROOT_KEY:
                return Rotated()  # this command came before: what it made is in use
            try:
                made = self._steps[name](generation)
            except RequestRefused as error:
                raise Denied("bad-request", f"The key gets no certificate: {error}.") from None
            log.info("%s/%d is in use", name, generation)
            return made

    def finish(self) -> None:
        """At the start: makes what a crash left of the rotation of a root, the issuing authority
        under it. Raises HsmUnavailable."""
        roots = self._authority.roots
        if roots.above(self._authority.issuing) < roots.generation:
            self._ca_root(roots.generation)
            log.warning("an issuing authority was made under the root that a crash left alone")

    def in_use(self) -> list[InUse]:
        """What is in use now, to be held against the ledger. Raises SettingsError."""
        certified = {
            ROOT_KEY: (key_id(ROOT_KEY), self._authority.root, AUTHORITY_ROOT),
            "CA-ISSUING": (key_id("CA-ISSUING"), self._authority.issuing, AUTHORITY_ISSUING),
            "PIN-ENC": self._leaf(PIN_CERTIFICATE, PIN),
            "BACKEND-ID": self._leaf(BACKEND_CERTIFICATE, BACKEND),
            TLS_KEY: (key_id(TLS_KEY), self._authority.tls, AUTHORITY_ROLE),
        }
        found = []
        for name in (*self._steps, TLS_KEY):
            certificate = None
            if (of := certified.get(name)) is not None:
                certificate = (of[0], recorded(of[1], of[2], INSTALLED))
            found.append(
                InUse(
                    name=name,
                    generation=self._generations.newest(name),
                    certificate=certificate,
                    rotated=name in self._steps,
                )
            )
        return found

    def _leaf(self, name: str, role: str) -> tuple[UUID, x509.Certificate, str] | None:
        path = self._home / name
        if not path.exists():
            return None
        return subject_of(path)[0], read_chain(path)[0], role

    def _make(self, name: str, generation: int) -> None:
        make_key(written(self._hsm.token), spec_of(name, generation))

    def _k_db(self, generation: int) -> Rotated:
        self._make("K_DB", generation)
        self._generations.use("K_DB", generation)
        self._keys.begin_run_key()
        self._resealing.wake()
        return Rotated()

    def _alone(self, name: str, generation: int) -> Rotated:
        """A key about which nobody has to be told."""
        self._make(name, generation)
        self._generations.use(name, generation)
        return Rotated()

    def _k_pvv(self, generation: int) -> Rotated:
        # The hashing key first: whoever sees the new K_PVV in use finds both.
        for name in reversed(PIN_REFERENCE_KEYS):
            self._make(name, generation)
        for name in reversed(PIN_REFERENCE_KEYS):
            self._generations.use(name, generation)
        return Rotated()

    def _pin_enc(self, generation: int) -> Rotated:
        self._make("PIN-ENC", generation)
        self._authority.look_for_own_keys()
        path = self._home / PIN_CERTIFICATE
        subject_id, replaced = subject_of(path)
        leaf = self._authority.issue_pin_key(subject_id, generation)
        chain = self._written(path, leaf)
        self._generations.use("PIN-ENC", generation)
        self._ready.use_pin_key(generation, self._authority.pin_key, chain)
        record = recorded(leaf, PIN, INSTALLED, replaced)
        return Rotated(certificates=((subject_id, record),))

    def _backend_id(self, generation: int) -> Rotated:
        self._make("BACKEND-ID", generation)
        self._authority.look_for_own_keys()
        path = self._home / BACKEND_CERTIFICATE
        subject_id, replaced = subject_of(path)
        leaf = self._authority.issue_backend(subject_id, generation)
        chain = self._written(path, leaf)
        self._generations.use("BACKEND-ID", generation)
        self._use_identity(identity_of(self._hsm, chain, generation))
        record = recorded(leaf, BACKEND, INSTALLED, replaced)
        return Rotated(certificates=((subject_id, record),))

    def _log(self, generation: int) -> Rotated:
        self._make("LOG", generation)
        # Whoever verifies is told of the key before anything is signed with it.
        self._evidence.add_public_key(self._hsm.log_public_key(generation))
        self._generations.use("LOG", generation)
        return Rotated()

    def _ca_root(self, generation: int) -> Rotated:
        """The next root, its link, and an issuing authority under it: from then on all that is new
        is under the new root. Goes on where it was interrupted."""
        roots = self._authority.roots
        if generation not in roots.issuers:
            self._authority.make_root(generation)
            self._generations.use(ROOT_KEY, generation)
            roots.use_newest()
        # Whoever verifies trusts it before anything is signed with it.
        self._use_roots()
        records = [
            (key_id(ROOT_KEY), recorded(certificate, role, INSTALLED))
            for certificate, role in (
                (roots.issuers[generation].certificate, AUTHORITY_ROOT),
                (roots.link(generation), AUTHORITY_LINK),
            )
            if certificate is not None
        ]
        # Twice where an interrupted rotation of CA-ISSUING left a certificate by the old root.
        while roots.above(self._authority.issuing) < generation:
            below = self._ca_issuing(self._generations.newest("CA-ISSUING") + 1)
            records += below.certificates
        also = {"CA-ISSUING": self._generations.newest("CA-ISSUING")}
        return Rotated(certificates=tuple(records), also=also)

    def _ca_issuing(self, generation: int) -> Rotated:
        made = self._authority.make_issuing(generation)
        pem = made.public_bytes(Encoding.PEM)
        write_durably(self._home / "pki" / f"{issuer_name(generation)}.pem", pem)
        self._generations.use("CA-ISSUING", generation)
        self._authority.use_newest_issuing()
        record = recorded(made, AUTHORITY_ISSUING, INSTALLED)
        return Rotated(certificates=((key_id("CA-ISSUING"), record),))

    def _written(self, path: Path, leaf: x509.Certificate) -> list[x509.Certificate]:
        """The chain of a new leaf, on the disk for the next start."""
        chain = [x509.load_der_x509_certificate(each) for each in self._authority.chain_der(leaf)]
        self._store.put(leaf)
        write_durably(path, b"".join(each.public_bytes(Encoding.PEM) for each in chain))
        return chain


def use_roots(home: Path, roots: Roots, trust: Trust) -> None:
    """What is trusted and told from now on: every root of the token. Raises OSError.

    Which of them was retired is asked when it counts.
    """
    trust.roots = tuple(roots.all)
    path = home / ROOTS_FILE
    if not path.exists() or roots.newest not in read_chain(path):
        write_roots(home, roots)


def write_retired(home: Path, roots: Roots, serials: frozenset[int]) -> None:
    """Writes the files of the roots anew where one of these certificates is a root's."""
    if any(each.serial_number in serials for each in roots.all):
        try:
            write_roots(home, roots)
        except OSError as error:
            # It is refused all the same: who is told of the roots is told by the ledger.
            log.error("the files of the roots are not written: %s", error.strerror)


def tell_log_keys(evidence: CheckpointFolder, hsm: Hsm) -> None:
    """Completes `log.pub` where a crash came before it. What is wrong with the folder is for those
    to say who check it."""
    with contextlib.suppress(BadNote, OSError):
        for each in newer_log_keys(hsm):
            evidence.add_public_key(each.key)


def newer_log_keys(hsm: Hsm) -> list[Signer]:
    """The keys that sign checkpoints beside the first one."""
    return [
        Signer(hsm.log_public_key(each), partial(hsm.sign_log, generation=each))
        for each in hsm.log_generations
    ]


def read_chain(path: Path) -> list[x509.Certificate]:
    """A chain in PEM. Raises SettingsError."""
    try:
        return x509.load_pem_x509_certificates(path.read_bytes())
    except OSError as error:
        raise SettingsError(f"{path}: {error.strerror}: run 'ticketrestaurant init'") from None
    except ValueError:
        raise SettingsError(f"{path} holds no certificates: restore it from a backup") from None


def use_certified(token: Token, name: str, chain: list[x509.Certificate]) -> int:
    """Takes that generation of a key into use which its certificate names; which one that is.

    A newer one in the token is one that a crash left without its certificate. Raises
    HsmUnavailable where the token has no such key.
    """
    wanted = chain[0].public_key()
    for generation in token.generations.all(name):
        label = spec_of(name, generation).label
        if token.run(partial(_public_key, label=label)) == wanted:
            token.generations.use(name, generation)
            return generation
    raise HsmUnavailable(f"the token holds no {name} of the certificate {chain[0].serial_number:x}")


def _public_key(keys: KeySession, label: str) -> object:
    return keys.public_key_p256(label)


def identity_of(hsm: Hsm, chain: list[x509.Certificate], generation: int) -> Identity:
    """Who the backend is in handshakes: a certificate, and its key, which stays in the HSM."""
    der = [each.public_bytes(Encoding.DER) for each in chain]
    return Identity(BACKEND, der, partial(hsm.sign_identity, generation=generation))
