"""The engine over a real database, with what a test asks of it in one line each."""

import os
import secrets
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from adapters.ledger_core import datastore
from adapters.postgres import binaries
from adapters.postgres.data_keys import DataKeys
from adapters.postgres.embedded import STOP_SIGNAL, SUPERUSER, Cluster
from adapters.postgres.event_log import SealedEventLog
from adapters.postgres.mapper import SealedMapper
from adapters.postgres.recorder import ShardRecorder
from adapters.postgres.snapshots import Snapshots
from application.authorize import CARD_NUMBER, Ask, Authorize, Decision
from application.group_commit import GroupCommit
from application.ports import Claim, Clock
from application.reverse import Reverse, ReverseAsk
from application.states import States
from application.work import Done, Failed, Work
from domain.aggregates import account as accounts
from domain.aggregates import card as cards
from domain.aggregates import cardholder as cardholders
from domain.aggregates import company as companies
from domain.aggregates import shop as shops
from domain.aggregates import terminal as terminals
from domain.aggregates import watch as watches
from domain.aggregates.account import Account
from domain.aggregates.transaction import Signed
from domain.event import Context, Event
from domain.ids import make_id, partition_of
from domain.suspicion import Watch

MIGRATIONS = Path(__file__).parents[3] / "migrations" / "ledger"
SECRET_NAME = "Zacharias Quillfeather"


class SoftwareKeySealer:
    """K_DB in memory instead of the HSM, which has tests of its own."""

    def __init__(self) -> None:
        self._key = AESGCM(secrets.token_bytes(32))

    db_generation = 1

    def seal_data_key(
        self, generation: int, key_id: int, subject: bytes, plaintext: bytes
    ) -> bytes:
        nonce = os.urandom(12)
        return nonce + self._key.encrypt(nonce, plaintext, bytes([generation]) + subject)

    def open_data_key(self, generation: int, key_id: int, subject: bytes, sealed: bytes) -> bytes:
        return self._key.decrypt(sealed[:12], sealed[12:], bytes([generation]) + subject)


class Database:
    """A cluster that a test may stop and start."""

    def __init__(self, home: Path) -> None:
        self.cluster = Cluster(home, "ledger")
        self.cluster.create()
        self.dsn = self.cluster.dsn("ledger_backend")
        self._server: subprocess.Popen[bytes] | None = None
        self._log = (home / "postgres.log").open("wb")

    def start(self) -> None:
        """Starts the server and waits for it."""
        self.cluster.prepare_to_run()
        self._server = subprocess.Popen(
            self.cluster.command(parent=os.getpid()),
            env=binaries.environment(),
            stdout=self._log,
            stderr=self._log,
            start_new_session=True,
        )
        until(self.cluster.ready)

    def stop(self, number: int = STOP_SIGNAL) -> None:
        """Stops it, with SIGKILL if so told."""
        assert self._server is not None
        self._server.send_signal(number)
        self._server.wait(30)

    def empty(self) -> None:
        """All tables anew."""
        owner = self.cluster.dsn("ledger_owner")
        with psycopg.connect(owner, autocommit=True) as connection:
            connection.execute("DROP OWNED BY ledger_owner CASCADE")
            connection.execute("CREATE SCHEMA IF NOT EXISTS public")
        for file in sorted(MIGRATIONS.glob("*.sql")):
            with psycopg.connect(owner) as connection:
                connection.execute(file.read_bytes())

    def execute(self, statement: str, *parameters: Any) -> list[Any]:
        """As somebody who owns the whole database, attackers included."""
        with psycopg.connect(self.cluster.dsn(SUPERUSER), autocommit=True) as connection:
            cursor = connection.execute(statement.encode(), parameters)
            return cursor.fetchall() if cursor.description else []

    def dump(self) -> str:
        """What `ledger.dump_command` prints."""
        done = subprocess.run(
            ["sh", "-c", self.cluster.dump_command()], capture_output=True, text=True, check=True
        )
        return done.stdout


class SystemClock:
    """The machine's clock."""

    def now_us(self) -> int:
        return time.time_ns() // 1000


