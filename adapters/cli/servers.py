"""`backend`, `gateway`, `website`: one server in the foreground, as `serve` starts them."""

import typer

from adapters import settings
from adapters.cli.failure import integrity_broken, not_running

_WHAT_TO_DO = (
    "The backend does not start on a log that is not what was signed. Put back the newest state of "
    "the database and of the folder of the checkpoints; `ticketrestaurant audit verify` says what "
    "is missing. What to do where events are lost for good: TR-BEFS section 14."
)
_PANEL = "One server alone (for a service manager)"


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    for command in (backend, gateway, website):
        app.command(rich_help_panel=_PANEL)(command)


def backend() -> None:
    """Run the backend: it alone opens the ledger database and the HSM.

    Example: [bold]ticketrestaurant backend[/bold]
    """
    from adapters import composition
    from adapters.audit.erasures import ErasuresBroken
    from adapters.audit.taking_up import EvidenceBroken
    from application.ports import Unavailable

    try:
        composition.run_backend(settings.load())
    except Unavailable as error:
        raise not_running(f"the HSM does not answer: {error}") from None
    except EvidenceBroken as error:
        raise integrity_broken(f"{error}. {_WHAT_TO_DO}") from None
    except ErasuresBroken as error:
        raise integrity_broken(f"nobody knows who is to be erased: {error}") from None


def gateway() -> None:
    """Run the gateway: the one door, which cannot read what passes.

    Example: [bold]ticketrestaurant gateway[/bold]
    """
    import uvloop

    from adapters.gateway import server

    uvloop.run(server.run(settings.load()))


def website() -> None:
    """Run the website: pages for shops, companies and the issuer, from periodical reports.

    Example: [bold]ticketrestaurant website[/bold]
    """
    from adapters.cli.own_gateway import gateway_by_settings
    from adapters.postgres.databases import website_dsn
    from adapters.web import server
    from adapters.web.config import WebConfig

    found = settings.load()
    identity = found.home / "pki" / "website"
    server.run(
        WebConfig(
            dsn=website_dsn(found),
            host=found.website_host,
            port=found.website_port,
            public_url=found.website_url,
            trusted_proxies=found.website_trusted_proxies,
            identity=identity if identity.is_dir() else None,
            gateway=gateway_by_settings(found),
            monitor_host=found.monitor_host,
            monitor_port=found.website_monitor_port,
            home=found.home,
        )
    )
