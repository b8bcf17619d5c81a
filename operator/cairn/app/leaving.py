"""Before Cairn is uninstalled: the operator stops, and its finalizers go.

A finalizer keeps an object until its operator has seen the delete. Where none ever comes again, the object and the
namespace around it would hang in deletion for ever.

Rules: first the operator stops, or it would put finalizers on again; nothing but finalizers of Cairn is touched; what
others change meanwhile is read again.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

from cairn import names
from cairn.errors import Conflict, Gone, WrongState
from cairn.ports import Held, Installation

logger = logging.getLogger(__name__)

_OURS = f"{names.GROUP}/"
_ROUNDS = 10  # of looking again at what has changed meanwhile
_POLL_SECONDS = 1.0


async def leave(
    installation: Installation, deployments: Sequence[tuple[str, str]], watched: Sequence[str],
    poll: float = _POLL_SECONDS,
) -> int:  # fmt: skip
    """Stop the operator, that of each shard too, then take Cairn's finalizers off in the watched namespaces, or in all.

    Returns off how many objects. Waits for the last pod as long as it takes. Raises WrongState where others keep on
    putting finalizers on, ApiError.
    """
    stopped: list[tuple[str, str]] = []
    for namespace, deployment in deployments:
        try:
            stopped.append((namespace, await installation.stop(namespace, deployment)))
        except Gone:
            logger.warning("there is no Deployment %s/%s: nothing to stop", namespace, deployment)
    for namespace, selector in stopped:
        await _ended(installation, namespace, selector, poll)
    return await _let_go(installation, watched or [""])


async def _ended(installation: Installation, namespace: str, selector: str, poll: float) -> None:
    told: tuple[str, ...] = ()
    while pods := await installation.pods(namespace, selector):
        if pods != told:
            logger.info("waiting for the end of %s", ", ".join(pods))
        told = pods
        await asyncio.sleep(poll)


async def _let_go(installation: Installation, namespaces: Sequence[str]) -> int:
    done: set[tuple[str, str]] = set()
    for _ in range(_ROUNDS):
        found = [held for namespace in namespaces for held in await installation.held(namespace) if _ours(held)]
        if not found:
            return len(done)
        for held in found:
            done |= {(held.kind, held.uid)} if await _free(installation, held) else set()
    raise WrongState(
        f"{len(found)} objects, such as {found[0].kind} {found[0].namespace}/{found[0].name}, got finalizers of Cairn"
        " again and again: does another operator run?"
    )


async def _free(installation: Installation, held: Held) -> bool:
    """Whether its finalizers were taken off; else it has changed or gone."""
    try:
        await installation.keep_finalizers(held, tuple(f for f in held.finalizers if not f.startswith(_OURS)))
    except (Conflict, Gone):
        return False
    return True


def _ours(held: Held) -> bool:
    return any(finalizer.startswith(_OURS) for finalizer in held.finalizers)
