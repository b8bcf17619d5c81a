"""`cairn check`, which `helm test` runs in the cluster; people never need it, so no help lists it."""

from __future__ import annotations

import asyncio
from typing import Annotated

import aiohttp
import typer

from cairn.adapters.kube.api import connect
from cairn.adapters.kube.installation import KubeInstallation
from cairn.adapters.postgres import migrate
from cairn.adapters.postgres.pool import Address, check_address
from cairn.app.checking import Question, kinds, look_at
from cairn.cli.serving import settings_from
from cairn.cli.session import REFUSED
from cairn.config import database_from_environment, variable
from cairn.errors import CairnError, NotConfigured, StoreError

_ANSWER_SECONDS = 5.0

OperatorOption = Annotated[
    list[str], typer.Option(metavar="URL", help="The operator's health endpoints; again for those of each shard.")
]
ApiOption = Annotated[str, typer.Option(metavar="URL", help="The REST API; none: it is not asked.")]
DatabaseOption = Annotated[bool, typer.Option("--database", help="Look whether the database is up to date, too.")]
TimeoutOption = Annotated[float, typer.Option(min=0, help="How many seconds to wait for what is not ready.")]


def run(operator: OperatorOption, api: ApiOption = "", database: DatabaseOption = False,
        timeout: TimeoutOption = 60) -> None:  # fmt: skip
    """Say whether an installation is complete, part by part; exit code 1 if not.

    Example: cairn check --operator http://cairn-operator:8080
    """
    parts: dict[str, Question] = {"custom resources": _kinds}
    parts |= {"operator" if url == operator[0] else f"operator {url}": _ready(url) for url in operator}
    parts |= {"api": _ready(api)} if api else {}
    parts |= {"database": _migrated(settings_from(database_from_environment, variable).address())} if database else {}
    found = asyncio.run(look_at(parts, timeout))
    for part, complaint in found.items():
        typer.echo(f"{part}: {complaint or 'ok'}")
    if any(found.values()):
        raise typer.Exit(REFUSED)


async def _kinds() -> str:
    try:
        server = await connect()
        try:
            return await kinds(KubeInstallation(server))()
        finally:
            await server.close()
    except CairnError as error:
        return str(error)


def _ready(url: str) -> Question:
    async def ask() -> str:
        patience = aiohttp.ClientTimeout(total=_ANSWER_SECONDS)
        try:
            # Whose certificate it has does not matter here: nothing secret is sent, and nothing but a number believed.
            async with aiohttp.ClientSession(timeout=patience) as session:
                async with session.get(f"{url}/readyz", ssl=False) as answer:
                    return "" if answer.status == 200 else f"{url}/readyz answers {answer.status}"
        except (aiohttp.ClientError, TimeoutError) as error:
            return f"{url}/readyz does not answer: {str(error) or type(error).__name__}"

    return ask


def _migrated(address: Address | None) -> Question:
    async def ask() -> str:
        if address is None:
            return "neither DATABASE_URL_FILE nor DATABASE_URL names it"
        try:
            missing = await migrate.missing(check_address(address))
        except (NotConfigured, StoreError) as error:
            return str(error)
        return f"it lacks {', '.join(missing)}: run `cairn migrate`" if missing else ""

    return ask
