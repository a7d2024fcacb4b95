"""`pos`: the POS program, mounted as it is; it knows nothing of the servers."""

import typer

from devices.pos.program import app as program


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    app.add_typer(program, name="pos")
