"""`cairn diff`: what differs between two checkpoints, or between one and now."""

from __future__ import annotations

from typing import Annotated

import typer

from cairn.app.checkpoints.inspector import Now, Ref, Saved
from cairn.cli.inspecting import NamespaceOption, Output, OutputOption, answer, ask
from cairn.core.checkpoint.diff import lines, to_wire

BeforeArgument = Annotated[str, typer.Argument(metavar="A", help="A checkpoint: its name or its id.")]
AfterArgument = Annotated[str | None, typer.Argument(metavar="B", help="Another one.")]
NowOption = Annotated[str | None, typer.Option("--now", metavar="EXECUTION", help="Compare with it as it is now.")]


def run(
    before: BeforeArgument, after: AfterArgument = None, now: NowOption = None, namespace: NamespaceOption = None,
    output: OutputOption = Output.TEXT,
) -> None:  # fmt: skip
    """Say what differs between two checkpoints; exit code 0: nothing, 1: something, 2: an error.

    The rows of the database that DATABASE_URL names are read too, if it is set.

    Example: cairn diff before-deployment --now my-pipeline
    """
    if (after is None) is (now is None):
        raise typer.BadParameter("give either a second checkpoint or --now EXECUTION")

    def other(where: str) -> Ref:
        return Saved(where, after) if after is not None else Now(where, now or "")

    found = ask(namespace, lambda inspector, where: inspector.diff(Saved(where, before), other(where)))
    answer(output, lines(found), to_wire(found))
    raise typer.Exit(0 if found.empty else 1)
