"""`cairn why`: why a job runs, waits, was skipped, failed, or ran again."""

from __future__ import annotations

import typer

from cairn.cli.session import (
    ContextOption,
    JobArgument,
    NameArgument,
    NamespaceOption,
    Output,
    OutputOption,
    Session,
    serve,
    write,
)
from cairn.core.why import lines, to_wire, why


def run(
    execution: NameArgument, job: JobArgument, output: OutputOption = Output.TEXT, namespace: NamespaceOption = None,
    context: ContextOption = None,
) -> None:  # fmt: skip
    """Say why a job is where it is, and what led there: dependencies, retries, pauses, restores, repairs.

    With -o json: {job, state, attempt, headline, reasons: [{text, depth, job}]}.

    Example: kubectl cairn why my-pipeline train
    """

    async def told(session: Session) -> None:
        view = await session.executions.view(session.ref(execution))
        answer = why(view.execution, view.shape, job, session.clock())
        write(output, to_wire(answer), lambda: typer.echo("\n".join(lines(answer))))

    serve(namespace, context, told)
