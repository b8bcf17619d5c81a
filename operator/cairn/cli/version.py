"""`cairn version`."""

from __future__ import annotations

from importlib.metadata import version

import typer


def run() -> None:
    """Print the version of Cairn."""
    typer.echo(version("cairn"))
