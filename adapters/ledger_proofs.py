"""What the backend proves of its log, wired: D PROVE from the evidence's folder and the ledger.

Part of the composition root, beside the read side of the ledger.
"""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final
from uuid import UUID

from cryptography import x509

from adapters.audit.proof_file import MOST_EVENTS, to_text
from adapters.audit.proving import NoSuchEvent, NotAsWritten, NotSigned, Prover, TooMany
from adapters.audit.receipts import NoPayment, ReceiptMaker
from adapters.backend.operator_ports import Denied
from adapters.hsm.keys import Hsm
from adapters.postgres.log_reader import Connect, SealedLogReader
from adapters.postgres.mapper import SealedMapper
from application.ports import Clock, Unavailable
from projections.ports import Unreadable
from protocol.handshake import Identity

NOT_AS_WRITTEN: Final = "not-as-written"


def _serial(identity: Identity) -> str:
    return format(x509.load_der_x509_certificate(identity.chain_der[0]).serial_number, "x")


class LedgerProofs:
    """`adapters.backend.operator_ports.Proofs`. Calls run in threads; raise Denied, Unavailable."""

    def __init__(
        self,
        folder: Path,
        hsm: Hsm,
        identity: Identity,
        connect: Connect,
        mapper: SealedMapper,
        clock: Clock,
    ) -> None:
        self._connect = connect
        self._mapper = mapper
        opener = SealedLogReader(connect, mapper)  # opens rows, reads none
        self._maker = ReceiptMaker(identity, _serial(identity), opener.open, clock.now_us)
        self._prover = Prover(folder, hsm.log_public_key(), self._reader, self._maker)

    def use_identity(self, identity: Identity) -> None:
        """Whom receipts are signed by from now on."""
        self._maker.use_identity(identity, _serial(identity))

    def of_position(self, position: int) -> str:
        """The proof file of one event."""
        return self._told(lambda: to_text(self._prover.of_position(position)))

    def of_stream(self, stream: UUID, receipt: bool) -> str:
        """The proof file of all events of a transaction or another stream."""
        return self._told(lambda: to_text(self._prover.of_stream(stream, receipt=receipt)))

    def extension_of(self, old_size: int) -> str:
        """The consistency file from the log's first events to its newest checkpoint."""
        return self._told(lambda: to_text(self._prover.extension_of(old_size)))

    @contextlib.contextmanager
    def _reader(self) -> Iterator[SealedLogReader]:
        reader = SealedLogReader(self._connect, self._mapper)
        try:
            yield reader
        finally:
            reader.close()

    def _told(self, make: Callable[[], str]) -> str:
        try:
            return make()
        except NoSuchEvent:
            raise Denied("no-such-event", "There is no such event in the log.") from None
        except NoPayment:
            raise Denied("no-such-payment", "These are not the events of a payment.") from None
        except TooMany:
            text = f"More than {MOST_EVENTS} events. Ask for each by its position."
            raise Denied("too-many-events", text) from None
        except NotSigned:
            text = "No signed checkpoint covers it yet. Try again in a moment."
            raise Denied("not-signed-yet", text) from None
        except NotAsWritten as error:
            raise Denied(NOT_AS_WRITTEN, str(error)) from None
        except Unreadable as error:
            raise Denied(NOT_AS_WRITTEN, f"{error} cannot be read. Run `audit verify`.") from None
        except OSError as error:
            raise Unavailable("the folder of the checkpoints") from error
