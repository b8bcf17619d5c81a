"""`cairn extend`: a job may fail more often before it has failed."""

from __future__ import annotations

from typing import Annotated

import typer

from cairn.cli.repairing import repair
from cairn.cli.session import (
    ContextOption,
    JobsArgument,
    NameArgument,
    NamespaceOption,
    ReasonOption,
    RequestOption,
)
from cairn.core.spec import RequestType

LimitOption = Annotated[int, typer.Option("--limit", min=1, help="How many retries more than it has.")]


def run(
    execution: NameArgument, jobs: JobsArgument, limit: LimitOption, reason: ReasonOption = "",
    request_id: RequestOption = "", namespace: NamespaceOption = None, context: ContextOption = None,
) -> None:  # fmt: skip
    """Allow jobs more retries than their spec does. One that has failed already needs a retry besides.

    Example: kubectl cairn extend my-pipeline train --limit 3
    """
    repair(
        execution, jobs, RequestType.EXTEND_RETRIES, f"may be retried {limit} more times", namespace, context,
        request_id=request_id, reason=reason, limit=limit,
    )  # fmt: skip
