"""Every Kopf decorator of Cairn, and how Kopf begins and ends.

Kopf watches executions and checkpoints, Cairn decides; what executions launch is watched in `handlers/attempts.py`.
Everything comes through `on.event`, which feeds Cairn's own views. No `on.create`, `on.update`, timer, daemon or Kopf
patch is used: their annotations break at 256 KiB, and their writes name no resourceVersion. No index either: for those
Kopf holds back every other handler until all that exists has been listed once, which never comes to be when a namespace
goes while it is being listed; then it passes on nothing more.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any

import kopf

from cairn import names
from cairn.adapters.kube.api import Api, connect
from cairn.adapters.kube.installation import KubeInstallation
from cairn.app.operator import Operator
from cairn.config import Settings
from cairn.errors import ApiError
from cairn.handlers.attempts import AttemptWatches
from cairn.handlers.namespaces import ServedNamespaces

logger = logging.getLogger(__name__)

Take = Callable[[Mapping[str, Any]], None]

ENDS_WITHIN = 5.0  # seconds; a process that has failed and still runs then is killed

_EXECUTIONS = (names.GROUP, names.VERSION, names.EXECUTIONS)
_CHECKPOINTS = (names.GROUP, names.VERSION, names.CHECKPOINTS)


class _NoDiffs(kopf.DiffBaseStorage):
    """Kopf compares each event's object with an earlier one; nothing here uses that, and large objects make it slow."""

    def build(self, *, body: Any, extra_fields: Any = None, ignored_fields: Any = None) -> Any:
        return {}

    def fetch(self, *, body: Any) -> Any:
        return None

    def store(self, *, body: Any, patch: Any, essence: Any) -> None:
        return None


class _Patience:
    """Delays between attempts to reach the API server, in seconds: never the last one, however long it is away."""

    def __iter__(self) -> Iterator[float]:
        yield from (0.2, 0.5, 1, 2)
        while True:
            yield 4


def configure(settings: kopf.OperatorSettings, given: Settings) -> None:
    """What Kopf leaves to chance, or defaults for other kinds of operator."""
    settings.persistence.finalizer = f"{names.GROUP}/kopf"
    settings.persistence.diffbase_storage = _NoDiffs()
    settings.posting.enabled = False
    settings.queueing.worker_limit = None
    settings.watching.server_timeout = 600
    settings.watching.client_timeout = 660
    settings.watching.connect_timeout = 10
    if given.selection.partial:
        for plural in (names.EXECUTIONS, names.CHECKPOINTS):
            settings.watching.label_selectors[names.GROUP, names.VERSION, plural] = given.selection.selector
    settings.watching.inactivity_timeout = given.watch_silence_seconds
    settings.networking.request_timeout = 30
    settings.networking.error_backoffs = _Patience()
    settings.process.ultimate_exiting_timeout = ENDS_WITHIN


def _pass_on(operator: Operator, event: kopf.RawEvent, see: Take, forget: Take) -> None:
    """Pass on what a watch has brought, or what was listed: that has no type."""
    if event["type"] is None:
        operator.listed_anew()
    take = forget if event["type"] == "DELETED" else see
    take(dict(event["object"]))


def registry_for(operator: Operator, given: Settings, attempts: AttemptWatches) -> kopf.OperatorRegistry:
    """The handlers that feed an operator."""
    registry = kopf.OperatorRegistry()

    @kopf.on.login(registry=registry)
    async def login(**kwargs: Any) -> Any:
        return kopf.login_via_client(**kwargs)

    @kopf.on.startup(registry=registry)
    async def startup(settings: kopf.OperatorSettings, **_: Any) -> None:
        configure(settings, given)

    @kopf.on.event(*_EXECUTIONS, registry=registry)
    async def on_execution(event: kopf.RawEvent, **_: Any) -> None:
        _pass_on(operator, event, operator.see_execution, operator.forget_execution)
        attempts.see_namespace(event["object"]["metadata"]["namespace"])

    @kopf.on.event(*_CHECKPOINTS, registry=registry)
    async def on_checkpoint(event: kopf.RawEvent, **_: Any) -> None:
        _pass_on(operator, event, operator.see_checkpoint, operator.forget_checkpoint)

    return registry


async def watch(settings: Settings, operator: Operator, ready: asyncio.Event, halt: asyncio.Event) -> None:
    """Watch everything until `halt` is set; raises what a part of Kopf failed with, and then leaves Kopf as it is.

    Kopf goes on for seconds after a part of it has failed, or for ever, since a watch that waits for credentials loses
    its cancel. This replica would still lead, and hear nothing: so it ends at once, and whoever runs it starts it anew.
    """
    api = await connect(discreet=True, connections=None)  # each watch has one to itself
    try:
        if await _kinds_are_there(api, halt):
            await _watch(api, settings, operator, ready, halt)
    finally:
        await api.close()


async def _watch(
    api: Api, settings: Settings, operator: Operator, ready: asyncio.Event, halt: asyncio.Event
) -> None:  # fmt: skip
    attempts = AttemptWatches(api, operator, settings)
    namespaces = ServedNamespaces(api, settings.namespaces, settings.watch_silence_seconds)
    beside_kopf = [attempts.run(), namespaces.run()] if settings.namespaces else [attempts.run()]
    others = asyncio.all_tasks()
    ours = {asyncio.create_task(watches) for watches in beside_kopf}
    parts = await kopf.spawn_tasks(
        registry=registry_for(operator, settings, attempts), settings=kopf.OperatorSettings(), standalone=True,
        insights=namespaces.insights, ready_flag=ready, stop_flag=halt,
        clusterwide=not settings.namespaces, namespaces=settings.namespaces,
    )  # fmt: skip
    try:
        ended, _ = await asyncio.wait({*parts, *ours}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in ours:
            task.cancel()
    for part in ended:
        part.result()
    await kopf.run_tasks(parts, ignored=others)


async def _kinds_are_there(api: Api, halt: asyncio.Event) -> bool:
    """Wait until the API server lists Cairn's kinds; False: told to stop meanwhile.

    Kopf looks once for what there is. What an API server that has just started does not list yet it would never watch,
    and this replica would be ready, lead, and do nothing.
    """
    for delay in _Patience():
        try:
            missing = await KubeInstallation(api).missing()
            if not missing:
                return True
            logger.warning("the API server does not serve %s, or not yet", ", ".join(sorted(missing)))
        except ApiError as error:
            logger.warning("the API server does not tell what it serves: %s", error)
        with suppress(TimeoutError):
            await asyncio.wait_for(halt.wait(), delay)
            return False
    raise AssertionError("patience has no end")
