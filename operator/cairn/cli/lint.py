"""`cairn lint`: everything that is wrong in a file of executions, without a cluster."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cairn import names
from cairn.cli.files import documents
from cairn.core.parse import parse
from cairn.errors import InvalidSpec

FileArgument = Annotated[Path, typer.Argument(exists=True, dir_okay=False, readable=True, help="A YAML file.")]


def run(file: FileArgument) -> None:
    """Say what is wrong in each DAGExecution of a file; exit code 1 if anything is.

    Example: cairn lint manifests/samples/01-hello.yaml
    """
    wrong = False
    for body in documents(file.read_text()):
        if not isinstance(body, dict) or body.get("kind") != names.EXECUTION_KIND:
            continue
        meta = body.get("metadata") or {}
        title = meta.get("name") or meta.get("generateName") or "(no name)"
        try:
            spec = parse(body.get("spec") or {})
        except InvalidSpec as error:
            wrong = True
            for violation in error.violations:
                typer.echo(f"{title}: {violation}")
        else:
            typer.echo(f"{title}: ok, {len(spec.jobs)} jobs")
    if wrong:
        raise typer.Exit(1)
