"""`cairn verify`: whether the checkpoints of an execution are what was saved."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import typer

from cairn.cli import rest
from cairn.cli.session import ERROR, ContextOption, NamespaceOption, Output, OutputOption, Session, serve, write
from cairn.core.checkpoint.chain import Report, lines, to_wire

ExecutionArgument = Annotated[
    str, typer.Argument(metavar="EXECUTION", help="The name of an execution, also of one that was deleted.")
]


def run(
    execution: ExecutionArgument, namespace: NamespaceOption = None, output: OutputOption = Output.TEXT,
    context: ContextOption = None,
) -> None:  # fmt: skip
    """Verify every checkpoint of an execution; exit code 0: all is well, 1: there are problems, 2: an error.

    The rows of the database are verified, too, if CAIRN_API_URL names Cairn's REST API. If that or the database is
    away, the objects are verified all the same, and the exit code is 2 unless they have problems.

    Example: kubectl cairn verify my-pipeline -o json
    """

    async def asked(session: Session) -> tuple[Report, bool]:
        ref = session.ref(execution)
        if ref.uid:
            raise typer.BadParameter("give a name: all executions that had it, one after the other, are verified")
        answer = await rest.ask(session, lambda api: api.verify(ref.namespace, ref.name))
        if answer.value is not None:
            return answer.value, bool(answer.value.without_rows)
        report = await session.inspector.verify(ref.namespace, ref.name)
        return replace(report, without_rows=answer.why), answer.away

    report, incomplete = serve(namespace, context, asked)
    write(output, to_wire(report), lambda: typer.echo("\n".join(lines(report))))
    raise typer.Exit(1 if report.problems else ERROR if incomplete else 0)
