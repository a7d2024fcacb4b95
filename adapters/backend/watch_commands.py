"""C WATCH (the rules by which payments are watched; two operators), C ALERT (an operator's verdict
over an alert), C ANSWER of a phone (the cardholder's word)."""

import secrets
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from adapters.backend.carrying_out import CarryingOut
from adapters.backend.sessions import Peer
from application import fields
from application.alerts import AnswerAlert, CloseAlert
from application.command import Command, Refused
from application.place_shop import PlaceShop
from application.watching import SetWatch
from application.work import Failed, Work
from domain.aggregates.alert import VERDICTS
from domain.event import Context
from domain.ids import make_id, partition_of
from domain.suspicion import Watch
from protocol import bodies, messages
from protocol.errors import UNAVAILABLE

if TYPE_CHECKING:
    from adapters.backend.operator_commands import OperatorCommands
    from adapters.backend.told import Told

MOST: Final = {
    "speed_kmh": 2_000,
    "far_km": 20_000,
    "parallel_s": 3_600,
    "burst_count": 8,
    "burst_s": 6 * 3600,
    "round_count": 8,
    "round_most_cents": 100_000,
    "round_s": 6 * 3600,
    "apart_km": 20_000,
    "apart_s": 6 * 3600,
}
"""The largest value of each limit; weights and thresholds are 0 .. 1,000. Only so many uses are
remembered, and for six hours."""
_WEIGHT_MOST: Final = 1_000
_DEADLINE_US: Final = 5_000_000


class WatchVerb:
    """`two_persons.Verb` for C WATCH: nobody turns the watch off alone."""

    def __init__(self, works: CarryingOut) -> None:
        self._works = works

    def summary(self, body: Mapping[str, Any]) -> str:
        """See `Verb`."""
        _, why = _read(body)
        return f"Other rules by which payments are watched: {why}"

    def needs_two(self, body: Mapping[str, Any]) -> bool:
        """See `Verb`."""
        return True

    async def make(self, told: "Told") -> None:
        """See `Verb`: nothing."""

    def command(self, told: "Told", made: None) -> Command:
        """See `Verb`."""
        rules, why = _read(told.body)
        return SetWatch(told.origin, self._works.deadline_us(), rules=rules, why=why)


def _read(body: Mapping[str, Any]) -> tuple[Watch, str]:
    return watch_rules(body), fields.text(body, "why", fields.WHY_MOST)


def watch_rules(body: Mapping[str, Any]) -> Watch:
    """The rules in `rules`, each of them named. Raises Invalid."""
    given = body.get("rules")
    if not isinstance(given, Mapping):
        raise fields.Invalid("rules", "is missing. Give them as `watch show --json` prints them.")
    names = Watch.__struct_fields__
    if set(given) - set(names):
        raise fields.Invalid("rules", f"names something else. Use {', '.join(names)}.")
    missing = [name for name in names if name not in given]
    if missing:
        raise fields.Invalid("rules", _lacking(given, missing))
    return Watch(**{name: _limit(given, name) for name in names})


def _limit(given: Mapping[str, Any], name: str) -> int:
    return fields.whole(given, name, 0, MOST.get(name, _WEIGHT_MOST))


def _lacking(given: Mapping[str, Any], missing: Sequence[str]) -> str:
    """What is missing, and what besides is wrong: whoever wrote it mends both at once."""
    wrong = []
    for name in given:
        try:
            _limit(given, name)
        except fields.Invalid as error:
            wrong.append(f" {error.text}")
    all_of_them = "Give all of them, as `watch show --json` prints them."
    return f"lacks {', '.join(missing)}. {all_of_them}" + "".join(wrong)


def place_of(told: "Told", deadline_us: int) -> Command:
    """Where a shop is. Raises Invalid."""
    place = fields.place(told.body)
    if place is None:
        raise fields.Invalid("place", "is missing.")
    shop_id = fields.uuid(told.body, "shop")
    return PlaceShop(told.origin, deadline_us, shop_id=shop_id, place=place)


async def alert(commands: "OperatorCommands", told: "Told") -> dict[str, Any]:
    """An operator's verdict."""
    works = commands.works
    return await works.carry_out(
        CloseAlert(
            told.origin,
            works.deadline_us(),
            alert_id=fields.uuid(told.body, "alert"),
            verdict=fields.choice(told.body, "verdict", VERDICTS),
            why=fields.text(told.body, "why", fields.WHY_MOST),
        )
    )


class CardholdersWord:
    """C ANSWER of a phone."""

    def __init__(
        self,
        submit: Callable[[Work, Callable[[Any], None]], bool],
        issuer_id: UUID,
        now_us: Callable[[], int],
    ) -> None:
        self._submit = submit
        self._now_us = now_us
        self._issuer_id = issuer_id

    def received(self, peer: Peer, body: bytes) -> None:
        """The word is the session's: its certificate says whose phone it is."""
        asked = bodies.read(body, messages.AlertAnswer)
        request = asked["id"]

        def done(answer: dict[str, Any] | Refused | Failed) -> None:
            if isinstance(answer, Refused):
                peer.error(answer.code, request, answer.text)
            elif isinstance(answer, Failed):
                peer.error(UNAVAILABLE, request)
            else:
                peer.reply("I", "STATUS", {"re": request, "state": "done", "result": answer})

        now_us = self._now_us()
        command_id = make_id(now_us // 1000, partition_of(peer.subject_id), secrets.randbits(62))
        context = Context(
            occurred_at_us=now_us,
            recorded_at_us=now_us,
            actor=peer.who,
            command_id=command_id,
            correlation_id=command_id,
            issuer_id=self._issuer_id,
        )
        work = AnswerAlert(
            context,
            now_us + _DEADLINE_US,
            card_id=peer.subject_id,
            alert_id=fields.uuid(asked, "alert"),
            mine=asked["mine"],
        )
        if not self._submit(work, done):
            peer.error(UNAVAILABLE, request)
