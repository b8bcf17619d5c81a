"""One request helper for every call to the API server.

It speaks in plain JSON, since Cairn's objects are custom resources and its own compact views. It keeps two rules that
are easy to forget: an update must name the version it was decided on, and a delete must name its propagation and the
UID it means (a raw DELETE of a Job orphans its pods; a late one may hit a successor of the same name).
Errors are translated here, by `Status` alone: response bodies may carry payloads and are never quoted. What a `Status`
itself quotes is left out of what is logged.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any
from urllib.parse import urlencode

import aiohttp
import orjson
from kubernetes.aio import client, config

from cairn.adapters import metrics
from cairn.adapters.kube.connections import client_for, pieces
from cairn.adapters.timing import KUBERNETES, calling
from cairn.errors import (
    AlreadyExists,
    ApiError,
    Conflict,
    Gone,
    NotConfigured,
    NotLeading,
    Refused,
    Rejected,
    Unavailable,
)
from cairn.ports import Roll

Body = dict[str, Any]

REQUEST_TIMEOUT = 15.0  # seconds
STREAM_TIMEOUT = 300.0
CONNECTIONS = 64
_PAGE = "250"  # objects of a list at once
_PATH = re.compile(r"(/[A-Za-z0-9][A-Za-z0-9._:-]*)+")  # a name may lead nowhere else: no `..`, no query, no escapes
_JUDGED = (400, 405, 413, 415, 422)  # answers about what was sent
_DENIED = re.compile(r"(?:webhook|ValidatingAdmissionPolicy) .{0,200}? denied (?:the )?request")  # then why, in prose
_MERGE_PATCH = "application/merge-patch+json"
_APPLY_PATCH = "application/apply-patch+yaml"  # JSON is YAML
# Asking for the metadata alone keeps a large object from being sent back after each write.
_METADATA_ONLY = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json"
_METADATA_LIST = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"


async def connect(
    kubeconfig: str | None = None, context: str | None = None, *, discreet: bool = False,
    connections: int | None = CONNECTIONS,
) -> Api:  # fmt: skip
    """An `Api` for the kubeconfig, or for the pod's own service account where there is none. Raises NotConfigured.

    `connections`: how many at once, at most; None: as many as there are calls.
    Discreet: the text of its errors quotes nothing of what was sent, for a process that logs what others have sent.
    """
    settings = client.Configuration()
    settings.connection_pool_maxsize = connections or 0
    settings.retries = None  # Cairn decides what to try again
    try:
        await _configure(settings, kubeconfig, context)
    except config.ConfigException as error:
        raise NotConfigured(f"no usable kubeconfig, and not in a pod: {error}") from error
    return Api(client_for(settings), discreet=discreet)


def default_namespace(context: str | None = None, kubeconfig: str | None = None) -> str:
    """The namespace of a context of the kubeconfig, by default of the current one; `default` where it names none."""
    try:
        every, current = config.list_kube_config_contexts(config_file=kubeconfig)
    except config.ConfigException:
        return "default"
    used = next((c for c in every if c["name"] == context), {}) if context else current
    return (used.get("context") or {}).get("namespace") or "default"


async def _configure(settings: client.Configuration, kubeconfig: str | None, context: str | None) -> None:
    if kubeconfig is None and context is None:
        try:
            config.load_incluster_config(client_configuration=settings)
            return
        except config.ConfigException:
            pass  # not in a pod
    await config.load_kube_config(config_file=kubeconfig, context=context, client_configuration=settings)


class Api:
    """JSON requests to one API server."""

    def __init__(
        self, api_client: client.ApiClient, may_write: Callable[[], None] = lambda: None, *, discreet: bool = False
    ) -> None:
        self._client = api_client
        self._may_write = may_write
        self._discreet = discreet

    def guarded(self, may_write: Callable[[], None]) -> Api:
        """The same, but whatever is no GET is only sent if `may_write` raises nothing; closed with this one."""
        return Api(self._client, may_write, discreet=self._discreet)

    async def authorization(self) -> str:
        """The header that says who the user is, for a program that asks the API server itself; empty: a certificate."""
        headers: dict[str, str] = {}
        await self._client.update_params_for_auth(headers, [], ["BearerToken"], "", "GET", None)
        return headers.get("authorization", "")

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def get(self, path: str, **query: str) -> Body:
        """Read an object or a list. Raises Gone, Refused, Unavailable."""
        return await self._json("GET", path, query)

    async def list_all(self, path: str, **query: str) -> list[Body]:
        """All objects of a list, page by page. Raises Gone, Refused, Unavailable."""
        return await self._pages(path, query, "application/json")

    async def list_metadata(self, path: str) -> list[Body]:
        """The metadata alone of all objects of a list. Raises Gone, Refused, Unavailable."""
        return await self._pages(path, {}, _METADATA_LIST)

    async def list_uids(self, path: str, **query: str) -> Roll:
        """The UIDs of all objects of a list, at its version. Raises Gone, Refused, Unavailable."""
        uids: set[str] = set()
        version = ""
        async for page in self._each_page(path, query, _METADATA_LIST):
            uids |= {body["metadata"]["uid"] for body in page["items"] or []}
            version = version or page["metadata"]["resourceVersion"]  # all pages are of the first one's
        return Roll(frozenset(uids), int(version))

    async def pages(self, path: str, **query: str) -> AsyncIterator[Body]:
        """A list, page by page, all of one version. Raises Gone, Refused, Unavailable; 410: the rest is forgotten."""
        async for page in self._each_page(path, query, "application/json"):
            yield page

    async def _pages(self, path: str, query: dict[str, str], accept: str) -> list[Body]:
        found: list[Body] = []
        async for page in self._each_page(path, query, accept):
            found += page["items"] or []  # metadata of nothing is null
        return found

    async def _each_page(self, path: str, query: Mapping[str, str], accept: str) -> AsyncIterator[Body]:
        query = {**query, "limit": _PAGE}
        while True:
            page = await self._json("GET", path, query, accept=accept)
            yield page
            if not (more := page["metadata"].get("continue")):
                return
            query["continue"] = more

    async def create(self, path: str, body: Body, **query: str) -> Body:
        """Create an object. Raises AlreadyExists, Refused, Rejected, Unavailable."""
        return await self._json("POST", path, query, body)

    async def replace(self, path: str, body: Body, **query: str) -> Body:
        """Replace an object on the version its metadata names; returns its metadata alone. Raises Conflict, Gone."""
        assert body["metadata"].get("resourceVersion"), "an update must name its resourceVersion"
        return await self._json("PUT", path, query, body, accept=_METADATA_ONLY)

    async def patch(self, path: str, body: Body, *, metadata_only: bool = False, **query: str) -> Body:
        """Merge-patch an object; the patch names the version or at least the UID it is meant for."""
        metadata = body.get("metadata") or {}
        assert metadata.get("resourceVersion") or metadata.get("uid"), "a patch must name a resourceVersion or a UID"
        accept = _METADATA_ONLY if metadata_only else "application/json"
        return await self._json("PATCH", path, query, body, content_type=_MERGE_PATCH, accept=accept)

    async def apply(self, path: str, body: Body, **query: str) -> Body:
        """Server-side apply; the query names the field manager. Raises Conflict, Rejected, Refused, Unavailable."""
        return await self._json("PATCH", path, query, body, content_type=_APPLY_PATCH)

    async def delete(
        self, path: str, *, uid: str, resource_version: str = "", propagation: str = "Background"
    ) -> None:
        """Delete exactly the object with that UID, and at that version if one is named."""
        preconditions = {"uid": uid} | ({"resourceVersion": resource_version} if resource_version else {})
        options = {"propagationPolicy": propagation, "preconditions": preconditions}
        await self._json("DELETE", path, {}, options)

    async def stream(self, path: str, seconds: float = STREAM_TIMEOUT, /, **query: str) -> AsyncIterator[bytes]:
        """A response's body in chunks, for so many seconds. Raises Gone, Refused, Rejected, Unavailable."""
        verb, resource = metrics.verb_and_resource("GET", path, query)
        try:
            response = await self._request("GET", path, query, None, accept="*/*", timeout=seconds)
        except Unavailable:
            metrics.note_request(verb, resource, metrics.NO_ANSWER)
            raise
        metrics.note_request(verb, resource, str(response.status))
        try:
            if response.status >= 400:
                raise self._error("GET", response, await response.read())
            async for piece in pieces(response):
                yield piece
        except (aiohttp.ClientError, TimeoutError) as error:
            raise Unavailable(type(error).__name__) from error
        finally:
            response.close()

    async def _json(
        self, method: str, path: str, query: Mapping[str, str], body: Body | None = None, *,
        content_type: str = "application/json", accept: str = "application/json",
    ) -> Body:  # fmt: skip
        began, code = time.perf_counter(), metrics.NO_ANSWER
        try:
            with calling(KUBERNETES):
                response = await self._request(method, path, query, body, content_type=content_type, accept=accept)
                try:
                    data = await response.read()
                except (aiohttp.ClientError, TimeoutError) as error:
                    raise Unavailable(f"{method}: {type(error).__name__}") from error
            code = str(response.status)
        except NotLeading:
            code = ""  # there was no request
            raise
        finally:
            if code:
                done = metrics.verb_and_resource(method, path, query, content_type)
                metrics.note_request(*done, code, time.perf_counter() - began)
        if response.status >= 400:
            raise self._error(method, response, data)
        return _decoded(method, data)

    def _error(self, method: str, response: aiohttp.ClientResponse, data: bytes) -> ApiError:
        return _error(method, response.status, response.headers, data, discreet=self._discreet)

    async def _request(
        self, method: str, path: str, query: Mapping[str, str], body: Body | None, *,
        content_type: str = "application/json", accept: str, timeout: float = REQUEST_TIMEOUT,
    ) -> aiohttp.ClientResponse:  # fmt: skip
        if not _PATH.fullmatch(path):
            refused = Gone if method == "GET" else Rejected
            raise refused("a name holds what no name may hold", status=404 if method == "GET" else 422)
        headers = {"Content-Type": content_type, "Accept": accept}
        try:
            await self._client.update_params_for_auth(headers, [], ["BearerToken"], path, method, body)
        except (config.ConfigException, OSError) as error:  # a pod's token is read anew now and then
            raise Unavailable(f"{method}: the token cannot be read: {type(error).__name__}") from error
        if method != "GET":
            self._may_write()  # last of all; for a connection that is waited for, the cancel at the deadline ends that
        url = self._client.configuration.host + path + (f"?{urlencode(query)}" if query else "")
        sent = None if body is None else _encoded(body)
        try:
            answer = await self._client.rest_client.request(
                method, url, headers=headers, body=sent, _request_timeout=timeout
            )
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            raise Unavailable(f"{method}: {type(error).__name__}") from error
        response: aiohttp.ClientResponse = answer.response
        return response


