"""`cairn operator`: run the operator."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError

from cairn.cli.logging import configure_logging
from cairn.config import from_environment, variable
from cairn.errors import NotConfigured
from cairn.handlers.main import serve

KubeconfigOption = Annotated[
    Path | None, typer.Option(help="The cluster to serve; by default what KUBECONFIG or the pod's account says.")
]
NamespaceOption = Annotated[
    list[str] | None, typer.Option("--namespace", "-n", help="Watch only this namespace; can be repeated.")
]


def run(kubeconfig: KubeconfigOption = None, namespace: NamespaceOption = None) -> None:
    """Run the operator until it is told to stop (SIGTERM, SIGINT).

    Settings come from the environment: CAIRN_WORKERS, CAIRN_RESYNC_SECONDS, CAIRN_HEALTH_PORT, CAIRN_LOG_FORMAT …

    Example: CAIRN_LOG_FORMAT=text cairn operator --kubeconfig ~/.kube/config
    """
    if kubeconfig is not None:
        os.environ["KUBECONFIG"] = str(kubeconfig)
    try:
        settings = from_environment()
    except ValidationError as error:
        for problem in error.errors():
            typer.echo(f"{variable(str(problem['loc'][0]))}: {problem['msg']}", err=True)
        raise typer.Exit(2) from None
    if namespace:
        settings = settings.model_copy(update={"namespaces": tuple(namespace)})
    configure_logging(settings)
    try:
        asyncio.run(serve(settings))
    except NotConfigured as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from None
