"""After a key ceremony the HSM's PIN lies nowhere: it comes from custodians' shares at start."""

import json
import os
import subprocess
from pathlib import Path

from adapters.cli.parts import environment, program
from adapters.settings import PREFIX, load
from tests.e2e.installation import free_port_base


def test_the_servers_get_the_pin_from_shares_and_only_the_backend_has_it(tmp_path: Path) -> None:
    home, safe = tmp_path / "home", tmp_path / "safe"
    clean = {name: text for name, text in os.environ.items() if not name.startswith(PREFIX)}
    run_in = {**environment(load({}, home)), **clean, PREFIX + "HOME": str(home)}
    run_in[PREFIX + "PORT_BASE"] = str(free_port_base())

    def run(*arguments: str, stdin: str = "") -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            program(*arguments), env=run_in, input=stdin, capture_output=True, text=True, timeout=90
        )

    assert run("ceremony", "--sandbox").returncode == 0
    # What the sandbox leaves for demos goes where people would take it: away.
    (home / "ceremony" / "shares").rename(safe)
    (home / "secrets" / "hsm-pin").unlink()
    without = run("init")
    assert without.returncode == 5
    assert "the HSM's PIN is not here" in without.stderr
    assert not (home / "secrets" / "hsm-pin").exists(), "no new PIN for an HSM that has one"

    files = sorted(safe.iterdir())
    shares = [word for path in files[1:] for word in ("--share-file", str(path))]
    pin = run("ceremony", "recover", "--to", "-", *shares).stdout
    wrong = run("init", "--hsm-pin-stdin", stdin="123456\n")
    assert wrong.returncode == 5, wrong.stderr
    done = run("init", "--hsm-pin-stdin", stdin=pin)
    assert done.returncode == 0, done.stderr
    served = run("serve", "--background", "--hsm-pin-stdin", stdin=pin)
    try:
        assert served.returncode == 0, served.stderr
        status = json.loads(run("status", "--json").stdout)
        assert status["warnings"] == []
        assert run("list", "companies", "--json").returncode == 0
        knows = {
            name: pin.strip().encode() in Path(f"/proc/{status[name]['pid']}/environ").read_bytes()
            for name in ("backend", "gateway", "website")
        }
        assert knows == {"backend": True, "gateway": False, "website": False}
    finally:
        run("stop")
    for path in home.rglob("*"):
        if path.is_file() and "postgres" not in path.parts and "tokens" not in path.parts:
            assert pin.strip().encode() not in path.read_bytes(), path
    assert run("ceremony", "verify").returncode == 0
