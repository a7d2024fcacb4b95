"""How the HSM is asked: through the running backend, or at the token itself where none runs.

A backend whose HSM does not answer opens no session, so its own word for it is asked for at its
monitor port. Where no backend runs nobody else uses the token, as after a restore.
"""

from typing import Any

from adapters import settings
from adapters.cli import exit_codes
from adapters.cli.failure import Failure, misconfigured, not_running
from adapters.cli.output import say
from adapters.settings import Settings, SettingsError

Row = dict[str, Any]


def hsm_rows(as_: str, what: str) -> list[Row]:
    """The rows of QUERY `hsm` or `hsm-keys`. Raises Failure.

    `hsm` is one row also where the HSM does not answer; at the token itself it has fewer fields.
    """
    from adapters.cli.operator_link import as_reader

    found = settings.load()
    if _is_here(found):
        health = _health(found)
        if health is None:
            return _at_token(found, what)
        if _is_gone(health):
            return _of_a_gone_one(found, what, health)
    try:
        return as_reader(as_, lambda operator: operator.rows("QUERY", {"what": what}))
    except Failure as failure:
        health = _health(found) if _is_here(found) else None
        if failure.status == exit_codes.NOT_RUNNING and health is not None and _is_gone(health):
            return _of_a_gone_one(found, what, health)
        raise


def _is_here(found: Settings) -> bool:
    """Whether this is the backend's machine, not an operator's own computer."""
    return (found.home / "pki" / "backend.pem").exists()


def _health(found: Settings) -> Row | None:
    """What the backend says of itself; None where none runs."""
    from adapters.cli.health import ask_health
    from adapters.cli.supervisor import as_served

    served = as_served(found)
    return ask_health(f"{served.monitor_host}:{served.backend_monitor_port}", None)


def _is_gone(health: Row) -> bool:
    return "hsm" in health["reasons"]


def _of_a_gone_one(found: Settings, what: str, health: Row) -> list[Row]:
    trouble = f"{health['reasons']['hsm']}; {found.logs / 'backend.log'} says more"
    if what != "hsm":
        raise not_running(f"the backend runs, but {trouble}")
    return [_without_answer(found, trouble)]


def _at_token(found: Settings, what: str) -> list[Row]:
    from adapters import hsm_choice
    from adapters.hsm.inventory import key_rows
    from adapters.hsm.token import HsmUnavailable

    say("no backend runs here: the token itself is asked")
    try:
        token = hsm_choice.open_token(found)
    except SettingsError as error:
        raise misconfigured(str(error)) from None
    except HsmUnavailable as error:
        if what != "hsm":
            raise not_running(f"the HSM does not answer: {error}") from None
        return [_without_answer(found, str(error))]
    try:
        if what != "hsm":
            return key_rows(token, _first_made_ms(found))
        return [
            {
                "provider": found.hsm_provider,
                "answers": True,
                "trouble": "",
                "module": token.module,
                "token": token.label,
                "serial": token.serial,
                "slot": token.slot_id,
                "threads": hsm_choice.threads(found),
                "overlaps": token.overlaps,
            }
        ]
    except HsmUnavailable as error:
        raise not_running(f"the HSM does not answer: {error}") from None
    finally:
        token.close()


def _first_made_ms(found: Settings) -> int | None:
    """See `made_ms`; None where the root's certificate is not here."""
    from cryptography import x509

    from adapters.hsm.installation import first_root_file
    from adapters.hsm.inventory import made_ms

    try:
        root = x509.load_pem_x509_certificate(first_root_file(found.home).read_bytes())
    except (OSError, ValueError):
        return None
    return made_ms(root)


def _without_answer(found: Settings, trouble: str) -> Row:
    return {"provider": found.hsm_provider, "answers": False, "trouble": trouble}
