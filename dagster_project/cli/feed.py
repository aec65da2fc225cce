"""``countylake feed``: contracts of feeds, made from real files and shown to people.

What a contract says is the contract room's matter; nothing here opens a lake.
"""

from __future__ import annotations

import typer

app = typer.Typer(help="Contracts of feeds: infer one from a file, describe them.")


@app.callback(invoke_without_command=True)
def feed(context: typer.Context) -> None:
    """Contracts of feeds: infer one from a file, describe them."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())
