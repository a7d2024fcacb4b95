"""testssl.sh looks at the gateway as any stranger can: nothing of medium severity or worse."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any, Final

import pytest

from adapters.cli.parts import server_address
from tests.e2e.installation import Installation

EXPLAINED: Final = {
    "cert_revocation": "a TLS class is no individual: a replaced certificate is refused by the list"
    " of superseded ones, and individuals are checked in the session inside",
}
"""Findings that stay, each with the reason why that is right here."""
_BAD: Final = frozenset({"MEDIUM", "HIGH", "CRITICAL", "FATAL"})
_CHECKS: Final = (
    "--protocols", "--std", "--server-defaults", "--server-preference", "--fs", "--vulnerable",
)  # fmt: skip


@pytest.mark.skipif(shutil.which("testssl") is None, reason="no testssl (package testssl.sh)")
def test_nothing_of_medium_severity_or_worse(installation: Installation, tmp_path: Path) -> None:
    found = looked_at(installation, tmp_path)
    findings = {each["id"]: each for each in found}
    bad = {name: each["finding"] for name, each in findings.items() if each["severity"] in _BAD}
    assert bad.keys() <= EXPLAINED.keys(), bad
    # It reached the gateway and looked: an empty report would pass, too.
    assert findings["TLS1_3"]["severity"] == "OK"
    for older in ("SSLv2", "SSLv3", "TLS1", "TLS1_1", "TLS1_2"):
        assert "not offered" in findings[older]["finding"], older
    assert findings["cert_chain_of_trust"]["finding"].startswith("passed")
    forward_secrecy = findings.get("FS") or findings["PFS"]  # its name before version 3.2
    assert forward_secrecy["severity"] == "OK"
    assert findings["heartbleed"]["severity"] == "OK"


def looked_at(installation: Installation, folder: Path) -> list[dict[str, Any]]:
    """What it says, some twenty seconds later. It shows no client certificate: that is asked for
    last in TLS 1.3, after everything that is looked at here."""
    report = folder / "report.json"
    host, port = server_address(installation.settings, "gateway")
    options = [
        "--quiet", "--color", "0", "--warnings", "off", "--nodns", "none", "--fast",
        "--openssl", str(shutil.which("openssl")), "--openssl-timeout", "5",
        "--connect-timeout", "5", "--add-ca", str(installation.home / "tls" / "ca.pem"),
    ]  # fmt: skip
    done = subprocess.run(
        ["testssl", *options, *_CHECKS, "--jsonfile", str(report), f"{host}:{port}"],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=110, cwd=folder,
    )  # fmt: skip
    assert report.exists(), done.stdout[-2000:] + done.stderr[-500:]
    loaded: list[dict[str, Any]] = json.loads(report.read_text())
    return loaded
