"""`cairn cancel`: what runs is ended, what waits is skipped, clean-up still runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from cairn.cli.session import (
    ContextOption,
    NamesArgument,
    NamespaceOption,
    ReasonOption,
    RequestOption,
    SelectorOption,
    Session,
    TimeoutOption,
    YesOption,
    confirm,
    done,
    each,
    named,
    seconds,
    serve,
)
from cairn.core import asking
from cairn.core.refs import ExecutionRef

WaitOption = Annotated[bool, typer.Option("--wait", help="Until it has ended, clean-up included.")]


def run(
    names: NamesArgument = None, selector: SelectorOption = "", reason: ReasonOption = "", yes: YesOption = False,
    wait: WaitOption = False, timeout: TimeoutOption = "0", request_id: RequestOption = "",
    namespace: NamespaceOption = None, context: ContextOption = None,
) -> None:  # fmt: skip
    """Cancel executions: what runs is ended, what waits is skipped, and jobs with runOn Done still run. Asks first.

    Example: kubectl cairn cancel my-pipeline --reason "wrong data" --yes --wait
    """
    limit = seconds(timeout)

    def sure(refs: Sequence[ExecutionRef]) -> None:
        confirm(yes, f"Cancel {named(refs)}? What runs is ended, what waits is skipped.")

    async def cancelled(session: Session, ref: ExecutionRef) -> str:
        id = request_id or f"cli-{session.new_id()}"
        body = await session.executions.cancel(ref, id, reason)
        if not wait:
            return done(body, "cancelled")
        ended = await session.executions.until(ref, asking.has_finished, seconds=limit)
        return done(ended, f"has ended: {asking.phase_of(ended)}")

    raise typer.Exit(serve(namespace, context, lambda session: each(session, names, selector, cancelled, sure)))
