"""Which cluster is used: never somebody's own, unless asked for by name."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from cluster import existing, providers
from cluster.errors import ClusterError


@pytest.mark.parametrize(
    ("environment", "docker", "expected"),
    [
        pytest.param({}, False, "local", id="no engine: local"),
        pytest.param({}, True, "kind", id="an engine answers: kind"),
        pytest.param({"CLUSTER": ""}, False, "local", id="an empty name is no name"),
        pytest.param({"CLUSTER": "local"}, True, "local", id="a name wins over the engine"),
        pytest.param({"CLUSTER": "kind"}, False, "kind", id="a name wins over the missing engine"),
        pytest.param({"CLUSTER": "existing"}, True, "existing", id="existing when asked for"),
        pytest.param({"KUBECONFIG": "/somebody/elses"}, False, "local", id="a kubeconfig in sight changes nothing"),
        pytest.param({"KUBECONFIG": "/somebody/elses"}, True, "kind", id="nor does it with an engine"),
    ],
)
def test_select(environment: dict[str, str], docker: bool, expected: str) -> None:
    assert providers.select(environment, lambda: docker) == expected


def test_select_refuses_an_unknown_name() -> None:
    with pytest.raises(ClusterError, match="existing, kind and local"):
        providers.select({"CLUSTER": "minikube"}, lambda: True)


def test_select_does_not_ask_the_engine_when_a_name_is_given() -> None:
    def asked() -> bool:
        raise AssertionError("asked")

    assert providers.select({"CLUSTER": "local"}, asked) == "local"


@pytest.mark.parametrize(("status", "expected"), [(0, True), (1, False)])
def test_the_engine_is_asked_and_not_only_the_client(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: int, expected: bool
) -> None:
    program = tmp_path / "docker"
    program.write_text(f'#!/bin/sh\ntest "$1" = info && exit {status}; exit 9\n')
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    assert providers.docker_answers() is expected


def test_no_client_no_engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert providers.docker_answers() is False


@pytest.mark.parametrize("value", [None, "", "one:two"], ids=["unset", "empty", "joined"])
def test_existing_does_not_guess_a_kubeconfig(value: str | None) -> None:
    environment = {} if value is None else {"KUBECONFIG": value}
    with pytest.raises(ClusterError, match="exactly one file"):
        existing.kubeconfig(environment)


def test_existing_takes_the_file_that_is_named(tmp_path: Path) -> None:
    path = tmp_path / "config"
    path.touch()
    assert existing.kubeconfig({"KUBECONFIG": str(path)}) == path
