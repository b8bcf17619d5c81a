"""Who may do what through the REST API: every operation, asked by users with different rights on a real API server."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from cluster import Cluster
from support.access_matrix import CASES, JOBS, OF_NAMESPACE, Case
from support.jobs import hanging, job
from support.kube import Kube, until
from support.service import EVERYTHING, Service
from support.training import Training, problem
from support.users import User, older

pytestmark = [pytest.mark.cluster, pytest.mark.postgres]

PAGE = Path(__file__).resolve().parents[2] / "docs" / "api.md"
NOBODY = "00000000-0000-4000-8000-000000000000"
NO_CHECKPOINT = "checkpoint_1700000000000_zzzzzzzz"

VIEWS = {
    "dagexecutions.cairn.dev": "get list watch", "checkpoints.cairn.dev": "get list", "jobresults.cairn.dev": "get",
    "pods/log": "get",
}  # fmt: skip
ONE_RIGHT = {"checkpoints.cairn.dev": "create"}
ALL = frozenset(f"{verb} {kind}" for rule in EVERYTHING for kind in rule["resources"] for verb in rule["verbs"])
RIGHTS: dict[str, frozenset[str]] = {
    "viewer": frozenset(f"{v} {kind.split('.')[0]}" for kind, verbs in VIEWS.items() for v in verbs.split()),
    "checkpointer": frozenset({"create checkpoints"}), "editor": ALL, "admin": ALL, "rightless": frozenset(),
    "stranger": frozenset(),
}  # fmt: skip
UNKNOWN = ("tokenless", "forger", "latecomer")


@dataclass(frozen=True)
class World:
    """A tenant with an execution and a checkpoint, another one, and users of either."""

    service: Service
    mine: Kube
    theirs: Kube
    uid: str
    checkpoint: str
    object: str
    headers: Mapping[str, Mapping[str, str]]

    @property
    def there(self) -> dict[str, str]:
        """The names of what is there."""
        return {"namespace": self.mine.namespace, "name": "train", "id": self.uid, "checkpoint": self.checkpoint,
                "ref": self.object, "job": "a"}  # fmt: skip

    def ask(self, user: str, case: Case, **names: str) -> httpx.Response:
        """What a user is answered."""
        path, body, query = case.filled(**names)
        url, headers = self.service.api.url + path, self.headers[user]
        return httpx.request(case.method, url, json=body, params=query, headers=headers, timeout=60)


@pytest.fixture(scope="module")
def world(service: Service, fake_cluster: Cluster, shared_tenant: Kube, other_tenant: Kube) -> Iterator[World]:
    mine, theirs = shared_tenant, other_tenant
    uid = mine.run("train", job("a"), hanging("b", "a"), checkpoint={"triggers": ["manual"]})["metadata"]["uid"]
    mine.wait_job("train", "a", state="Completed")
    token = {"editor": service.editor(mine), "stranger": service.editor(theirs)}
    for name, rights in (("viewer", VIEWS), ("checkpointer", ONE_RIGHT), ("rightless", {})):
        user = User.new(mine, name)
        if rights:
            user.may_all(mine, rights)
        token[name] = user.token()
    admin = User.new(mine, "admin")
    admin.bind("cluster-admin", f"admin-{mine.namespace}")
    token |= {"admin": admin.token(), "forger": "made-up", "latecomer": older(token["editor"], fake_cluster, 24 * 3600)}
    headers = {name: {"Authorization": f"Bearer {one}"} for name, one in token.items()} | {"tokenless": {}}
    saved = Training(service.api.url, token["editor"]).done("checkpoint", executionId=uid)["checkpointId"]
    named = mine.list("ckpt")[0]["metadata"]["name"]
    yield World(service, mine, theirs, uid, saved, named, headers)
    mine.kubectl("delete", "clusterrolebinding", f"admin-{mine.namespace}")


def expected(user: str, case: Case) -> int:
    """The status that the table of rights demands, where nothing is there."""
    if user in UNKNOWN:
        return 401
    held = ALL if user == "stranger" and case.anywhere else RIGHTS[user]
    return case.granted if held.issuperset(case.needs) else 403


def _id(case: Case) -> str:
    told = [*case.query, *(case.body or ())]
    return "-".join([case.operation, *(each for each in told if each in ("executionId", "checkpointId", "to", "now"))])


@pytest.mark.parametrize("case", CASES, ids=_id)
def test_each_operation_needs_just_the_rights_of_the_table(world: World, case: Case) -> None:
    missing = world.there | {"name": "none", "id": f"{world.mine.namespace}/none", "ref": "none"}
    if "checkpointId" in (case.body or {}):
        case = Case(**vars(case) | {"granted": 200})  # the later rights are asked for once it is found
    found = {user: world.ask(user, case, **missing).status_code for user in (*UNKNOWN, *RIGHTS)}
    assert found == {user: expected(user, case) for user in found}


BORROWING = {"jobs": [{"id": "a", "image": "fake", "env": [
    {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "theirs", "key": "k"}}}]}]}  # fmt: skip
FORK = {"checkpoint": "{checkpoint}", "spec": BORROWING}


@pytest.mark.parametrize(
    "case",
    [
        Case("createExecution", "POST", OF_NAMESPACE + "/executions", (), 201, {"name": "b", "spec": BORROWING}),
        Case("forkCheckpoint", "POST", OF_NAMESPACE + "/forks", (), 403, FORK),
    ],
    ids=["a new execution", "a fork"],
)
def test_nobody_has_cairn_use_a_secret_that_they_could_not_use(world: World, case: Case) -> None:
    """The admission policy for this sees the account of the API."""
    refused = problem(world.ask("editor", case, **world.there), 403)
    assert re.search("Secret theirs is named, and .* may neither get it nor create pods", refused["detail"])
    if case.granted == 201:
        assert world.ask("admin", case, **world.there).status_code == 201


def test_every_operation_of_the_document_is_in_the_table(service: Service) -> None:
    document = httpx.get(f"{service.api.url}/openapi.json").json()
    declared = {
        (operation["operationId"], method.upper(), path)
        for path, item in document["paths"].items() for method, operation in item.items()
    }  # fmt: skip
    assert {(case.operation, case.method, case.path) for case in CASES} == declared


def test_the_page_has_the_same_table() -> None:
    shown = re.findall(r"^\| `\w+` \| `[A-Z]+ /api/.*$", PAGE.read_text(), re.MULTILINE)
    assert shown == [case.row() for case in CASES]


NAMING = [case for case in CASES if case.needs and not case.anywhere]


@pytest.mark.parametrize("user", ["stranger", "rightless"])
@pytest.mark.parametrize("case", NAMING, ids=_id)
def test_no_answer_is_a_hint_of_what_exists(world: World, case: Case, user: str) -> None:
    none = {"name": "none", "id": NOBODY, "checkpoint": NO_CHECKPOINT, "ref": NO_CHECKPOINT, "job": "none"}
    answers = [
        _told(world.ask(user, case, **names), names)
        for names in (
            world.there, world.there | {"ref": world.checkpoint, "id": f"{world.mine.namespace}/train"},
            world.there | none, world.there | none | {"id": f"{world.mine.namespace}/none", "ref": "none"},
            world.there | none | {"namespace": "no-such-namespace", "id": "no-such-namespace/none"},
        )
    ]  # fmt: skip
    assert answers[0][0] == 403
    uids, named = [answers[0], answers[2]], [answers[1], answers[3], answers[4]]
    assert all(each == uids[0] for each in uids), uids
    assert all(each == named[0] for each in named), named


@pytest.mark.parametrize("case", [c for c in CASES if "{id}" in f"{c.body}{c.query}" or "{checkpoint}" in f"{c.body}"],
                         ids=_id)  # fmt: skip
def test_ids_of_others_are_as_unknown_as_those_of_nobody(world: World, case: Case) -> None:
    """Asked by somebody who may do everything in the default namespace, where what has no namespace is looked for."""
    headers = dict(world.headers) | {"resident": _resident(world)}
    asking = World(**vars(world) | {"headers": headers})
    here = {"namespace": world.service.home.namespace}
    others = world.there | here
    nobodys = others | {"id": NOBODY, "checkpoint": NO_CHECKPOINT}
    found = [_told(asking.ask("resident", case, **names), names) for names in (others, nobodys)]
    assert found[0][0] == 404
    assert found[0] == found[1]


_residents: dict[str, Mapping[str, str]] = {}


def _resident(world: World) -> Mapping[str, str]:
    home = world.service.home.namespace
    if home not in _residents:
        _residents[home] = {"Authorization": f"Bearer {world.service.editor(world.service.home, 'resident')}"}
    return _residents[home]


def _told(answer: httpx.Response, names: Mapping[str, str]) -> tuple[int, dict[str, Any]]:
    """Status and body, without what was asked for."""
    body = problem(answer, answer.status_code)
    text = re.sub(r"^system:serviceaccount:\S+", "who asks", body["detail"])
    for key in ("id", "checkpoint", "ref", "name"):
        text = text.replace(names[key], key)
    text = re.sub(r"namespace \S+", "namespace", text.replace(names["namespace"], "namespace"))
    return answer.status_code, body | {"detail": text, "instance": "", "requestId": ""}


def test_what_others_have_is_in_no_list(world: World) -> None:
    for path in ("/api/v1/checkpoints", "/api/training/dag/checkpoints/list", "/api/v1/executions"):
        answer = httpx.get(world.service.api.url + path, headers=world.headers["stranger"])
        assert world.checkpoint not in answer.text and world.uid not in answer.text
        assert answer.status_code == 200, answer.text


def test_who_may_not_list_checkpoints_is_shown_none_to_choose_from(world: World) -> None:
    user = User.new(world.mine, "getter")
    user.may_all(world.mine, {"checkpoints.cairn.dev": "get", "dagexecutions.cairn.dev": "patch"})
    url = f"{world.service.api.url}/api/v1/namespaces/{world.mine.namespace}/checkpoints/none"
    said = problem(httpx.get(url, headers={"Authorization": f"Bearer {user.token()}"}), 404)
    assert world.checkpoint not in said["detail"] and "takes one" in said["detail"]


def test_a_checkpoint_of_another_namespace_is_no_start_for_who_may_not_read_it(world: World) -> None:
    """The admission policy sees the account of the API, which may: so the API asks for its caller."""
    url = f"{world.service.api.url}/api/v1/namespaces/{world.theirs.namespace}"
    source = {"namespace": world.mine.namespace, "checkpointId": world.checkpoint}
    asked: list[tuple[str, Any]] = [
        ("executions", {"spec": JOBS | {"restoreFrom": source}}),
        ("forks", {"checkpoint": world.checkpoint, "namespace": world.mine.namespace}),
        ("forks/plan", {"checkpoint": world.checkpoint, "namespace": world.mine.namespace}),
    ]
    for path, body in asked:
        said = problem(httpx.post(f"{url}/{path}", json=body, headers=world.headers["stranger"]), 403, "forbidden")
        assert world.mine.namespace in said["detail"]
    made = [e for e in world.theirs.list("dagx") if "restoreFrom" in e["spec"]]
    assert made == []


def test_a_right_that_is_taken_away_is_missed_at_once_where_nothing_is_remembered(world: World) -> None:
    user = User.new(world.mine, "leaver")
    user.may(world.mine, "list", "checkpoints.cairn.dev")
    url = f"{world.service.api.url}/api/v1/namespaces/{world.mine.namespace}/checkpoints"
    headers = {"Authorization": f"Bearer {user.token()}"}
    assert httpx.get(url, headers=headers).status_code == 200
    world.mine.kubectl("delete", "rolebinding", "leaver-list")
    until(lambda: httpx.get(url, headers=headers).status_code == 403, "it is refused")
