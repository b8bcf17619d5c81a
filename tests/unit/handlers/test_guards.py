"""With leader election, what the operator works with refuses each write while the Lease is not held."""

from __future__ import annotations

from typing import Any

import pytest
from prometheus_client import REGISTRY

from cairn.adapters.kube.api import Api
from cairn.app.operator import Operator
from cairn.config import Settings
from cairn.errors import NotLeading
from cairn.handlers import main

EVENT = {"metadata": {"namespace": "ns", "name": "e"}}


class Client:
    """The official client: whatever is sent is noted."""

    rest_client = configuration = property(lambda self: self)
    host = "https://server"

    def __init__(self) -> None:
        self.sent: list[str] = []

    async def update_params_for_auth(self, *_: Any) -> None:
        return None

    async def request(self, method: str, url: str, **_: Any) -> Any:
        self.sent.append(method)
        raise OSError("sent")

    async def close(self) -> None:
        return None


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> Client:
    made = Client()

    async def connect(*, discreet: bool) -> Api:
        assert discreet, "others read its log"
        return Api(made, discreet=discreet)

    monkeypatch.setattr(main, "connect", connect)
    return made


def requests() -> float:
    """Those to create Events that had no answer, as they are counted."""
    labels = {"verb": "create", "resource": "events", "code": "none"}
    return REGISTRY.get_sample_value("cairn_kubernetes_requests_total", labels) or 0.0


@pytest.mark.parametrize("election", [True, False])
async def test_writes_ask_for_the_lease(monkeypatch: pytest.MonkeyPatch, client: Client, election: bool) -> None:
    errors: list[type[Exception]] = []

    async def serve(settings: Settings, operator: Operator) -> None:
        work = operator._new_work()
        assert work._outbox._rows is not None
        for call in (work._events._cluster.post_event(EVENT), work._outbox._rows.collect_results("uid")):
            with pytest.raises(Exception) as error:
                await call
            errors.append(error.type)

    monkeypatch.setattr(main, "_serve", serve)
    before = requests()
    url: Any = "postgresql://nobody@127.0.0.1:1/none"
    await main.serve(Settings(leader_election=election, database_url=url))
    assert ([each is NotLeading for each in errors], client.sent) == ([election] * 2, [] if election else ["POST"])
    assert requests() - before == (0 if election else 1), "what is not sent is no request"
