"""`cairn complete`: a job counts as done, with outputs given by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from cairn.cli.repairing import repair
from cairn.cli.session import ContextOption, NameArgument, NamespaceOption, ReasonOption, RequestOption, known_jobs
from cairn.core.spec import RequestType

JobArgument = Annotated[str, typer.Argument(metavar="JOB", help="The id of a job.", autocompletion=known_jobs)]
OutputsOption = Annotated[
    str | None, typer.Option("--outputs", metavar="JSON|@FILE", help="What it hands out: JSON, or @ and a file of it.")
]


def run(
    execution: NameArgument, job: JobArgument, outputs: OutputsOption = None, reason: ReasonOption = "",
    request_id: RequestOption = "", namespace: NamespaceOption = None, context: ContextOption = None,
) -> None:  # fmt: skip
    """Mark a job as completed, as if it had handed out these outputs.

    Example: kubectl cairn complete my-pipeline load --outputs '{"rows": 1000}' --reason "done by hand"
    """
    given = {} if outputs is None else {"outputs": _json(outputs)}
    repair(
        execution, [job], RequestType.COMPLETE, "completed", namespace, context, request_id=request_id, reason=reason,
        **given,
    )  # fmt: skip


def _json(text: str) -> Any:
    try:
        return json.loads(Path(text[1:]).read_bytes() if text.startswith("@") else text)
    except OSError as error:
        raise typer.BadParameter(f"{text[1:]}: {error.strerror}", param_hint="--outputs") from None
    except ValueError as error:
        raise typer.BadParameter(f"that is no JSON: {error}", param_hint="--outputs") from None
