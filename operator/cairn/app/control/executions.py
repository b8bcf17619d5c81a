"""Executions, for people and programs: find, create, pause, resume, cancel, hold, repair.

Rules:
- Whether somebody may is not asked here: the API server asks of the user of a kubeconfig, `app.access` of a caller of
  the REST API, both before anything is read on their behalf.
- Every change is decided on what was read; after a conflict it is decided anew.
- An answer of the operator's is waited for as long as people wait; what was asked stays asked if there is none yet.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from cairn import names
from cairn.app.control.watching import versions
from cairn.app.executions import ExecutionView
from cairn.app.looking import eventually, look
from cairn.core import asking
from cairn.core.asking import Ask, Repair
from cairn.core.checkpoint.objects import manifest
from cairn.core.checkpoint.trigger import Trigger
from cairn.core.checkpointing import pause_checkpoint
from cairn.core.manifests import Identity
from cairn.core.naming import telling_name
from cairn.core.refs import ExecutionRef
from cairn.core.schema import closest
from cairn.errors import AlreadyExists, Conflict, Gone, KeyReused, NotFound, WrongState
from cairn.ports import Body, Desk

_TRIES = 8


@dataclass(frozen=True, slots=True)
class Where:
    """An execution that there is."""

    namespace: str
    name: str
    uid: str

    @classmethod
    def of(cls, body: Mapping[str, Any]) -> Where:
        """Where an execution is that was read."""
        meta = body["metadata"]
        return cls(meta["namespace"], meta["name"], meta["uid"])

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"

    @property
    def identity(self) -> Identity:
        """Whose checkpoints these are."""
        return Identity(self.namespace, self.name, self.uid)


class Executions:
    """What the ways in share."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    # --- Reading

    async def locate(self, ref: ExecutionRef) -> ExecutionRef | None:
        """An execution that is named by its UID alone, with its name; None: there is none. Others as they are."""
        if ref.name:
            return ref
        found = await self._desk.locate_execution(ref.uid)
        return ExecutionRef(*found, uid=ref.uid) if found else None

    async def get(self, ref: ExecutionRef) -> Body:
        """The execution. Raises NotFound, and the errors of the API."""
        found = await self.locate(ref)
        try:
            body = await self._desk.get_execution(found.namespace, found.name) if found else None
        except Gone:
            body = None
        if body is None or (ref.uid and body["metadata"]["uid"] != ref.uid):
            raise NotFound(_absence(ref, replaced=body is not None))
        return body

    async def view(self, ref: ExecutionRef) -> ExecutionView:
        """The execution, parsed. Raises NotFound, and the errors of the API."""
        return await look(self._desk, await self.get(ref))

    async def until(self, ref: ExecutionRef, is_so: Callable[[Body], bool], *, seconds: float | None) -> Body:
        """The execution as soon as something is so; None seconds: however long that takes.

        Raises TimeoutError, NotFound (also if it is deleted meanwhile), what `is_so` raises, and the errors of the API.
        """
        where = Where.of(await self.get(ref))
        try:
            async with asyncio.timeout(seconds), aclosing(versions(self._desk, where.namespace, where.name)) as seen:
                async for body in seen:
                    if is_so(body):
                        return body
        except TimeoutError:
            raise TimeoutError(f"asked for, but not so within {seconds:g} s; it stays asked for") from None
        raise NotFound(f"execution {where} was deleted meanwhile")

    # --- Changing

    async def change(self, ref: ExecutionRef, ask: Ask) -> Body:
        """Ask something of an execution; how it stands then. Raises NotFound, WrongState, and the errors of the API."""
        for _ in range(_TRIES - 1):
            try:
                return await self._change(ref, ask)
            except Conflict:
                continue  # somebody was faster: decide anew
        return await self._change(ref, ask)

    async def _change(self, ref: ExecutionRef, ask: Ask) -> Body:
        body = await self.get(ref)
        spec = ask(body)
        if spec is None:
            return body
        meta = body["metadata"]
        version = {"resourceVersion": meta["resourceVersion"]} if asking.FENCED & spec.keys() else {}
        patch: Body = {"metadata": {"uid": meta["uid"]} | version, "spec": spec}
        return await self._desk.patch_execution(meta["namespace"], meta["name"], patch)

    async def pause(self, ref: ExecutionRef, asked: asking.Pause, *, by: str | None = None) -> tuple[Body, str]:
        """Pause it, and see to it that the drained state is saved, if `asked.checkpoint`.

        Returns the execution and the name of that checkpoint's object, which exists by now; empty if none is taken.
        Raises NotFound, WrongState, and the errors of the API.
        """
        body = await self.change(ref, asking.pause(asked))
        if not asked.checkpoint:
            return body, ""
        identity = Where.of(body).identity
        name = pause_checkpoint(identity, asking.pause_generation(body))
        label = telling_name(Trigger.MANUAL, [asked.reason] if asked.reason else [])
        wanted = manifest(identity, name, Trigger.MANUAL, label, {}, guarded=False)
        wanted["spec"] |= {"createdBy": by} if by else {}
        try:
            await self._desk.create(wanted)
        except AlreadyExists:
            pass  # by this pause, asked for before, or by the operator
        return body, name

    async def resume(self, ref: ExecutionRef) -> Body:
        """Resume it. Raises NotFound, WrongState, and the errors of the API."""
        return await self.change(ref, asking.resume)

    async def cancel(self, ref: ExecutionRef, request_id: str, reason: str = "") -> Body:
        """Cancel it. Raises NotFound, WrongState, and the errors of the API."""
        return await self.change(ref, asking.cancel(request_id, reason))

    async def hold(self, ref: ExecutionRef, add: Collection[str] = (), remove: Collection[str] = ()) -> Body:
        """Hold jobs back, or let them go. Raises NotFound (also of a job), and the errors of the API."""
        await self._check_jobs(ref, [*add, *remove])
        return await self.change(ref, asking.hold(add, remove))

    async def repair(self, ref: ExecutionRef, *asked: Repair, seconds: float = 10) -> list[Mapping[str, Any]]:
        """Repair jobs; the operator's answers, as in `status.requests`, in that order.

        Raises WrongState if one is refused, and as `try_to_repair`.
        """
        answers = await self.try_to_repair(ref, *asked, seconds=seconds)
        for answer in answers:
            if answer["outcome"] != "Done":
                raise WrongState(refusal(answer))
        return answers

    async def try_to_repair(
        self, ref: ExecutionRef, *asked: Repair, seconds: float = 10
    ) -> list[Mapping[str, Any]]:  # fmt: skip
        """Repair jobs; the operator's answers, as in `status.requests`, in that order, refusals among them.

        Raises NotFound (also of a job: then nothing is asked), WrongState if there is no room for more requests,
        TimeoutError if there is no answer within so many seconds (it stays asked), and the errors of the API.
        """
        await self._check_jobs(ref, [one.job for one in asked])
        await self.change(ref, asking.repair(*asked))
        return [await self.answer(ref, one.id, seconds=seconds) for one in asked]

    async def answer(self, ref: ExecutionRef, request_id: str, *, seconds: float) -> Mapping[str, Any]:
        """The operator's answer to a request. Raises TimeoutError, NotFound, and the errors of the API."""

        async def read() -> Mapping[str, Any] | None:
            return asking.answer_to(await self.get(ref), request_id)

        found = await eventually(read, seconds=seconds)
        if found is None:
            raise TimeoutError(f"asked, but not answered within {seconds:g} s: is the operator running?")
        return found

    async def _check_jobs(self, ref: ExecutionRef, jobs: Collection[str]) -> None:
        view = await self.view(ref)
        known = view.shape.jobs if view.shape else {}
        for job in jobs:
            if view.shape is not None and job not in known:
                raise NotFound(f"{view.key} has no job {job!r}{closest(job, known)}")

    async def delete(self, ref: ExecutionRef, version: str = "") -> None:
        """Delete it, at that version if one is named, and what it owns. Raises NotFound, and the errors of the API."""
        where = Where.of(await self.get(ref))
        await self._desk.delete_execution(where.namespace, where.name, where.uid, version)

    async def create(self, body: Mapping[str, Any]) -> tuple[Body, bool]:
        """Create an execution, given whole and named; as it is, and whether it was created now.

        One of that name that was created for the same request (annotation `cairn.dev/request-digest`) is what was
        asked for. Raises WrongState if there is another one of that name, KeyReused if it was made for another request
        with that key, Rejected for what the API server refuses, and the other errors of the API.
        """
        meta = body["metadata"]
        whole: Body = {"apiVersion": names.API_VERSION, "kind": names.EXECUTION_KIND, **body}
        try:
            return await self._desk.create(whole), True
        except AlreadyExists:
            there = await self.get(ExecutionRef(meta["namespace"], meta["name"]))
        asked, answered = _request_of(body), _request_of(there)
        if asked is None or answered is None:
            raise WrongState(f"there is an execution {Where.of(there)} already; choose another name")
        if asked != answered:
            raise KeyReused(f"execution {Where.of(there)} was made for another request with the same key")
        return there, False


def _absence(ref: ExecutionRef, *, replaced: bool) -> str:
    """That there is no such execution, as far as whoever asks knew it."""
    if not ref.name:
        return f"there is no {ref}"
    where = f"{ref} in namespace {ref.namespace}"
    if replaced:
        return f"{where} was deleted, and another one has its name"
    return f"{where} was deleted" if ref.uid else f"there is no {where}"


def _request_of(body: Mapping[str, Any]) -> str | None:
    """The digest of the request that an execution was created for."""
    digest: str | None = (body["metadata"].get("annotations") or {}).get(names.ANNOTATION_REQUEST)
    return digest


def refusal(answer: Mapping[str, Any]) -> str:
    """Why a request was not carried out."""
    return str(answer.get("message") or f"{answer['type']} of {answer.get('job')} was refused")
