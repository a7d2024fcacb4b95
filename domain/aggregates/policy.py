"""The certificate policy: for each kind of holder how long a certificate lives and who checks it.

One policy in the ledger, changed by two operators. Before it was ever set, `DEFAULTS` hold.
"""

from collections.abc import Mapping
from uuid import UUID

import msgspec
from msgspec.structs import replace

from domain.event import Context, Event, no_such_event, stamp, stored_as
from domain.ids import make_id

POLICY_ID: UUID = make_id(0, 0, 1)
"""The one policy of an installation."""
AUTOMATIC, HUMAN = "automatic", "human"
MOST_DAYS = 3 * 365
MOST_GRACE_DAYS = 90
MOST_CODE_HOURS = 30 * 24
ROLES = ("pos", "card", "website", "operator", "auditor")


class Profile(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What holds for the certificates of one role.

    `valid_days` 1 .. 1,095; a holder renews from `renew_days` before the end, and until
    `grace_days` after it where it was offline. `check`: whether the validation authority's own
    checks suffice for an enrolment, or a person looks too. `code_hours`: how long a one-time code
    can be used.
    """

    role: str
    valid_days: int
    renew_days: int
    grace_days: int
    check: str
    code_hours: int


DEFAULTS: Mapping[str, Profile] = {
    profile.role: profile
    for profile in (
        Profile(role="pos", valid_days=730, renew_days=240, grace_days=30, check=AUTOMATIC,
                code_hours=72),
        Profile(role="card", valid_days=730, renew_days=240, grace_days=30, check=AUTOMATIC,
                code_hours=72),
        Profile(role="website", valid_days=730, renew_days=240, grace_days=7, check=HUMAN,
                code_hours=24),
        Profile(role="operator", valid_days=730, renew_days=240, grace_days=0, check=HUMAN,
                code_hours=24),
        Profile(role="auditor", valid_days=730, renew_days=240, grace_days=0, check=HUMAN,
                code_hours=24),
    )
}  # fmt: skip


@stored_as("policy.set/1")
class PolicySet(Event, frozen=True, kw_only=True, gc=False):
    """The whole policy from now on."""

    profiles: tuple[Profile, ...]
    why: str


class Policy(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The policy as its events made it."""

    id: UUID
    version: int
    profiles: tuple[Profile, ...]


def evolve(policy: Policy | None, event: Event) -> Policy:
    """The policy after `event`."""
    match event:
        case PolicySet() if policy is None:
            return Policy(
                id=event.originator_id, version=event.originator_version, profiles=event.profiles
            )
        case PolicySet() if policy is not None:
            return replace(policy, version=event.originator_version, profiles=event.profiles)
        case _:
            raise no_such_event("policy", event)


def profile_of(policy: Policy | None, role: str) -> Profile:
    """What holds for a role. Raises KeyError for one that has no certificates of ours."""
    for profile in policy.profiles if policy is not None else ():
        if profile.role == role:
            return profile
    return DEFAULTS[role]


def set_profiles(
    context: Context, policy: Policy | None, *, profiles: tuple[Profile, ...], why: str
) -> PolicySet:
    """A new policy; roles that are not named keep what held for them."""
    named = {profile.role for profile in profiles}
    kept = tuple(profile_of(policy, role) for role in ROLES if role not in named)
    version = policy.version + 1 if policy is not None else 1
    return PolicySet(
        **stamp(context, POLICY_ID, version),
        profiles=tuple(sorted((*profiles, *kept), key=lambda profile: profile.role)),
        why=why,
    )
