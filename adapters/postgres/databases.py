"""Which server each database is on: embedded, or the one that a setting names."""

from dataclasses import dataclass
from typing import Final

from adapters.postgres.embedded import PLANS, Cluster
from adapters.settings import PREFIX, Settings

NAMES: Final = tuple(PLANS)


class DatabaseSettingMissing(Exception):
    """An external ledger needs a connection string for this role too."""


@dataclass(frozen=True, slots=True)
class Database:
    """One of the two databases. `cluster` is None where an external server holds it."""

    name: str
    cluster: Cluster | None
    dsns: dict[str, str | None]

    def dsn(self, role: str) -> str:
        """How to connect as `owner` (migrations), `backend`, `auditor` or `website`.

        Raises DatabaseSettingMissing.
        """
        found = self.dsns.get(role)
        if found is None:
            wanted = f"{PREFIX}{self.name}_{role}_dsn".upper()
            raise DatabaseSettingMissing(f"the {self.name} has a server of its own: set {wanted}")
        return found


def database(settings: Settings, name: str) -> Database:
    """The database `ledger` or `website` of this installation."""
    if name == "website":
        if settings.website_dsn:
            external: dict[str, str | None] = dict.fromkeys(
                ("owner", "website"), settings.website_dsn
            )
            return Database(name, None, external)
        cluster = _cluster(settings, name)
        return Database(name, cluster, dict.fromkeys(("owner", "website"), cluster.dsn("website")))
    if settings.ledger_dsn:
        external = {
            "backend": settings.ledger_dsn,
            "owner": settings.ledger_owner_dsn,
            "auditor": settings.ledger_auditor_dsn,
        }
        return Database(name, None, external)
    cluster = _cluster(settings, name)
    roles = ("owner", "backend", "auditor")
    return Database(name, cluster, {role: cluster.dsn(f"ledger_{role}") for role in roles})


def _cluster(settings: Settings, name: str) -> Cluster:
    return Cluster(
        settings.home,
        name,
        wal_folder=settings.wal_archive_folder,
        wal_every_s=settings.wal_archive_every_s,
    )


def ledger_dsn(settings: Settings, role: str = "backend") -> str:
    """Short for the ledger's connection string of a role."""
    return database(settings, "ledger").dsn(role)


def website_dsn(settings: Settings) -> str:
    """Short for the website's connection string."""
    return database(settings, "website").dsn("website")
