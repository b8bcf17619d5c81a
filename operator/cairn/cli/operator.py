"""`cairn operator`: run the operator."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Annotated

import typer

from cairn.cli.logging import configure_logging
from cairn.cli.serving import settings_from, told
from cairn.config import from_environment, variable
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
    settings = settings_from(from_environment, variable)
    if namespace:
        settings = settings.model_copy(update={"namespaces": tuple(namespace)})
    configure_logging(settings)
    with told():
        asyncio.run(serve(settings))
