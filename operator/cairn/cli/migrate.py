"""`cairn migrate`: bring the tables of checkpoints up to date."""

from __future__ import annotations

import asyncio
import os
from typing import Annotated

import typer

from cairn.adapters.postgres import migrate
from cairn.errors import StoreError

CheckOption = Annotated[bool, typer.Option("--check", help="Only say whether it is up to date; exit code 1 if not.")]


def run(check: CheckOption = False) -> None:
    """Apply what is missing in the database that DATABASE_URL names.

    The address comes from the environment alone, since it may hold a password.

    Example: DATABASE_URL=postgresql://owner@db/cairn cairn migrate
    """
    url = os.environ.get("DATABASE_URL")
    if not url:
        typer.echo("DATABASE_URL is not set: it names the database, such as postgresql://user@host/database", err=True)
        raise typer.Exit(2)
    try:
        names = asyncio.run(migrate.missing(url) if check else migrate.migrate(url))
    except StoreError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from None
    for name in names:
        typer.echo(f"{'missing' if check else 'applied'} {name}")
    if not names:
        typer.echo("up to date")
    if check and names:
        raise typer.Exit(1)
