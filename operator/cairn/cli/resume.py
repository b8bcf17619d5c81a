"""`cairn resume`: what was paused goes on."""

from __future__ import annotations

import typer

from cairn.cli.session import (
    ContextOption,
    NamesArgument,
    NamespaceOption,
    SelectorOption,
    Session,
    done,
    each,
    serve,
)
from cairn.core.refs import ExecutionRef


def run(
    names: NamesArgument = None, selector: SelectorOption = "", namespace: NamespaceOption = None,
    context: ContextOption = None,
) -> None:  # fmt: skip
    """Resume executions. What a pause has stopped runs again, as a new attempt that costs no retry.

    Example: kubectl cairn resume -l team=ml
    """

    async def resumed(session: Session, ref: ExecutionRef) -> str:
        return done(await session.executions.resume(ref), "resumed")

    raise typer.Exit(serve(namespace, context, lambda session: each(session, names, selector, resumed)))
