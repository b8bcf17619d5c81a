"""Names and paths of clusters: what is removed later must lie where it is expected."""

from __future__ import annotations

from pathlib import Path

import pytest

from cluster.layout import Layout


@pytest.mark.parametrize("name", ["", "..", "a/b", "/etc", "-a", "A", "a_b", "a" * 40], ids=repr)
def test_a_name_cannot_lead_elsewhere(name: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not a cluster name"):
        Layout.of(name, tmp_path)


def test_everything_lies_in_the_build_directory(tmp_path: Path) -> None:
    layout = Layout.of("fake", tmp_path / "build" / "cluster")
    for path in (layout.state, layout.kubeconfig, layout.logs, layout.processes, layout.pki, layout.node):
        assert path.is_relative_to(tmp_path / "build" / "cluster" / "fake")


def test_logs_are_kept_outside_of_what_is_removed(tmp_path: Path) -> None:
    layout = Layout.of("fake", tmp_path / "build" / "cluster")
    assert layout.kept_logs == tmp_path / "build" / "logs" / "fake"


def test_interfaces_of_two_checkouts_differ(tmp_path: Path) -> None:
    names = {Layout.of("real", tmp_path / checkout).short for checkout in ("one", "two")}
    assert len(names) == 2
    assert all(len(f"cairn-{name}") <= 15 for name in names)
