"""C PROJECTION: read models built anew beside those in use, compared, and put into their place.

Nothing of it changes the ledger, so nothing is stored; the backend's log says who did what.
"""

import asyncio
import logging
from typing import TYPE_CHECKING, Any, Final

from application import fields

if TYPE_CHECKING:
    from adapters.backend.operator_commands import OperatorCommands
    from adapters.backend.told import Told

log = logging.getLogger(__name__)
ACTIONS: Final = ("rebuild", "rebuild-in-place", "diff", "switch", "drop")
_NAME_MOST: Final = 40


async def projection(commands: "OperatorCommands", told: "Told") -> dict[str, Any]:
    """One of ACTIONS; a comparison may take minutes."""
    action = fields.choice(told.body, "action", ACTIONS)
    short = fields.text(told.body, "projection", _NAME_MOST)
    models = commands.outside.read_models
    done = {
        "rebuild": models.rebuild,
        "rebuild-in-place": models.rebuild_in_place,
        "diff": models.diff,
        "switch": models.switch,
        "drop": models.drop,
    }[action]
    log.info("%s asks for %s of projection %s", told.origin.actor, action, short)
    return await asyncio.to_thread(done, short)
