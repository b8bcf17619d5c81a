"""`cairn retry`: a job runs again, with all its retries."""

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
    """Run jobs again that have ended, and what depends on them. A finished execution is taken up again.

    Example: kubectl cairn retry my-pipeline train --reason "the disk was full"
    """
    repair(
        execution, jobs, RequestType.RETRY, "to run again", namespace, context, request_id=request_id, reason=reason
    )  # fmt: skip
