"""A cluster in the hands of a program or a notebook: run a DAG, find executions, fork, compare, verify.

Rules:
- It acts as the user of a kubeconfig, or as the account of the pod that it runs in; what they may, Kubernetes decides,
  and a refusal (`Refused`) is in its words.
- It looks at objects alone, not at the database: a checkpoint whose object is gone is found by the REST API.
- Besides what it says itself, every method raises the errors of the API: `Refused`, `Rejected`, `Unavailable`.
- An execution is named as `name`, `namespace/name` or by its UID; anything else is `InvalidSpec`.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self

from cairn import names
from cairn.adapters.kube.api import Api, connect, default_namespace
from cairn.adapters.kube.desk import KubeDesk
from cairn.app.checkpoints.inspector import Inspector, Now, Ref
from cairn.app.checkpoints.inspector import Saved as SavedRef
from cairn.app.checkpoints.manager import settled
from cairn.app.control.checkpoints import Checkpoints
from cairn.client.connection import Connection, in_time, plan_model, restore_asks
from cairn.client.dag import Dag
from cairn.client.handle import Execution, Saved, source_of
from cairn.client.models import Checkpoint, DAGExecution, Plan
from cairn.core.checkpoint.chain import Report
from cairn.core.checkpoint.diff import Diff
from cairn.core.naming import fork_name
from cairn.core.refs import ExecutionRef, execution_ref
from cairn.errors import NotFound
from cairn.ports import Body, Desk


class Client:
    """`async with Client(namespace="ml") as cairn:`, or `cairn = await Client().open()` and in the end `close()`."""

    def __init__(
        self, namespace: str | None = None, *, kubeconfig: str | os.PathLike[str] | None = None,
        context: str | None = None, desk: Desk | None = None,
    ) -> None:  # fmt: skip
        """`namespace` is by default that of the kubeconfig's context; `desk` stands in for the API server in tests."""
        self._namespace = namespace
        self._kubeconfig = os.fspath(kubeconfig) if kubeconfig is not None else None
        self._context = context
        self._desk = desk
        self._api: Api | None = None
        self._connection: Connection | None = None

    async def open(self) -> Self:
        """Make it ready for use. Raises NotConfigured if there is no kubeconfig, and this is no pod."""
        if self._connection is None:
            desk = self._desk
            if desk is None:
                self._api = await connect(self._kubeconfig, self._context)
                desk = KubeDesk(self._api, names.CLIENT_MANAGER)
            namespace = self._namespace or default_namespace(self._context, self._kubeconfig)
            self._connection = Connection(desk, namespace)
        return self

    async def close(self) -> None:
        """Close its connections; it can be opened again."""
        self._connection = None
        if self._api is not None:
            await self._api.close()
            self._api = None

    async def __aenter__(self) -> Self:
        return await self.open()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    @property
    def namespace(self) -> str:
        """Where names are looked for that are given without a namespace."""
        return self._at.namespace

    # --- Executions

    async def run(self, dag: Dag | DAGExecution) -> Execution:
        """Create an execution; it begins at once unless its spec is `paused`.

        Raises InvalidSpec for a DAG that cannot run, WrongState if there is one of that name already.
        """
        made, _ = await self._at.executions.create(self._body(dag))
        return Execution(self._at, made)

    async def apply(self, dag: Dag | DAGExecution, *, force: bool = False) -> Execution:
        """Create an execution or change it, as `kubectl apply --server-side` does; what is running is not restarted.

        Raises InvalidSpec, Conflict if another manager owns a field; `force` takes it over.
        """
        return Execution(self._at, await self._at.desk.apply(self._body(dag), force=force))

    async def get(self, name: str) -> Execution:
        """An execution that there is. Raises NotFound."""
        return Execution(self._at, await self._at.executions.get(self._ref(name)))

    async def list(self, selector: str = "", *, namespace: str | None = None) -> tuple[Execution, ...]:
        """The executions with these labels (`team=ml,env!=dev`), by name; `namespace=""`: those of all namespaces."""
        where = self.namespace if namespace is None else namespace
        found: list[Execution] = []
        cursor = ""
        while True:
            page = await self._at.desk.list_executions(where, selector=selector, cursor=cursor)
            found += [Execution(self._at, body) for body in page.items]
            if not (cursor := page.cursor):
                return tuple(found)

    # --- Checkpoints

    async def checkpoints(self, execution: Execution | str | None = None) -> tuple[Checkpoint, ...]:
        """The checkpoints of the namespace, or of an execution (by name also of one that is gone), newest first."""
        if execution is None:
            return await self._at.checkpoints(self.namespace)
        if isinstance(execution, Execution):
            return await execution.checkpoints()
        ref = self._ref(execution)
        return await self._at.checkpoints(ref.namespace, ref.name)

    async def checkpoint(self, saved: Saved, *, seconds: float = 30) -> Checkpoint:
        """A checkpoint as soon as it can be restored, such as the one that a pause takes.

        Raises NotFound, CannotSave if it has failed, TimeoutError.
        """
        body = await self._object(saved)
        namespace, name = body["metadata"]["namespace"], body["metadata"]["name"]
        with in_time(f"checkpoint {name} is not Ready after {seconds:g} s: is the operator running?"):
            await settled(self._at.desk, namespace, name, seconds=seconds)
        return Checkpoint.from_body(await self._at.desk.get_checkpoint(namespace, name))

    async def pin(self, saved: Saved, pinned: bool = True) -> Checkpoint:
        """Keep retention from a checkpoint, or let it at it again. Raises NotFound."""
        ref, where = self._named(saved)
        return Checkpoint.from_body(await self._shelf.pin({where: ""}, ref, pinned))

    async def delete_checkpoint(self, saved: Saved) -> None:
        """Delete a checkpoint; its row in the database follows. Raises NotFound."""
        ref, where = self._named(saved)
        await self._shelf.delete({where: ""}, ref)

    async def plan_fork(
        self, saved: Saved, *, namespace: str | None = None, edit: Dag | DAGExecution | None = None,
        rerun: Sequence[str] = (), confirm: Sequence[str] = (), force: bool = False,
    ) -> Plan:  # fmt: skip
        """What a fork would do, job by job; nothing is created. Its words and its errors are those of `fork`."""
        body = await self._fork(saved, "plan", namespace, edit, restore_asks({}, rerun, confirm, force))
        return plan_model((await self._at.restores.plan_fork(body)).plan)

    async def fork(
        self, saved: Saved, *, name: str | None = None, namespace: str | None = None,
        edit: Dag | DAGExecution | None = None, rerun: Sequence[str] = (), confirm: Sequence[str] = (),
        force: bool = False, plan: Plan | None = None, seconds: float = 30,
    ) -> Execution:  # fmt: skip
        """Start a new execution from a checkpoint, and wait until it has begun.

        `namespace`: by default that of the client; `edit`: the DAG that it runs, by default that of the checkpoint;
        `rerun`: jobs that run again although they could be kept; `confirm`: jobs whose replay asks for it; `force`:
        also what is Unsafe; `plan`: this one, or none.

        Raises NotFound, InvalidSpec, WrongState (there is one of that name; or with the `problems` of the plan),
        TimeoutError (it is created, and begins when an operator is there).
        """
        asks = restore_asks({}, rerun, confirm, force, plan)
        body = await self._fork(saved, name, namespace, edit, asks)
        restored = await self._at.restores.fork(body, seconds=seconds)
        return await self.get(str(restored.where))

    async def diff(self, before: Execution | Saved, after: Execution | Saved) -> Diff:
        """What differs between two checkpoints, or a checkpoint and an execution as it is now; `print` it.

        Raises NotFound, Unreadable (a checkpoint is damaged), CannotSave (outputs of now are lost), StoreError (only
        the database holds it).
        """
        return await self._inspector.diff(self._state(before), self._state(after))

    async def verify(self, execution: Execution | str) -> Report:
        """Whether the checkpoints of an execution are sound, also of one that is gone; `print` it, see `problems`.

        Raises NotFound.
        """
        ref = self._ref(str(execution))
        return await self._inspector.verify(ref.namespace, ref.name)

    # --- Within

    @property
    def _at(self) -> Connection:
        if self._connection is None:
            raise RuntimeError("the client is not open: use `async with Client() as cairn:`, or `await client.open()`")
        return self._connection

    @property
    def _inspector(self) -> Inspector:
        return Inspector(self._at.desk, None, self._at.clock)

    @property
    def _shelf(self) -> Checkpoints:
        return Checkpoints(self._at.desk, None, self._at.clock)

    def _ref(self, name: str) -> ExecutionRef:
        return execution_ref(name, self.namespace, "name")

    def _body(self, dag: Dag | DAGExecution, namespace: str | None = None) -> Body:
        body = (dag.build() if isinstance(dag, Dag) else dag).to_body()
        given = {"namespace": namespace} if namespace else {}
        body["metadata"] = {"namespace": self.namespace} | body["metadata"] | given
        return body

    def _named(self, saved: Saved) -> tuple[str, str]:
        """How a checkpoint is looked for, and in which namespace."""
        ref: str = next(iter(source_of(saved).values()))
        return ref, self.namespace if isinstance(saved, str) else saved.metadata.namespace or self.namespace

    async def _object(self, saved: Saved) -> Body:
        ref, where = self._named(saved)
        body = await self._shelf.body({where: ""}, ref)
        if body is None:
            raise NotFound(f"there is no checkpoint {ref} in namespace {where}")
        return body

    async def _fork(
        self, saved: Saved, name: str | None, namespace: str | None, edit: Dag | DAGExecution | None,
        asks: dict[str, Any],
    ) -> Body:  # fmt: skip
        """The whole execution that a fork is."""
        there = await self._object(saved)
        meta, origin = there["metadata"], there["spec"]["executionRef"]["name"]
        where = namespace or self.namespace
        asks = source_of(saved) | ({"namespace": meta["namespace"]} if meta["namespace"] != where else {}) | asks
        if edit is None:
            default = fork_name(origin, self._at.new_id())
            spec = await self._at.restores.fork_spec(where, asks)
            return {"metadata": {"name": name or default, "namespace": where}, "spec": spec}
        body = self._body(edit, where)
        named = {"name": name} if name else {}
        return body | {"metadata": body["metadata"] | named, "spec": body["spec"] | {"restoreFrom": asks}}

    def _state(self, ref: Execution | Saved) -> Ref:
        if isinstance(ref, Execution):
            return Now(ref.namespace, ref.name)
        saved, where = self._named(ref)
        return SavedRef(where, saved)
