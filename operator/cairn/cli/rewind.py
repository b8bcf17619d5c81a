"""`cairn rewind`: an execution goes back to one of its checkpoints."""

from __future__ import annotations

from typing import Annotated

import typer

from cairn.cli import following
from cairn.cli.restoring import ConfirmOption, ForceOption, RerunOption, Terms, show, source
from cairn.cli.session import (
    ContextOption,
    NameArgument,
    NamespaceOption,
    RequestOption,
    Session,
    YesOption,
    done,
    serve,
)
from cairn.cli.session import confirm as confirmed
from cairn.core.restore.progress import Step, Verdict

CheckpointArgument = Annotated[str, typer.Argument(metavar="CHECKPOINT", help="One of its checkpoints: name or id.")]
DigestOption = Annotated[str, typer.Option("--plan-digest", help="Do what this plan says, and nothing else.")]
FollowOption = Annotated[bool, typer.Option("--follow/--no-follow", help="Until it has finished.")]


def run(
    execution: NameArgument, checkpoint: CheckpointArgument, rerun: RerunOption = None, confirm: ConfirmOption = None,
    force: ForceOption = False, plan_digest: DigestOption = "", yes: YesOption = False, follow: FollowOption = False,
    request_id: RequestOption = "", namespace: NamespaceOption = None, context: ContextOption = None,
) -> None:  # fmt: skip
    """Put an execution back to one of its checkpoints; what it has done since is thrown away. Asks first.

    The state before is saved, so that a rewind can be undone by another one. A pause stays as it is.

    Example: kubectl cairn rewind my-pipeline my-pipeline-manual-4k2j9x
    """
    terms = Terms(rerun, confirm, force, plan_digest)

    async def rewound(session: Session) -> int:
        ref = session.ref(execution)
        asks = source(checkpoint) | terms.to_wire() | {"requestId": request_id or f"cli-{session.new_id()}"}
        if not yes:
            asks["planDigest"] = await _agreed(session, asks)
        made = await session.restores.rewind(ref, asks)
        body = await session.executions.get(ref)
        typer.echo(done(body, f"{'rewound' if made.step is Step.DONE else 'is going back'}: {made.message}"))
        return await following.follow(session, [made.where]) if follow else 0

    async def _agreed(session: Session, asks: dict[str, object]) -> str:
        """The digest of the plan that was agreed to."""
        planned = await session.restores.plan_rewind(session.ref(execution), asks)
        show(session.console, planned)
        if not planned.plan.problems:
            again = planned.plan.counts[Verdict.RERUN]
            told = f"{again} job{'s' if again != 1 else ''} that have run would run again"
            confirmed(yes, f"Rewind {execution}? {told}.")
        return planned.plan.digest

    raise typer.Exit(serve(namespace, context, rewound))
