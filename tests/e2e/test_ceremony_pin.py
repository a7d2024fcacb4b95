"""After a key ceremony the HSM's PIN lies nowhere: it comes from custodians' shares at start, and
so does the right to a new root."""

import json
import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

from adapters.cli.parts import environment, program
from adapters.settings import PREFIX, load
from tests.e2e.installation import free_port_base, until
from tests.integration.ceremony.room import PEOPLE, Room

Run = Callable[..., "subprocess.CompletedProcess[str]"]
COME = ("--administrator", "Ada Ng", "--witness", "Bo Ruiz", "--custodian", "Chiara Ito")
_ORDER = re.compile(r"hsm rotate CA-ROOT --ceremony ([0-9a-f]{64})")


def test_the_servers_get_the_pin_from_shares_and_only_the_backend_has_it(tmp_path: Path) -> None:
    home = tmp_path / "home"
    clean = {name: text for name, text in os.environ.items() if not name.startswith(PREFIX)}
    run_in = {**environment(load({}, home)), **clean, PREFIX + "HOME": str(home)}

    def run(*arguments: str, stdin: str = "") -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            program(*arguments), env=run_in, input=stdin, capture_output=True, text=True, timeout=90
        )

    first = Room(home, "ceremony", *PEOPLE, "--threshold", "2")
    assert first.wait() == 0, first.said
    without = run("init")
    assert without.returncode == 5
    assert "the HSM's PIN is not here" in without.stderr
    assert not (home / "secrets" / "hsm-pin").exists(), "no new PIN for an HSM that has one"

    typed = "".join(" ".join(first.shares[number]) + "\n" for number in (2, 3))
    pin = run("ceremony", "recover", "--to", "-", stdin=typed).stdout
    wrong = run("init", "--hsm-pin-stdin", stdin="123456\n")
    assert wrong.returncode == 5, wrong.stderr
    base = str(free_port_base())
    done = run("init", "--hsm-pin-stdin", "--base-port", base, stdin=pin)
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
        new_root(home, run, first.shares)
    finally:
        run("stop")
    for path in home.rglob("*"):
        if path.is_file() and "postgres" not in path.parts and "tokens" not in path.parts:
            assert pin.strip().encode() not in path.read_bytes(), path
    assert run("ceremony", "verify").returncode == 0


def new_root(home: Path, run: Run, shares: dict[int, list[str]]) -> None:
    """Two operators alone do not get it; two of three custodians come, one program is killed."""
    plain = run("hsm", "rotate", "CA-ROOT")
    assert plain.returncode == 1
    assert "made before witnesses" in plain.stderr
    few = run("ceremony", "new-root", *COME)
    assert few.returncode == 2, few.stderr
    killed = Room(home, "ceremony", "new-root", *COME, "--custodian", "Eun Kim", shares=shares)
    until(lambda: _ORDER.search(killed.said), "the operators are asked")
    killed.kill()
    again = Room(home, "ceremony", "new-root", shares=shares)
    until(lambda: _ORDER.search(again.said), "they are asked again")
    ordered = [_ORDER.search(room.said) for room in (killed, again)]
    order, same = (found[1] for found in ordered if found)
    assert order == same
    told = json.loads(run("hsm", "rotate", "CA-ROOT", "--ceremony", order, "--json").stdout)
    proposal = told["proposal"]
    assert order in run("proposal", "show", proposal).stdout
    done = run("proposal", "approve", proposal, "--as", "operator-2")
    assert done.returncode == 0, done.stderr
    assert again.wait() == 0, again.said
    folder, root = home / "ceremony" / "root-2", home / "pki" / "root.pem"
    verdict = run("ceremony", "verify", str(folder), "--root", str(root), "--json")
    assert verdict.returncode == 0, verdict.stdout
    assert not json.loads(verdict.stdout)["sandbox"]
    text = " ".join((folder / "transcript.txt").read_text().split())
    assert f"by proposal {proposal}" in text
    assert "note: The custodians give their shares once more." in text
    assert "the program saw none" in text, "no backup was made"
