"""What the verbs that look into checkpoints share: where to look, how to answer, and what an error is told as."""

from __future__ import annotations

import asyncio
import json
import logging
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from enum import StrEnum
from typing import Annotated, Any, TypeVar

import typer

from cairn.adapters.clock import system_clock
from cairn.adapters.kube.api import connect, default_namespace
from cairn.adapters.kube.cluster import KubeCluster
from cairn.adapters.postgres.pool import READER, Pool
from cairn.adapters.postgres.store import PostgresStore
from cairn.app.checkpoints.inspector import Inspector
from cairn.errors import CairnError

ERROR = 2

T = TypeVar("T")


class Output(StrEnum):
    """How an answer is written."""

    TEXT = "text"
    JSON = "json"


NamespaceOption = Annotated[
    str | None, typer.Option("--namespace", "-n", help="By default that of the kubeconfig's context.")
]
OutputOption = Annotated[Output, typer.Option("--output", "-o", help="text for people, json for programs.")]


def has_database() -> bool:
    """Whether the environment names a database; its address may hold a password, so it is no argument."""
    return bool(os.environ.get("DATABASE_URL"))


@asynccontextmanager
async def inspector() -> AsyncIterator[Inspector]:
    """An inspector of the cluster of the kubeconfig and the database of DATABASE_URL, in the role of the reader."""
    pool = Pool(os.environ["DATABASE_URL"], READER, size=2) if has_database() else None
    api = await connect()
    try:
        if pool is not None:
            await pool.open()
        yield Inspector(KubeCluster(api), PostgresStore(pool) if pool else None, system_clock)
    finally:
        if pool is not None:
            await pool.close()
        await api.close()


def ask(namespace: str | None, question: Callable[[Inspector, str], Awaitable[T]]) -> T:
    """The answer to a question about a namespace; an error is told, and ends the program with exit code 2."""

    async def asked() -> T:
        async with inspector() as looking:
            return await question(looking, namespace or default_namespace())

    logging.getLogger("kubernetes").setLevel(logging.ERROR)  # it warns of a missing kubeconfig, which is told anyway
    try:
        return asyncio.run(asked())
    except CairnError as error:
        typer.echo(str(error) or type(error).__name__, err=True)
        raise typer.Exit(ERROR) from None


def answer(output: Output, lines: list[str], wire: dict[str, Any]) -> None:
    """Write an answer to standard output."""
    typer.echo(json.dumps(wire, indent=2) if output is Output.JSON else "\n".join(lines))
