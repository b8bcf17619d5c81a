"""Reading the log of an ended attempt: its outputs block (waited for), and its tail (best effort)."""

from __future__ import annotations

import asyncio
from typing import Any

from cairn import names
from cairn.core.observed import KubePod
from cairn.core.outputs import LogBlockParser, Outputs
from cairn.errors import AlreadyExists, Gone, Rejected, Unavailable
from cairn.ports import Cluster

OUTPUTS_TAIL_LINES = 20_000  # the outputs block must end within so many lines of the log's end
TAIL_SECONDS = 10.0  # on a loaded node a kubelet takes seconds; nothing waits for the tail


async def read_outputs(cluster: Cluster, namespace: str, pod: KubePod) -> Outputs | None:
    """The outputs block of a succeeded pod's log, read as a stream, so that a large log costs no memory.

    Raises OutputsError for a block that cannot be taken, and the errors of the API when the log cannot be read.
    """
    parser = LogBlockParser()
    async for chunk in cluster.stream_log(namespace, pod.name, pod.container, tail_lines=OUTPUTS_TAIL_LINES):
        parser.feed(chunk)
    return parser.finish()


async def keep_log_tail(cluster: Cluster, result: dict[str, Any], pod: KubePod) -> str:
    """Keep the last lines of an attempt's log with its result, which is made if there was nothing else to keep.

    Returns what was kept, empty if nothing was.
    """
    try:
        tail = await asyncio.wait_for(_tail(cluster, result["metadata"]["namespace"], pod), TAIL_SECONDS)
    except (TimeoutError, Gone, Rejected, Unavailable):
        return ""  # the pod, its node or its log is gone; nothing depends on the tail
    if not tail.strip():
        return ""
    status = {"logTail": tail}
    try:
        await cluster.create(result | {"status": status})
    except AlreadyExists:
        metadata = result["metadata"]
        await cluster.patch_result_status(metadata["namespace"], metadata["name"], status)
    return tail


async def _tail(cluster: Cluster, namespace: str, pod: KubePod) -> str:
    kept = b""
    stream = cluster.stream_log(namespace, pod.name, pod.container, tail_lines=names.LOG_TAIL_LINES)
    async for chunk in stream:
        kept = (kept + chunk)[-names.LOG_TAIL_BYTES :]
    return kept.decode(errors="replace")
