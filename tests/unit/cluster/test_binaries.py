"""What is built, from what, and when again."""

from __future__ import annotations

from pathlib import Path

import pytest

from cluster import binaries
from cluster.binaries import TOOLS

SERVER = TOOLS["kube-apiserver"]


def test_fake_nodes_need_no_kubelet() -> None:
    assert not {"kubelet", "kube-proxy", "coredns"} & set(binaries.tools_for("fake"))
    assert not {"kwok"} & set(binaries.tools_for("real"))


def test_all_is_everything_that_runs_without_docker() -> None:
    assert set(binaries.tools_for("all")) == set(TOOLS) - {"kind"}


@pytest.mark.parametrize("tool", TOOLS.values(), ids=lambda tool: tool.name)
def test_every_tool_is_named_by_its_module(tool: binaries.Tool) -> None:
    assert tool.package in binaries.go_mod(tool.module).read_text()
    assert binaries.go_mod(tool.module).with_name("go.sum").exists()


def test_staging_modules_are_those_of_the_release() -> None:
    release = binaries.kubernetes_version().removeprefix("v1.")
    lines = binaries.go_mod("kubernetes").read_text().splitlines()
    replaced = [line.split()[-1] for line in lines if " => " in line]
    assert len(replaced) == 29
    assert set(replaced) == {f"v0.{release}"}


def test_the_server_knows_its_version() -> None:
    version = binaries.kubernetes_version()
    flags = binaries.ldflags(SERVER)
    assert f"gitVersion={version}" in flags
    assert f"gitMajor=1 -X k8s.io/component-base/version.gitMinor={version.split('.')[1]}" in flags


def test_helm_knows_its_version_and_that_of_its_kubernetes_libraries() -> None:
    for tool, library in (("helm3", "helm.sh/helm/v3"), ("helm4", "helm.sh/helm/v4")):
        version = binaries.required_version(tool, library)
        assert f"-X {library}/internal/version.version={version}" in binaries.ldflags(TOOLS[tool])
    minor = binaries.required_version("helm3", "k8s.io/client-go").split(".")[1]
    assert f"chartutil.k8sVersionMinor={minor}" in binaries.ldflags(TOOLS["helm3"])


def test_one_program_is_written_under_its_own_name(tmp_path: Path) -> None:
    command = binaries.build_command([TOOLS["etcd"]], tmp_path)
    assert command[command.index("-o") + 1] == str(tmp_path / "etcd")


def test_several_programs_are_written_to_a_directory(tmp_path: Path) -> None:
    command = binaries.build_command([SERVER, TOOLS["kubectl"]], tmp_path)
    assert command[command.index("-o") + 1] == f"{tmp_path}/"
    assert command[-2:] == [SERVER.package, TOOLS["kubectl"].package]


def test_prometheus_is_built_without_service_discoveries(tmp_path: Path) -> None:
    command = binaries.build_command([TOOLS["prometheus"], TOOLS["promtool"]], tmp_path)
    assert command[command.index("-tags") + 1] == "remove_all_sd"
    assert "-tags" not in binaries.build_command([SERVER], tmp_path)


def test_a_program_is_current_while_its_stamp_says_so(tmp_path: Path) -> None:
    assert not binaries.is_current(SERVER, tmp_path)
    (tmp_path / SERVER.name).touch()
    assert not binaries.is_current(SERVER, tmp_path)
    (tmp_path / ".stamps").mkdir()
    (tmp_path / ".stamps" / SERVER.name).write_text("of another go.mod")
    assert not binaries.is_current(SERVER, tmp_path)
    (tmp_path / ".stamps" / SERVER.name).write_text(binaries.fingerprint(SERVER))
    assert binaries.is_current(SERVER, tmp_path)
