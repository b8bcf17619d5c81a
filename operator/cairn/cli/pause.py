"""`cairn pause`: nothing new starts, what runs finishes."""

from __future__ import annotations

from typing import Annotated

import typer

from cairn.cli.session import (
    ContextOption,
    NamesArgument,
    NamespaceOption,
    ReasonOption,
    SelectorOption,
    Session,
    TimeoutOption,
    done,
    each,
    moment,
    seconds,
    serve,
)
from cairn.core import asking
from cairn.core.refs import ExecutionRef
from cairn.core.spec import PauseMode

ModeOption = Annotated[PauseMode | None, typer.Option(help="Drain lets what runs finish, Stop ends it.")]
UntilOption = Annotated[
    str | None, typer.Option(help="Resume by itself then: 2026-01-31T18:00:00Z, or in 30m, 2h, 1d.")
]
CheckpointOption = Annotated[
    bool | None, typer.Option("--checkpoint/--no-checkpoint", help="Whether the drained state is saved.")
]
WaitOption = Annotated[bool, typer.Option("--wait", help="Until nothing runs any more.")]


def run(
    names: NamesArgument = None, selector: SelectorOption = "", reason: ReasonOption = "", mode: ModeOption = None,
    until: UntilOption = None, checkpoint: CheckpointOption = None, wait: WaitOption = False,
    timeout: TimeoutOption = "0", namespace: NamespaceOption = None, context: ContextOption = None,
) -> None:  # fmt: skip
    """Pause executions: nothing new starts, what runs finishes (or is stopped). Returns at once, unless told to wait.

    Example: kubectl cairn pause -l team=ml --reason "node upgrade" --until 2h
    """
    limit = seconds(timeout)

    async def paused(session: Session, ref: ExecutionRef) -> str:
        ends = moment(until, session.clock()) if until else None
        asked = asking.Pause(reason, mode.value if mode else "", ends, checkpoint)
        by = await session.desk.whoami() if checkpoint else None
        body, taken = await session.executions.pause(ref, asked, by=by)
        if wait:
            body = await session.executions.until(ref, asking.has_drained, seconds=limit)
        return done(body, f"paused; its state will be in checkpoint {taken}" if taken else "paused")

    raise typer.Exit(serve(namespace, context, lambda session: each(session, names, selector, paused)))
