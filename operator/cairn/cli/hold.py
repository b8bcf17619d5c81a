"""`cairn hold`: some jobs do not start, while the others go on."""

from __future__ import annotations

from typing import Annotated

import typer

from cairn.cli.session import ContextOption, JobsArgument, NameArgument, NamespaceOption, Session, done, serve

ReleaseOption = Annotated[bool, typer.Option("--release", help="Let them go again.")]


def run(
    execution: NameArgument, jobs: JobsArgument, release: ReleaseOption = False, namespace: NamespaceOption = None,
    context: ContextOption = None,
) -> None:  # fmt: skip
    """Hold jobs back: they do not start until they are released. What runs already goes on.

    Example: kubectl cairn hold my-pipeline publish
    """

    async def held(session: Session) -> str:
        add, remove = ((), jobs) if release else (jobs, ())
        body = await session.executions.hold(session.ref(execution), add, remove)
        still = ", ".join(body["spec"].get("hold") or ()) or "nothing"
        return done(body, f"{'released' if release else 'held'}; on hold: {still}")

    typer.echo(serve(namespace, context, held))
