"""`cairn verify`: whether the checkpoints of an execution are what was saved."""

from __future__ import annotations

from typing import Annotated

import typer

from cairn.cli.inspecting import ERROR, NamespaceOption, Output, OutputOption, answer, ask, has_database
from cairn.core.checkpoint.chain import lines, to_wire

ExecutionArgument = Annotated[str, typer.Argument(help="The name of an execution, also of one that was deleted.")]


def run(execution: ExecutionArgument, namespace: NamespaceOption = None, output: OutputOption = Output.TEXT) -> None:
    """Verify every checkpoint of an execution; exit code 0: all is well, 1: there are problems, 2: an error.

    The rows of the database that DATABASE_URL names are verified too, if it is set. If it is away, the objects are
    verified all the same, and the exit code is 2 unless they have problems.

    Example: cairn verify my-pipeline -o json
    """
    report = ask(namespace, lambda inspector, where: inspector.verify(where, execution))
    answer(output, lines(report), to_wire(report))
    incomplete = ERROR if report.without_rows and has_database() else 0
    raise typer.Exit(1 if report.problems else incomplete)
