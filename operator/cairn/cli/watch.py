"""`cairn watch`: an execution as it goes: a picture that moves in a terminal, else a line for whatever changes."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextlib import aclosing, suppress
from typing import Annotated

import typer
from rich.console import RenderableType
from rich.live import Live

from cairn.app.control.executions import Where
from cairn.app.control.watching import versions
from cairn.app.executions import ExecutionView
from cairn.app.looking import look
from cairn.cli import following
from cairn.cli.render.live import execution_tree
from cairn.cli.session import REFUSED, ContextOption, NameArgument, NamespaceOption, Session, serve
from cairn.core import asking, status_wire
from cairn.core.forecast import Estimates, Forecast, learn, time_left
from cairn.core.status import Phase, Status
from cairn.ports import Body

PlainOption = Annotated[bool, typer.Option("--plain", help="A line for whatever changes, in a terminal, too.")]

_EVERY = 0.5  # seconds between pictures: durations go on though nothing changes
_EARLIER = 50  # executions that are looked at for what the jobs took
_ALIKE = 0.5  # of its jobs, how many an earlier run must have had to tell anything


def run(
    execution: NameArgument, plain: PlainOption = False, namespace: NamespaceOption = None,
    context: ContextOption = None,
) -> None:  # fmt: skip
    """Watch an execution until it has finished: jobs, pause, checkpoints, progress, and the time left.

    The time left is judged by what jobs of the same names took in earlier runs of this namespace. Exit code 0: it has
    succeeded, 1: it has failed, was cancelled or refused. Ctrl-C ends the watching only.

    Example: kubectl cairn watch my-pipeline
    """

    async def watched(session: Session) -> int:
        where = Where.of(await session.executions.get(session.ref(execution)))
        if plain or not session.console.is_terminal or session.console.is_dumb_terminal:
            return await following.follow(session, [where])
        page = await session.desk.list_executions(where.namespace, limit=_EARLIER)
        return await _live(session, where, learn(earlier(where, page.items)))

    raise typer.Exit(serve(namespace, context, watched))


def earlier(where: Where, there: Iterable[Body]) -> list[Status]:
    """The runs that have succeeded and had most of its jobs."""
    every = {body["metadata"]["uid"]: status_wire.from_wire(body.get("status") or {}) for body in there}
    ours = every.pop(where.uid, Status()).jobs.keys()
    done = (status for status in every.values() if status.phase is Phase.SUCCEEDED)
    return [status for status in done if len(ours & status.jobs.keys()) >= _ALIKE * max(len(ours), 1)]


async def _live(session: Session, where: Where, estimates: Estimates) -> int:
    latest: list[ExecutionView] = []
    with Live(console=session.console, auto_refresh=False) as picture:

        def draw() -> None:
            for view in latest:
                picture.update(_picture(session, view, estimates), refresh=True)

        async def keep_drawing() -> None:
            while True:
                draw()
                await asyncio.sleep(_EVERY)

        drawing = asyncio.create_task(keep_drawing())
        try:
            async with aclosing(versions(session.desk, where.namespace, where.name)) as seen:
                async for body in seen:
                    began, latest[:] = bool(latest), [await look(session.desk, body)]
                    if not began:
                        draw()
                    if asking.has_finished(body):
                        break
            draw()
        except asyncio.CancelledError:
            typer.echo(f"no longer watching; it goes on all the same: kubectl cairn watch {where.name}", err=True)
            raise
        finally:
            drawing.cancel()
            with suppress(asyncio.CancelledError):
                await drawing
    succeeded = bool(latest) and latest[0].execution.status.phase is Phase.SUCCEEDED
    return 0 if succeeded else REFUSED


def _picture(session: Session, view: ExecutionView, estimates: Estimates) -> RenderableType:
    now, execution = session.clock(), view.execution
    forecast: Forecast | None = None
    if execution.spec is not None and view.shape is not None:
        forecast = time_left(execution.spec, view.shape, execution.status, estimates, now)
    height = session.console.height - 1
    return execution_tree(execution, view.shape, now, forecast, height=height)