def _encoded(body: Body) -> bytes:
    """As JSON; whoever sent integers of more than 64 bits is told by the API server."""
    try:
        return orjson.dumps(body, option=orjson.OPT_NON_STR_KEYS)
    except TypeError:
        return json.dumps(body).encode()


def _decoded(method: str, data: bytes) -> Body:
    """What was answered; something between here and the API server may have answered in its stead."""
    try:
        decoded = orjson.loads(data)
    except ValueError:
        decoded = None
    if not isinstance(decoded, dict):
        raise Unavailable(f"{method} was answered with what is no object")
    return decoded


def _error(method: str, status: int, headers: Mapping[str, str], data: bytes, *, discreet: bool) -> ApiError:
    said = _status(data)
    message, reason = str(said.get("message", "")), str(said.get("reason", ""))
    answered = f"{method} was answered with {status}"
    retry_after = headers.get("Retry-After", "")
    return _kind(method, status)(
        message or answered, status=status, reason=reason,
        retry_after=float(retry_after) if retry_after.isdecimal() else None,
        logged=_without_values(answered, status, said) if discreet else "",
    )  # fmt: skip


def _without_values(answered: str, status: int, said: Body) -> str:
    """What a `Status` says, but for what it may quote of an object: then which fields are wrong, and how."""
    message = str(said.get("message", ""))
    denied = _DENIED.search(message)
    if status not in _JUDGED and not denied:
        return message
    causes = (said.get("details") or {}).get("causes") or ()
    fields = ", ".join(f"{cause['field']} ({cause.get('reason', '')})" for cause in causes if cause.get("field"))
    return ": ".join(filter(None, (f"{answered} {said.get('reason', '')}", denied and denied.group(), fields)))


def _kind(method: str, status: int) -> type[ApiError]:
    match status:
        case 404:
            return Gone
        case 409:
            return AlreadyExists if method == "POST" else Conflict
        case 403 | 429:
            return Refused
        case _ if status in _JUDGED:
            return Rejected
        case _:
            return Unavailable


def _status(data: bytes) -> Body:
    """A `Status`; anything else is dropped."""
    try:
        body = orjson.loads(data)
    except ValueError:
        return {}
    return body if isinstance(body, dict) and body.get("kind") == "Status" else {}
