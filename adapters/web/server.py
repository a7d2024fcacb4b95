"""The website process: one HTTP server on this machine; a reverse proxy may stand before it."""

import logging
import re
import sys

import uvicorn

from adapters.patient_http import patient
from adapters.web.app import make_app
from adapters.web.config import WebConfig
from adapters.web.edge import security_headers

_MAX_CONNECTIONS = 256
_MOST_OF_ADDRESS = 64
_KEEP_ALIVE_S = 5
_GRACE_S = 5


def run(config: WebConfig) -> None:
    """Serve until SIGINT or SIGTERM; starts also while database and gateway are down.

    Logs to standard error, one line a request, without addresses, queries or personal data.
    """
    _log_to_stderr()
    uvicorn.Server(
        uvicorn.Config(
            make_app(config),
            host=config.host,
            port=config.port,
            access_log=False,  # it would log addresses and queries
            log_config=None,
            server_header=False,
            # Whoever is not named could claim any address in X-Forwarded-For.
            proxy_headers=bool(config.trusted_proxies),
            forwarded_allow_ips=config.trusted_proxies or None,
            http=patient(
                security_headers(config),
                most=_MAX_CONNECTIONS,
                most_of_address=_MOST_OF_ADDRESS,
                no_limit_for=frozenset(re.split(r"[,\s]+", config.trusted_proxies)) - {""},
            ),
            timeout_keep_alive=_KEEP_ALIVE_S,
            timeout_graceful_shutdown=_GRACE_S,
        )
    ).run()


def _log_to_stderr() -> None:
    here = logging.StreamHandler(sys.stderr)
    here.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    root = logging.getLogger()
    root.handlers = [here]
    root.setLevel(logging.WARNING)
    logging.getLogger("ticketrestaurant").setLevel(logging.INFO)
    # The pool repeats libpq's message, user and all, at every failed attempt.
    logging.getLogger("psycopg.pool").setLevel(logging.CRITICAL)
