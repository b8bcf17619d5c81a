"""`cairn plan`: what a rewind or a fork would do with each job, before anything is touched."""

from __future__ import annotations

from typing import Annotated

import typer

from cairn.app.control.restores import Planned
from cairn.cli.restoring import (
    ConfirmOption,
    FileOption,
    ForceOption,
    LatestOption,
    RerunOption,
    Terms,
    fork_of,
    show,
    source,
    to_wire,
)
from cairn.cli.session import REFUSED, ContextOption, NamespaceOption, Output, OutputOption, Session, serve, write

ExecutionArgument = Annotated[str | None, typer.Argument(metavar="EXECUTION", help="For a rewind: of which execution.")]
CheckpointArgument = Annotated[
    str | None, typer.Argument(metavar="CHECKPOINT", help="To which of its checkpoints; by default the newest.")
]
FromOption = Annotated[str | None, typer.Option("--from", metavar="CHECKPOINT", help="For a fork: from which one.")]


def run(
    execution: ExecutionArgument = None, checkpoint: CheckpointArgument = None, origin: FromOption = None,
    latest_of: LatestOption = "", file: FileOption = "", rerun: RerunOption = None, confirm: ConfirmOption = None,
    force: ForceOption = False, output: OutputOption = Output.TEXT, namespace: NamespaceOption = None,
    context: ContextOption = None,
) -> None:  # fmt: skip
    """Show what a rewind (of an EXECUTION) or a fork (--from, --latest-of, -f) would do with each job, and why.

    Nothing is touched. Exit code 1: it would be refused; the problems say why. The digest can be given to rewind and
    fork (--plan-digest), which then do this and nothing else.

    Example: kubectl cairn plan my-pipeline
    Example: kubectl cairn plan --latest-of my-pipeline -f edited.yaml --rerun train
    """
    is_fork = bool(origin or latest_of or file)
    if is_fork is bool(execution):
        raise typer.BadParameter("name an execution to rewind, or what to fork: --from, --latest-of or -f")
    terms = Terms(rerun, confirm, force)

    async def planned(session: Session) -> Planned:
        if is_fork:
            return (await fork_of(session, source(origin, latest_of), terms, file))[1]
        assert execution is not None
        body = await session.executions.get(session.ref(execution))
        asks = source(checkpoint) or {"latestOf": body["metadata"]["name"]}
        return await session.restores.plan_rewind(session.ref(execution), asks | terms.to_wire())

    async def shown(session: Session) -> int:
        found = await planned(session)
        refused = bool(found.plan.problems)
        write(output, to_wire(found, refused), lambda: show(session.console, found))
        return REFUSED if refused else 0

    raise typer.Exit(serve(namespace, context, shown))
