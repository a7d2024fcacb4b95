"""A named group of a company's accounts, to be refilled together: the night shift, head office."""

import hashlib
from uuid import UUID

import msgspec

from domain.event import Context, Event, no_such_event, stamp, stored_as
from domain.ids import make_id, milliseconds_of, partition_of


@stored_as("group.changed/1")
class GroupChanged(Event, frozen=True, kw_only=True, gc=False):
    """Accounts came and went. An account may be in several groups."""

    company_id: UUID
    name: str
    added: tuple[UUID, ...]
    removed: tuple[UUID, ...]


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """The group as its events made it; accounts in the order in which they came."""

    id: UUID
    version: int
    company_id: UUID
    name: str
    accounts: tuple[UUID, ...] = ()


def group_id(company_id: UUID, name: str) -> UUID:
    """The one group of that name, however it is capitalized, of a company."""
    digest = hashlib.sha256(b"TR-GROUP/1" + company_id.bytes + name.casefold().encode()).digest()
    return make_id(
        milliseconds_of(company_id), partition_of(company_id), int.from_bytes(digest[:8])
    )


def evolve(group: Group | None, event: Event) -> Group:
    """The group after `event`."""
    match event:
        case GroupChanged():
            before = group.accounts if group is not None else ()
            gone = set(event.removed)
            kept = [account for account in (*before, *event.added) if account not in gone]
            return Group(
                id=event.originator_id,
                version=event.originator_version,
                company_id=event.company_id,
                name=event.name,
                accounts=tuple(dict.fromkeys(kept)),
            )
        case _:
            raise no_such_event("group", event)


def change(
    context: Context,
    group: Group | None,
    *,
    company_id: UUID,
    name: str,
    added: tuple[UUID, ...],
    removed: tuple[UUID, ...],
) -> GroupChanged:
    """The group with other accounts; its name stays as it was first written."""
    return GroupChanged(
        **stamp(
            context,
            group.id if group is not None else group_id(company_id, name),
            group.version + 1 if group is not None else 1,
        ),
        company_id=company_id,
        name=group.name if group is not None else name,
        added=added,
        removed=removed,
    )
