"""`cairn skip`: a job is not run."""

from __future__ import annotations

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


def run(
    execution: NameArgument, jobs: JobsArgument, reason: ReasonOption = "", request_id: RequestOption = "",
    namespace: NamespaceOption = None, context: ContextOption = None,
) -> None:  # fmt: skip
    """Skip jobs: they are not run, and what can do without them goes on.

    Example: kubectl cairn skip my-pipeline publish
    """
    repair(
        execution, jobs, RequestType.SKIP, "skipped", namespace, context, request_id=request_id, reason=reason
    )  # fmt: skip
