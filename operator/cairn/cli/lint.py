"""`cairn lint`: everything that is wrong in a file of executions, without a cluster."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
import yaml

from cairn import names
from cairn.core.parse import parse
from cairn.errors import InvalidSpec


class _Loader(yaml.SafeLoader):
    """YAML as kubectl reads it: a time stays the text that was written."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}

FileArgument = Annotated[Path, typer.Argument(exists=True, dir_okay=False, readable=True, help="A YAML file.")]


def run(file: FileArgument) -> None:
    """Say what is wrong in each DAGExecution of a file; exit code 1 if anything is.

    Example: cairn lint manifests/samples/01-hello.yaml
    """
    wrong = False
    for body in yaml.load_all(file.read_text(), Loader=_Loader):
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
