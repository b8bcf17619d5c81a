"""`cairn detach`, which the chart runs before an uninstall; people never need it, so no help lists it."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer
from pydantic import ValidationError

from cairn.adapters.kube.api import connect
from cairn.adapters.kube.installation import KubeInstallation
from cairn.app.leaving import leave
from cairn.cli.logging import configure_logging
from cairn.cli.session import ERROR
from cairn.config import LogSettings, from_environment
from cairn.errors import CairnError

DeploymentOption = Annotated[
    list[str],
    typer.Option(metavar="NAMESPACE/NAME", help="The Deployment of the operator, or of a shard's; can be repeated."),
]
NamespaceOption = Annotated[
    list[str] | None, typer.Option("--namespace", "-n", help="Only in this namespace; can be repeated.")
]


def run(deployment: DeploymentOption, namespace: NamespaceOption = None) -> None:
    """Stop the operator, then take Cairn's finalizers off everything, so that nothing hangs in deletion without it.

    Example: cairn detach --deployment cairn-system/cairn-operator
    """
    deployments = [tuple(given.split("/")) for given in deployment]
    for given, parts in zip(deployment, deployments, strict=True):
        if len(parts) != 2 or not all(parts):
            typer.echo(f"--deployment: {given} is not NAMESPACE/NAME", err=True)
            raise typer.Exit(ERROR)
    configure_logging(_log_settings())
    try:
        freed = asyncio.run(_leave([(home, name) for home, name in deployments], namespace or []))
    except CairnError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(ERROR) from None
    typer.echo(f"the operator has stopped; {freed} objects were waiting for it, and do no more")


def _log_settings() -> LogSettings:
    try:
        return from_environment()
    except ValidationError:
        return LogSettings.model_validate({})  # a wrong setting of the operator is no reason not to let it go


async def _leave(deployments: list[tuple[str, str]], namespaces: list[str]) -> int:
    api = await connect()
    try:
        return await leave(KubeInstallation(api), deployments, namespaces)
    finally:
        await api.close()
