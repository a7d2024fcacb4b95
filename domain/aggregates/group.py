"""A named group of a company's accounts, to be refilled together: the night shift, head office."""

from uuid import UUID

import msgspec

from domain.event import Context, Event, no_such_event, stamp, stored_as
from domain.ids import derived_id, milliseconds_of, partition_of


@stored_as("group.changed/1")
class GroupChanged(Event, frozen=True, kw_only=True, gc=False):
    """Accounts came and went. An account may be in several groups."""

    company_id: UUID
    name: str
    added: tuple[UUID, ...]
    removed: tuple[UUID, ...]


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """A name and its accounts, in the order in which they came."""

    name: str
    accounts: tuple[UUID, ...] = ()


class Groups(msgspec.Struct, frozen=True, kw_only=True):
    """All groups of a company as their events made them, by name in lower case.

    One stream a company: an id made of a group's name would tell the name to who guesses it.
    """

    id: UUID
    version: int
    company_id: UUID
    groups: dict[str, Group]

    def get(self, name: str) -> Group | None:
        """The group of that name, however it is capitalized."""
        return self.groups.get(name.casefold())


def groups_id(company_id: UUID) -> UUID:
    """The stream of a company's groups."""
    return derived_id("groups", company_id, milliseconds_of(company_id), partition_of(company_id))


def evolve(groups: Groups | None, event: Event) -> Groups:
    """The groups after `event`. A name stays as it was first written."""
    match event:
        case GroupChanged():
            before = dict(groups.groups) if groups is not None else {}
            key = event.name.casefold()
            group = before.get(key) or Group(name=event.name)
            gone = set(event.removed)
            kept = [each for each in (*group.accounts, *event.added) if each not in gone]
            before[key] = Group(name=group.name, accounts=tuple(dict.fromkeys(kept)))
            return Groups(
                id=event.originator_id,
                version=event.originator_version,
                company_id=event.company_id,
                groups=before,
            )
        case _:
            raise no_such_event("group", event)


def change(
    context: Context,
    groups: Groups | None,
    *,
    company_id: UUID,
    name: str,
    added: tuple[UUID, ...],
    removed: tuple[UUID, ...],
) -> GroupChanged:
    """A group with other accounts."""
    version = groups.version + 1 if groups is not None else 1
    return GroupChanged(
        **stamp(context, groups_id(company_id), version),
        company_id=company_id,
        name=name,
        added=added,
        removed=removed,
    )
