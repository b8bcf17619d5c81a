"""`cairn outputs`: what completed jobs have handed out."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from cairn.cli.session import (
    ContextOption,
    NameArgument,
    NamespaceOption,
    Output,
    OutputOption,
    Session,
    known_jobs,
    plain,
    serve,
    write,
)

OneJobArgument = Annotated[
    str | None, typer.Argument(metavar="[JOB]", help="Only of this job.", autocompletion=known_jobs)
]


def run(
    execution: NameArgument, job: OneJobArgument = None, output: OutputOption = Output.TEXT,
    namespace: NamespaceOption = None, context: ContextOption = None,
) -> None:  # fmt: skip
    """Print the outputs of the completed jobs, or those of one; null: it handed out nothing.

    With -o json or yaml: an object with the outputs by job; with JOB, its outputs alone.

    Example: kubectl cairn outputs my-pipeline train -o json
    """

    async def printed(session: Session) -> None:
        view = await session.executions.view(session.ref(execution))
        found = await session.reading.outputs(view, job)

        def told() -> None:
            if job is not None:
                typer.echo(plain(json.dumps(found[job], indent=2, ensure_ascii=False)))
            for id, value in found.items() if job is None else ():
                typer.echo(plain(f"{id}: {json.dumps(value, ensure_ascii=False)}"))

        write(output, found[job] if job is not None else found, told)

    serve(namespace, context, printed)
