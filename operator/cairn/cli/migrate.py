"""`cairn migrate`: bring the tables of checkpoints up to date."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from cairn.adapters.postgres import migrate
from cairn.adapters.postgres.pool import check_address
from cairn.cli.serving import settings_from, told
from cairn.config import database_from_environment, variable
from cairn.errors import StoreError, StoreUnavailable

CheckOption = Annotated[bool, typer.Option("--check", help="Only say whether it is up to date; exit code 1 if not.")]
WaitOption = Annotated[
    int, typer.Option("--wait", min=0, metavar="SECONDS", help="How long to wait for a database that is away.")
]

_POLL_SECONDS = 1.0


def run(check: CheckOption = False, wait: WaitOption = 0) -> None:
    """Apply what is missing in the database that DATABASE_URL names, or the file at DATABASE_URL_FILE.

    The address comes from there alone, since it may hold a password.

    Example: DATABASE_URL=postgresql://owner@db/cairn cairn migrate
    """
    address = settings_from(database_from_environment, variable).address()
    if address is None:
        typer.echo("DATABASE_URL is not set: it names the database, such as postgresql://user@host/database", err=True)
        raise typer.Exit(2)
    with told(StoreError):
        names = asyncio.run(_patiently(check_address(address), check, wait))
    for name in names:
        typer.echo(f"{'missing' if check else 'applied'} {name}")
    if not names:
        typer.echo("up to date")
    if check and names:
        raise typer.Exit(1)


async def _patiently(url: str, check: bool, wait: float) -> tuple[str, ...]:
    """What was applied, or would be. Raises StoreError: what the last try came to, once the time is up."""
    clock = asyncio.get_running_loop().time
    end = clock() + wait  # looked at between tries: a migration that runs is not cut off
    while True:
        try:
            return await (migrate.missing(url) if check else migrate.migrate(url))
        except StoreUnavailable:
            if clock() >= end:
                raise
        await asyncio.sleep(_POLL_SECONDS)
