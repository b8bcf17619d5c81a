"""`cairn api`: serve the REST API."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Annotated

import typer

from cairn.api.serving import serve
from cairn.api.settings import from_environment, variable
from cairn.api.tracing import RequestFilter
from cairn.cli.logging import configure_logging
from cairn.cli.serving import settings_from, told

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
    settings = settings_from(from_environment, variable)
    configure_logging(settings, RequestFilter())
    with told():
        asyncio.run(serve(settings))
