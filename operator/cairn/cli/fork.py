"""`cairn fork`: a new execution that starts from a checkpoint."""

from __future__ import annotations

from typing import Annotated

import typer

from cairn.cli import following
from cairn.cli.restoring import (
    ConfirmOption,
    FileOption,
    ForceOption,
    LatestOption,
    RerunOption,
    Terms,
    fork_of,
    source,
)
from cairn.cli.session import ContextOption, NamespaceOption, RequestOption, Session, done, serve

CheckpointArgument = Annotated[str | None, typer.Argument(metavar="CHECKPOINT", help="Its name, namespace/name or id.")]
NameOption = Annotated[str, typer.Option("--name", metavar="NEW", help="Of the new execution.")]
DigestOption = Annotated[str, typer.Option("--plan-digest", help="Do what this plan says, and nothing else.")]
FollowOption = Annotated[bool, typer.Option("--follow/--no-follow", help="Until it has finished.")]


def run(
    checkpoint: CheckpointArgument = None, latest_of: LatestOption = "", name: NameOption = "", file: FileOption = "",
    rerun: RerunOption = None, confirm: ConfirmOption = None, force: ForceOption = False,
    plan_digest: DigestOption = "", follow: FollowOption = False, request_id: RequestOption = "",
    namespace: NamespaceOption = None, context: ContextOption = None,
) -> None:  # fmt: skip
    """Start a new execution from a checkpoint: what has completed there is kept, the rest runs.

    With -f, the execution in the file is what runs, and may differ in what has not completed. `kubectl cairn plan`
    says beforehand what would be done.

    Example: kubectl cairn fork --latest-of my-pipeline -f edited.yaml --name second-try --follow
    """
    terms = Terms(rerun, confirm, force, plan_digest)

    async def forked(session: Session) -> int:
        origin = source(checkpoint, latest_of)
        body, _ = await fork_of(session, origin, terms, file, name, request_id)
        made = await session.restores.fork(body)
        typer.echo(done(body, f"forked: {made.message}"))
        return await following.follow(session, [made.where]) if follow else 0

    raise typer.Exit(serve(namespace, context, forked))
