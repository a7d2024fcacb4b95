"""A copy of a state folder acts on its own servers: never on those of the original."""

import os
import shutil
import subprocess
from json import dumps, loads
from pathlib import Path

from adapters.cli.parts import program
from adapters.settings import PREFIX
from tests.e2e.installation import Installation, free_port_base


def test_a_copy_that_serves_nothing_commands_nobody(
    installation: Installation, tmp_path: Path
) -> None:
    copy = tmp_path / "copy"
    copy.mkdir(mode=0o700)
    for part in ("pki", "operators", "tls"):
        shutil.copytree(installation.home / part, copy / part)
    (copy / "settings.json").write_text(dumps({"port_base": free_port_base()}))
    before = installation.json("list", "companies")

    for environment in ({}, {PREFIX + "GATEWAY_PORT": str(installation.settings.gateway_port)}):
        done = _run(copy, environment, "register", "company", "--name", "Of the copy")
        assert (done.returncode, done.stdout) == (3, ""), done.stderr
        assert f"nothing is being served from {copy}" in done.stderr
    assert installation.json("list", "companies") == before


def test_the_gateway_is_found_whatever_port_the_environment_names(
    installation: Installation,
) -> None:
    elsewhere = {PREFIX + "PORT_BASE": str(free_port_base())}
    done = _run(installation.home, elsewhere, "list", "companies")
    assert done.returncode == 0, done.stderr
    shown = loads(_run(installation.home, elsewhere, "status", "--json").stdout)
    assert all(shown[name]["up"] for name in shown["parts"])
    assert shown["gateway"]["address"].endswith(f":{installation.settings.gateway_port}")
    assert shown["website_url"].endswith(f":{installation.settings.website_port}/")


def test_an_operators_own_computer_calls_the_gateway_of_the_identity(
    installation: Installation, tmp_path: Path
) -> None:
    shutil.copytree(installation.home / "operators", tmp_path / "operators")
    done = _run(tmp_path, {}, "list", "companies", "--json")
    assert done.returncode == 0, done.stderr
    assert loads(done.stdout) == installation.json("list", "companies")


def _run(
    home: Path, environment: dict[str, str], *arguments: str
) -> "subprocess.CompletedProcess[str]":
    clean = {name: text for name, text in os.environ.items() if not name.startswith(PREFIX)}
    here = str(Path(__file__).parents[2])
    return subprocess.run(
        program("--home", str(home), *arguments),
        env={**clean, "PYTHONPATH": here, **environment},
        capture_output=True,
        text=True,
        timeout=60,
    )
