"""The command lines for kind: they never touch the user's own kubeconfig or other people's clusters."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from cluster import kind

KUBECONFIG = Path("state/kubeconfig")


def test_create() -> None:
    assert kind.create_command("fake", Path("state/kind.yaml"), KUBECONFIG) == [
        *("kind", "create", "cluster", "--name", "cairn-fake"),
        *("--config", "state/kind.yaml", "--kubeconfig", "state/kubeconfig", "--wait", "120s"),
    ]


def test_export_kubeconfig() -> None:
    expected = ["kind", "export", "kubeconfig", "--name", "cairn-fake", "--kubeconfig", "state/kubeconfig"]
    assert kind.kubeconfig_command("fake", KUBECONFIG) == expected


def test_load_image() -> None:
    expected = ["kind", "load", "image-archive", "image.tar", "--name", "cairn-real"]
    assert kind.load_command("real", Path("image.tar")) == expected


def test_delete() -> None:
    expected = ["kind", "delete", "cluster", "--name", "cairn-real", "--kubeconfig", "state/kubeconfig"]
    assert kind.delete_command("real", KUBECONFIG) == expected


@pytest.mark.parametrize(
    "command",
    [
        kind.create_command("fake", Path("c"), KUBECONFIG),
        kind.kubeconfig_command("fake", KUBECONFIG),
        kind.delete_command("fake", KUBECONFIG),
    ],
    ids=["create", "export", "delete"],
)
def test_every_command_that_writes_a_kubeconfig_names_it(command: list[str]) -> None:
    assert command[command.index("--kubeconfig") + 1] == str(KUBECONFIG)


def test_config_lifts_the_clients_limits() -> None:
    config = kind.config()
    assert config["kind"] == "Cluster"
    (patch,) = config["kubeadmConfigPatches"]
    parsed = yaml.safe_load(patch)
    for component in ("controllerManager", "scheduler"):
        assert parsed[component]["extraArgs"] == {"kube-api-qps": "500", "kube-api-burst": "1000"}


def test_config_names_no_image() -> None:
    assert "image" not in yaml.safe_dump(kind.config())
