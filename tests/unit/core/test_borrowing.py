"""Which Secrets and service accounts the pods of an execution use."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from cairn.core.borrowing import Credentials, borrowed
from cairn.core.parse import parse


def used(job: dict[str, Any], defaults: dict[str, Any] | None = None) -> Credentials:
    """What an execution of one job uses, as written by a user."""
    spec: dict[str, Any] = {"jobs": [{"id": "a", "image": "x"} | job]}
    return borrowed(parse(spec | ({"jobDefaults": defaults} if defaults else {})).jobs)


def pod(**spec: Any) -> dict[str, Any]:
    return {"podTemplate": {"spec": {"containers": [{"name": "main", "image": "x"}]} | spec}}


def container(**more: Any) -> dict[str, Any]:
    return pod(containers=[{"name": "main", "image": "x"} | more])


ENV = [{"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}]
PLAIN = [{"name": "A", "value": "s"}, {"name": "B", "valueFrom": {"configMapKeyRef": {"name": "s", "key": "k"}}}]
NAMED = {
    "a variable": {"env": ENV},
    "a variable of a container": container(env=ENV),
    "all variables of a container": container(envFrom=[{"secretRef": {"name": "s"}}]),
    "a variable of an init container": pod(initContainers=[{"name": "i", "image": "x", "env": ENV}]),
    "a volume": pod(volumes=[{"name": "v", "secret": {"secretName": "s"}}]),
    "a projected volume": pod(volumes=[{"name": "v", "projected": {"sources": [{"secret": {"name": "s"}}]}}]),
    "a volume of CSI": pod(volumes=[{"name": "v", "csi": {"driver": "d", "nodePublishSecretRef": {"name": "s"}}}]),
    "a volume of a kind of old": pod(volumes=[{"name": "v", "rbd": {"image": "i", "secretRef": {"name": "s"}}}]),
    "pulling the image": pod(imagePullSecrets=[{"name": "s"}]),
}


@pytest.mark.parametrize("job", NAMED.values(), ids=NAMED)
def test_a_secret_is_found_wherever_it_is_named(job: dict[str, Any]) -> None:
    assert used(job) == Credentials(secrets=("s",))


@pytest.mark.parametrize("job", NAMED.values(), ids=NAMED)
def test_a_secret_is_found_in_the_defaults(job: dict[str, Any]) -> None:
    assert used({}, job) == Credentials(secrets=("s",))


ACCOUNTS: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "none": ({}, ()),
    "named": (pod(serviceAccountName="robot"), ("robot",)),
    "named as of old": (pod(serviceAccount="robot"), ("robot",)),
    "the token of the one that is not named": (pod(automountServiceAccountToken=True), ("default",)),
    "named, with its token": (pod(serviceAccountName="robot", automountServiceAccountToken=True), ("robot",)),
    "a projected token": (
        pod(volumes=[{"name": "v", "projected": {"sources": [{"serviceAccountToken": {"path": "t"}}]}}]), ("default",),
    ),
    "a certificate": (
        pod(volumes=[{"name": "v", "projected": {"sources": [{"podCertificate": {"keyType": "ED25519"}}]}}]),
        ("default",),
    ),
    "no token": (pod(automountServiceAccountToken=False), ()),
}  # fmt: skip


@pytest.mark.parametrize(("job", "accounts"), ACCOUNTS.values(), ids=ACCOUNTS)
def test_accounts_whose_tokens_pods_may_hold(job: dict[str, Any], accounts: tuple[str, ...]) -> None:
    assert used(job) == Credentials(accounts=accounts)


@pytest.mark.parametrize(
    "job",
    [{"env": PLAIN}, pod(volumes=[{"name": "v", "configMap": {"name": "s"}}, {"name": "w", "emptyDir": {}}])],
    ids=["variables", "volumes"],
)  # fmt: skip
def test_what_is_no_secret_is_not_taken_for_one(job: dict[str, Any]) -> None:
    assert used(job) == Credentials()


@pytest.mark.parametrize(
    "spec",
    [
        {"imagePullSecrets": "s"}, {"imagePullSecrets": ["s"]}, {"volumes": [{"name": "v", "secret": "s"}]},
        {"volumes": [{"name": "v", "projected": None}]}, {"imagePullSecrets": [{"name": 3}]},
    ],
)  # fmt: skip
def test_a_template_that_the_api_server_will_refuse_does_no_harm(spec: dict[str, Any]) -> None:
    [job] = parse({"jobs": [{"id": "a", "image": "x"}]}).jobs
    assert borrowed([replace(job, pod_template={"spec": spec})]) == Credentials()


def test_names_are_told_once_and_in_order() -> None:
    spec = {"jobs": [{"id": id, "image": "x", "env": env(id)} for id in ("b", "a")]}
    assert borrowed(parse(spec).jobs) == Credentials(secrets=("a", "b"))


def env(name: str) -> list[dict[str, Any]]:
    """Variables from two keys of one Secret."""
    return [{"name": key, "valueFrom": {"secretKeyRef": {"name": name, "key": key}}} for key in ("X", "Y")]
