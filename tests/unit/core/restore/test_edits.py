"""What is another about a job, in words that a person uses for it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from pytest import param

from cairn.core.restore.edits import edits
from cairn.core.spec import JobSpec
from simulation.build import job

MAIN = {"name": "main", "image": "busybox", "args": ["a"]}


def with_pod(*containers: dict[str, Any], metadata: dict[str, Any] | None = None, **spec: Any) -> JobSpec:
    """A job with this pod template; its digest tells one template from another."""
    template = {"spec": {"containers": list(containers)} | spec} | ({"metadata": metadata} if metadata else {})
    return job("a", pod_template=template, digest=repr(template))


OLD = with_pod(MAIN)


@pytest.mark.parametrize(
    ("new", "expected"),
    [
        param(OLD, [], id="nothing"),
        param(with_pod(MAIN | {"image": "busybox:2"}), ["image"], id="a field of the only container"),
        param(with_pod({"name": "main", "image": "x", "command": ["c"]}), ["image", "args", "command"],
              id="several of them, changed, removed and added"),
        param(with_pod(MAIN, nodeSelector={"gpu": "yes"}), ["nodeSelector"], id="a field of the pod"),
        param(with_pod(MAIN, metadata={"labels": {"a": "b"}}), ["metadata"], id="the pod's labels"),
        param(with_pod(MAIN, {"name": "side", "image": "x"}),
              ["name", "image", "args", "container main", "container side"], id="a second container"),
        param(with_pod(), ["name", "image", "args"], id="no container any more"),
        param(replace(OLD, timeout_seconds=9, digest="new"), ["timeoutSeconds"], id="the timeout"),
        param(replace(OLD, digest="new"), ["its definition"], id="a digest alone, made by another version"),
    ],
)  # fmt: skip
def test_what_has_changed(new: JobSpec, expected: list[str]) -> None:
    assert edits(OLD, new, OLD.digest) == expected


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        param({"name": "side", "image": "x"}, [], id="nothing"),
        param({"name": "side", "image": "y"}, ["container side"], id="one of them"),
        param({"image": "x"}, ["container side", "container "], id="its name, left out"),
    ],
)
def test_of_several_containers_the_one_is_named(change: dict[str, Any], expected: list[str]) -> None:
    before, now = with_pod(MAIN, {"name": "side", "image": "x"}), with_pod(MAIN, change)
    assert edits(before, now, before.digest) == expected


@pytest.mark.parametrize("template", [{}, {"spec": None}, {"spec": {"containers": None}}], ids=str)
def test_a_template_of_nothing_is_another_one_too(template: dict[str, Any]) -> None:
    assert edits(OLD, replace(OLD, pod_template=template, digest="new"), OLD.digest) == ["name", "image", "args"]


def test_the_definition_that_ran_excuses_the_definition_alone() -> None:
    new = replace(with_pod(MAIN | {"image": "busybox:2"}), when="true")
    assert edits(OLD, new, new.digest) == ["when"]


def test_nothing_is_known_of_wires_and_conditions_that_are_not_there() -> None:
    assert edits(None, job("a", "x", when="true"), "a") == []
