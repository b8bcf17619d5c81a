"""`cairn diff`: what differs between two checkpoints, or between one and now."""

from __future__ import annotations

from typing import Annotated

import typer

from cairn.app.checkpoints.inspector import Now, Saved
from cairn.cli import rest
from cairn.cli.session import ContextOption, NamespaceOption, Output, OutputOption, Session, serve, write
from cairn.core.checkpoint.diff import Diff, lines, to_wire

BeforeArgument = Annotated[str, typer.Argument(metavar="A", help="A checkpoint: its name or its id.")]
AfterArgument = Annotated[str | None, typer.Argument(metavar="B", help="Another one.")]
NowOption = Annotated[str | None, typer.Option("--now", metavar="EXECUTION", help="Compare with it as it is now.")]


def run(
    before: BeforeArgument, after: AfterArgument = None, now: NowOption = None, namespace: NamespaceOption = None,
    output: OutputOption = Output.TEXT, context: ContextOption = None,
) -> None:  # fmt: skip
    """Say what differs between two checkpoints; exit code 0: nothing, 1: something, 2: an error.

    Checkpoints of which only the database has a copy are found if CAIRN_API_URL names Cairn's REST API.

    Example: kubectl cairn diff before-deployment --now my-pipeline
    """
    if (after is None) is (now is None):
        raise typer.BadParameter("give either a second checkpoint or --now EXECUTION")

    async def asked(session: Session) -> Diff:
        where = session.namespace
        answer = await rest.ask(session, lambda api: api.diff(where, before, to=after or "", now=now or ""))
        rest.note(answer)
        if answer.value is not None:
            return answer.value
        other = Saved(where, after) if after is not None else Now(where, now or "")
        return await session.inspector.diff(Saved(where, before), other)

    found = serve(namespace, context, asked)
    write(output, to_wire(found), lambda: typer.echo("\n".join(lines(found))))
    raise typer.Exit(0 if found.empty else 1)