class World:
    """The engine and its surroundings; `ask` waits for the answer."""

    def __init__(
        self,
        database: Database,
        cards_made: int = 3,
        watched: bool = False,
        clock: Clock | None = None,
        credit_cents: int = 1_000_000,
    ) -> None:
        """`watched`: by the first rules against cloned cards; else they refuse nothing."""
        self.database, self._watched = database, watched
        self.sealer = SoftwareKeySealer()
        self.clock = clock or SystemClock()
        self.open()
        self._populate(cards_made, credit_cents)

    def open(self) -> None:
        """A new run of the backend over the same database."""
        self._connections: list[psycopg.Connection[Any]] = []
        self.keys = DataKeys(self._connect, self.sealer)
        self.store = datastore(self.database.dsn, 2)
        self.log = SealedEventLog(
            ShardRecorder(self.store, self.database.dsn), SealedMapper(self.keys)
        )
        self.snapshots = Snapshots(self.log, self.keys, self.database.dsn)
        self.states = States(self.log, snapshots=self.snapshots)
        self.engine = GroupCommit(self.log, self.states, self.clock, _deliver)
        self.engine.start()

    def _connect(self) -> "psycopg.Connection[Any]":
        self._connections.append(psycopg.connect(self.database.dsn))
        return self._connections[-1]

    def close(self) -> None:
        """Ends the run."""
        self.engine.stop()
        self.snapshots.stop()
        self.snapshots._disconnect()  # its thread, which would, does not run here
        for connection in self._connections:
            connection.close()
        self.log.recorder.release()
        self.store.close()

    def restart(self) -> None:
        """Ends the run and begins the next: nothing is known but what is stored."""
        self.close()
        self.open()

    def submit(self, *works: Work, queued: Callable[[], None] = lambda: None) -> list[Any]:
        """The answers, in order; the works arrive together. `queued`: called once all did."""
        answers: list[Any] = [None] * len(works)
        left = threading.Semaphore(0)

        def done_at(index: int) -> Any:
            def done(answer: Any) -> None:
                answers[index] = answer
                left.release()

            return done

        for index, work in enumerate(works):
            assert self.engine.submit(work, done_at(index))
        queued()
        for _ in works:
            assert left.acquire(timeout=20), "no answer within 20 s"
        return answers

    def ask(self, **changes: Any) -> Decision:
        """The decision over one payment."""
        (answer,) = self.submit(self.payment(**changes))
        assert isinstance(answer, Decision), answer
        return answer

    def failure(self, **changes: Any) -> Failed:
        """The failure of one payment."""
        (answer,) = self.submit(self.payment(**changes))
        assert isinstance(answer, Failed), answer
        return answer

    def payment(
        self, *, counter: int = 1, card: int = 0, deadline_s: float = 5, **changes: Any
    ) -> Authorize:
        """A payment of $1.00 with a stripe."""
        now_us = self.clock.now_us()
        facts: dict[str, Any] = {
            "terminal_id": self.terminal,
            "shop_id": self.shop,
            "counter": counter,
            "ms": now_us // 1000,
            "amount_cents": 100,
            "expires_us": now_us + 60_000_000,
            "of_this_session": True,
            "card_digest": self.digests[card],
            "masked_pan": "508900******1234",
            "stripe_genuine": True,
            "pin_references": None,
            "consent_valid": None,
            "consent_card_id": None,
            "signed": Signed(contract=b"{}", contract_hash=b"h" * 32, signature="a..b"),
            "actor": f"pos:{self.terminal}:1f",
            "issuer_id": self.shop,
        }
        return Authorize(Ask(**(facts | changes)), now_us + int(deadline_s * 1_000_000))

    def reversal(
        self,
        *,
        counter: int,
        ms: int,
        card: int = 0,
        digest: bytes | None = None,
        card_id: UUID | None = None,
    ) -> Reverse:
        """A reversal of a payment, by the card's number or by a phone card's id."""
        ask = ReverseAsk(
            terminal_id=self.terminal,
            counter=counter,
            ms=ms,
            contract_hash=b"h" * 32,
            why="timeout",
            card_digest=None if card_id else digest or self.digests[card],
            card_id=card_id,
            actor="pos",
            issuer_id=self.shop,
        )
        return Reverse(ask, self.clock.now_us() + 5_000_000)

    def another_shop(self) -> tuple[UUID, UUID]:
        """A second shop and its terminal."""
        self.engine.stop()
        now_us = self.clock.now_us()
        context = Context(
            occurred_at_us=now_us, recorded_at_us=now_us, actor="operator:x:1",
            command_id=_id(), correlation_id=_id(), issuer_id=_id(),
        )  # fmt: skip
        shop, terminal = _id(), _id()
        self.log.append(
            [
                shops.register(context, shop, name="Bistro", category="5812",
                               timezone="America/New_York", email="b@e.example",
                               activation_sha256=b""),
                terminals.register(context, terminal, shop_id=shop, label="Bar"),
            ],
            [],
        )  # fmt: skip
        self.restart()
        return shop, terminal

    def same_partition(self, card: int) -> UUID:
        """The id of a card that is not there, in the partition of one that is."""
        return _id(partition_of(self.cards[card]))

    def account(self, card: int = 0) -> Account:
        """The account as the log has it, replayed."""
        states = States(self.log)
        state = states.get(self.accounts[card], Account)
        assert state is not None
        return state

    def events(self) -> list[Event]:
        """The whole log, opened; positions are checked to be gapless."""
        rows = self.log.recorder.rows(0, 1_000_000)
        assert [row.position for row in rows] == list(range(1, len(rows) + 1))
        return [
            self.log.mapper.open(
                row.originator_id, row.originator_version, row.topic, bytes(row.state)
            )
            for row in rows
        ]

    def _populate(self, cards_made: int, credit_cents: int) -> None:
        self.engine._wake.set()  # it would look at the log by itself only after a second
        until(lambda: self.engine.available)
        now_us = self.clock.now_us()
        context = Context(
            occurred_at_us=now_us,
            recorded_at_us=now_us,
            actor="operator:x:1",
            command_id=_id(),
            correlation_id=_id(),
            issuer_id=_id(),
        )
        self.company, self.shop, self.terminal = _id(), _id(), _id()
        events: list[Event] = [
            companies.register(
                context,
                self.company,
                name="Acme",
                timezone="America/Chicago",
                daily_limit_cents=10**8,
            ),
            shops.register(
                context,
                self.shop,
                name="Deli",
                category="5812",
                timezone="America/Chicago",
                email="d@e.example",
                activation_sha256=b"",
            ),
            terminals.register(context, self.terminal, shop_id=self.shop, label="Till"),
        ]
        if not self._watched:
            lenient = Watch(step_up_from=1_000, refuse_from=1_000)
            events.append(watches.set_rules(context, None, rules=lenient, why="many at once"))
        self.digests: list[bytes] = []
        self.accounts: list[UUID] = []
        self.cards: list[UUID] = []
        claims: list[Claim] = []
        for number in range(cards_made):
            card, account, holder = _id(number + 1), _id(number + 1), _id(number + 1)
            self.digests.append(secrets.token_bytes(32))
            self.accounts.append(account)
            self.cards.append(card)
            claims.append(Claim(CARD_NUMBER, self.digests[-1], card))
            opened = accounts.open(
                context,
                account,
                company_id=self.company,
                cardholder_id=holder,
                timezone="America/Chicago",
                daily_limit_cents=10**8,
                currency="USD",
            )
            state = accounts.evolve(None, opened)
            events += [
                cardholders.register(
                    context,
                    holder,
                    company_id=self.company,
                    first_name=SECRET_NAME.split()[0],
                    last_name=SECRET_NAME.split()[1],
                    email="z@q.example",
                ),
                opened,
                accounts.credit(context, state, amount_cents=credit_cents, refill_id=_id()),
                cards.issue(
                    context,
                    card,
                    account_id=account,
                    cardholder_id=holder,
                    kind="stripe",
                    masked_pan="508900******1234",
                    expiry="3012",
                ),
            ]
        self.log.append(events, claims)


def until(true: Any, seconds: float = 20) -> None:
    """Waits until `true()`."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


def _id(partition: int = 0) -> UUID:
    return make_id(time.time_ns() // 1_000_000, partition, secrets.randbits(62))


def _deliver(batch: list[Done]) -> None:
    for done, answer in batch:
        done(answer)
