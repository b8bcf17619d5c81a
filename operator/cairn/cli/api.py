"""`cairn api`: serve the REST API."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError

from cairn.api.serving import serve
from cairn.api.settings import from_environment, variable
from cairn.api.tracing import RequestFilter
from cairn.cli.logging import configure_logging
from cairn.errors import NotConfigured

KubeconfigOption = Annotated[
    Path | None, typer.Option(help="The cluster to ask; by default what KUBECONFIG or the pod's account says.")
]


def run(kubeconfig: KubeconfigOption = None) -> None:
    """Serve the REST API until told to stop (SIGTERM, SIGINT).

    Settings come from the environment: CAIRN_API_HOST, CAIRN_API_PORT, CAIRN_API_TLS_CERT, CAIRN_API_TLS_KEY …

    Example: CAIRN_LOG_FORMAT=text cairn api --kubeconfig ~/.kube/config
    """
    if kubeconfig is not None:
        os.environ["KUBECONFIG"] = str(kubeconfig)
    try:
        settings = from_environment()
    except ValidationError as error:
        for problem in error.errors():
            where = f"{variable(str(problem['loc'][0]))}: " if problem["loc"] else ""
            typer.echo(where + problem["msg"].removeprefix("Value error, "), err=True)
        raise typer.Exit(2) from None
    configure_logging(settings, RequestFilter())
    try:
        asyncio.run(serve(settings))
    except NotConfigured as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from None
