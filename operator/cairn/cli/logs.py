"""`cairn logs`: what an attempt of a job has written."""

from __future__ import annotations

import codecs
import re
import sys
from contextlib import aclosing
from typing import Annotated

import typer

from cairn.cli.session import ContextOption, JobArgument, NameArgument, NamespaceOption, Session, serve
from cairn.core.checkpoint.changes import readable

AttemptOption = Annotated[int | None, typer.Option(min=1, help="Which attempt; by default the latest.")]
FollowOption = Annotated[bool, typer.Option("--follow", "-f", help="Go on as it is written.")]
TailOption = Annotated[int | None, typer.Option(min=0, metavar="N", help="Only the last N lines.")]

_HARMLESS = re.compile(r"(\x1b\[[0-9;]*m|[\n\r\t])")  # colours, and where the next letter stands


def run(
    execution: NameArgument, job: JobArgument, attempt: AttemptOption = None, follow: FollowOption = False,
    tail: TailOption = None, namespace: NamespaceOption = None, context: ContextOption = None,
) -> None:  # fmt: skip
    """Print the log of an attempt; once its pod is gone, the end of it that was kept, which is said on standard error.

    What is piped is the log byte for byte. On a terminal, colours are left; whatever else would act on it is shown.

    Example: kubectl cairn logs my-pipeline train -f
    """

    async def printed(session: Session) -> None:
        view = await session.executions.view(session.ref(execution))
        source = await session.reading.log_source(view, job, attempt)

        def from_what_was_kept() -> None:
            text = f"the pod of attempt {source.attempt} is gone, or out of reach: this is the end of its log, as kept"
            typer.echo(text, err=True)

        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        chunks = session.reading.log(view, source, follow=follow, tail_lines=tail, on_kept=from_what_was_kept)
        async with aclosing(chunks) as read:
            async for chunk in read:
                if session.console.is_terminal:
                    typer.echo(harmless(decoder.decode(chunk)), nl=False, color=True)
                else:
                    typer.echo(chunk, nl=False)
        sys.stdout.flush()

    serve(namespace, context, printed)


def harmless(text: str) -> str:
    """A log with its lines and colours, and nothing else that does anything to a terminal."""
    return "".join(part if n % 2 else readable(part) for n, part in enumerate(_HARMLESS.split(text)))
