"""What the verbs that repair jobs by hand share: they ask for all jobs at once, and tell the answer to each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import typer

from cairn.app.control.executions import refusal
from cairn.cli.session import REFUSED, Session, plain, serve
from cairn.core.asking import Repair
from cairn.core.spec import RequestType
from cairn.names import GROUP


def repair(
    execution: str, jobs: Sequence[str], kind: RequestType, said: str, namespace: str | None, context: str | None, *,
    request_id: str = "", **more: Any,
) -> None:  # fmt: skip
    """Ask for one kind of repair of some jobs, wait for the operator's answers, and end the program.

    `said` is what has been done then; `more` are fields of the requests.
    """

    jobs = list(dict.fromkeys(jobs))

    async def repaired(session: Session) -> int:
        ref, by = session.ref(execution), await session.desk.whoami()
        id = request_id or f"cli-{session.new_id()}"
        # Of several, each has an id of its own; it must be the same one when the same is asked again.
        asked = [Repair(f"{id}/{job}" if len(jobs) > 1 else id, kind, job, by=by, **more) for job in jobs]
        answers = await session.executions.try_to_repair(ref, *asked)
        body = await session.executions.get(ref)
        title = f"dagexecution.{GROUP}/{body['metadata']['name']}"
        refused = [answer for answer in answers if answer["outcome"] != "Done"]
        for job, answer in zip(jobs, answers, strict=True):
            if answer in refused:
                typer.echo(plain(f"{title} job {job}: refused: {refusal(answer)}"), err=True)
            else:
                typer.echo(f"{title} job {job} {said}")
        return REFUSED if refused else 0

    raise typer.Exit(serve(namespace, context, repaired))
