"""The whole path: load generator → TLS → gateway → TLS → backend → HSM, engine → durable → back.

The generator (`devices/load.py`) is a process of its own on the same two cores.
"""

import json
import subprocess
import sys
from typing import Any

from script.benchmark.population import PIN, WITH_PIN, Population

WARM_UP_S = 1.5
PREPARED_PER_S = 5_000
"""Payments signed in advance for each second of a load: the terminals' signing is not measured."""


class Wire:
    """Runs loads one after the other in one generator process."""

    def __init__(self, population: Population) -> None:
        self._population = population
        self._generator = subprocess.Popen(
            [sys.executable, "-m", "devices.load"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def load(self, connections: int, seconds: float, kind: str = "stripe") -> dict[str, Any]:
        """The result of one load, all approved. `kind`: `stripe`, `new` (20,000 of them, so that
        few come twice), `pin` or `phone`."""
        population = self._population
        plan: dict[str, Any] = {
            "terminals": [str(folder) for folder in population.terminals[:connections]],
            "connections": connections,
            "seconds": seconds,
            "warm_up_s": WARM_UP_S,
            "prepared": int((seconds + WARM_UP_S) * PREPARED_PER_S),
        }
        if kind == "phone":
            plan["cards"] = [str(folder) for folder in population.phones]
        else:
            most = {"pin": WITH_PIN, "new": 20_000}.get(kind, 4_000)
            plan["tracks"] = population.tracks[:most]
        if kind == "pin":
            plan["pin"] = PIN
        assert self._generator.stdin and self._generator.stdout
        self._generator.stdin.write(json.dumps(plan) + "\n")
        self._generator.stdin.flush()
        said = self._generator.stdout.readline()
        if not said:
            raise RuntimeError("the load generator ended")
        result: dict[str, Any] = json.loads(said)
        if result["approved"] != result["answered"] or not result["answered"]:
            raise RuntimeError(f"not all approved: {result['codes']} {result['errors']}")
        return result

    def close(self) -> None:
        """Ends the generator."""
        assert self._generator.stdin
        self._generator.stdin.close()
        self._generator.wait(30)
