"""The REST API in this process, as tests ask it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import httpx
from fastapi import FastAPI

from cairn.adapters.clock import system_clock
from cairn.api.app import create_app
from cairn.api.parts import Parts
from cairn.api.settings import ApiSettings
from cairn.app.access import Access, Remembering
from cairn.ports import Desk, Reviewer
from support.reviewer import FakeReviewer

ALICE_TOKEN = {"Authorization": "Bearer alice-token"}


class Ids:
    """Ids in a row: 32 digits each."""

    def __init__(self) -> None:
        self.given = 0

    def __call__(self) -> str:
        self.given += 1
        return f"{self.given:032x}"


def parts(reviewer: Reviewer | None = None, desk: Desk | None = None, **settings: Any) -> Parts:
    """Parts that remember no answer, unless the settings say so; without a desk, nothing may be called."""
    given = ApiSettings(**({"access_seconds": 0, "denied_seconds": 0} | settings))
    access = Access(reviewer or FakeReviewer(), Remembering(given.access_seconds, given.denied_seconds))
    return Parts(given, access, desk, None, None, system_clock, Ids())  # type: ignore[arg-type]


def client(app: FastAPI, headers: Mapping[str, str] | None = None, address: str = "192.0.2.1") -> httpx.AsyncClient:
    """A client of an application, by default with the token of alice."""
    transport = httpx.ASGITransport(app, client=(address, 50000), raise_app_exceptions=False)
    given = ALICE_TOKEN if headers is None else headers
    return httpx.AsyncClient(transport=transport, base_url="http://api", headers=dict(given))


def rest(reviewer: Reviewer | None = None, **settings: Any) -> httpx.AsyncClient:
    """A client of an application of its own, with the token of alice."""
    return client(create_app(parts(reviewer, **settings)))
