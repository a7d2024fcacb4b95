"""`script/bench`: everything in one run, on one server, as a table with ratios beside figures."""

import argparse
from pathlib import Path

from adapters.interpreter import set_for_engine
from adapters.settings import load
from script.benchmark.measurements import measure
from script.benchmark.table import show, write_json

EPILOG = """\
Example: script/bench --quick --json figures.json

Nothing else should run meanwhile: database, servers and load share this machine's processors.
"""


def main() -> None:
    """Parses, measures, shows. Exit status 0 when everything could be measured."""
    parser = argparse.ArgumentParser(
        prog="script/bench",
        description=__doc__,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--quick",
        action="store_true",
        help="two to three minutes: no full ledger, no network HSM, a smaller refill",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures there")
    parser.add_argument(
        "--only", metavar="NAMES", help="groups: tpcb,engine,refill,wire,hsm,full,rebuild"
    )
    arguments = parser.parse_args()
    set_for_engine()
    home = load().home / "bench"
    only = set(arguments.only.split(",")) if arguments.only else None
    figures = measure(home, quick=arguments.quick, only=only)
    show(figures)
    if arguments.json:
        write_json(figures, arguments.json)


if __name__ == "__main__":
    main()
