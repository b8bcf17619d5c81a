"""The REST API in this process, asked with whatever bodies, ids, headers and parameters: it never answers with 500.

Behind it is a cluster in which there is nothing, so that what passes every check ends as 404.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from functools import cache
from typing import Any
from urllib.parse import quote

import httpx
from fastapi import FastAPI

from cairn.api.app import create_app
from cairn.errors import Gone
from support.rest import client, parts
from support.reviewer import FakeReviewer

RIGHTS = {
    verb: ("dagexecutions", "checkpoints", "pods", "jobresults")
    for verb in ("get", "list", "watch", "create", "patch", "update", "delete")
}  # fmt: skip


class _NoneFound(list[Any]):
    """An empty list, and an empty page."""

    items = ()
    next = None
    cursor = ""


class Nothing:
    """A cluster, or a store, in which nothing is found."""

    def __getattr__(self, name: str) -> Any:
        async def ask(*_: Any, **__: Any) -> Any:
            if name.startswith(("list", "find")):
                return _NoneFound()
            raise Gone("there is no such object", status=404)

        return ask


@cache
def _app() -> tuple[FastAPI, list[tuple[str, str, list[str]]]]:
    """The application, and method, path and parameters of each operation, streams left out."""
    reviewer = FakeReviewer()
    for verb, resources in RIGHTS.items():
        for resource in resources:
            reviewer.grant("alice", verb, resource)
    nothing: Any = Nothing()
    app = create_app(replace(parts(reviewer, nothing, access_seconds=60), objects=nothing))
    operations = [
        (method, path, [p["name"] for p in operation.get("parameters", ()) if p["in"] == "query"])
        for path, methods in app.openapi()["paths"].items()
        for method, operation in methods.items()
        if not path.endswith(("/events", "/log"))
    ]
    return app, operations


def requests(data: bytes) -> None:
    """One request, made of whatever object the input is."""
    try:
        given = json.loads(data)
    except (ValueError, RecursionError):
        given = {"raw": data.decode("latin-1")}
    if isinstance(given, dict):
        answer = asyncio.run(_ask(given))
        assert answer.status_code < 500, f"{answer.request.method} {answer.request.url}: {answer.text[:500]}"
        if answer.is_error:
            problem = answer.json()
            assert problem["status"] == answer.status_code and problem["title"]


async def _ask(given: dict[str, Any]) -> httpx.Response:
    app, operations = _app()
    number = given.get("method")
    method, path, names = operations[number % len(operations) if isinstance(number, int) else 0]
    for value in _texts(given.get("ids")):
        start, end = path.find("{"), path.find("}")
        path = path[:start] + quote(value or "x", safe="") + path[end + 1 :] if start >= 0 else path
    path = path.replace("{", "").replace("}", "")
    query = dict(zip(names, _texts(given.get("query")), strict=False))
    headers = {"Content-Type": "application/json", "Idempotency-Key": "x"}
    headers |= {f"X-{n}": _printable(text) for n, text in enumerate(_texts(given.get("headers")))}
    raw = given.get("raw")
    body = raw.encode("utf-8", "replace") if isinstance(raw, str) else json.dumps(given.get("body")).encode()
    async with client(app, headers | {"Authorization": "Bearer alice-token"}) as asking:
        return await asking.request(method.upper(), path, params=query, content=body)


def _texts(value: Any) -> list[str]:
    found = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [text.encode("utf-8", "replace").decode() for text in found if isinstance(text, str)]


def _printable(text: str) -> str:
    return "".join(character for character in text if " " <= character <= "~").strip()
