"""Images: described declaratively, built reproducibly."""

from __future__ import annotations

import hashlib
import json
import re
import tarfile
from pathlib import Path

import pytest

from cluster import archive, images
from cluster.errors import ClusterError

ROOT = images.CHECKOUT
LOCKS = [*ROOT.glob("requirements*.txt"), *images.DESCRIPTIONS.glob("*/requirements.txt")]
NAMES = sorted(path.parent.name for path in images.DESCRIPTIONS.glob("*/image.yaml"))


def _layer(path: Path) -> Path:
    with archive.Layer(path) as layer:
        layer.text("etc/passwd", "root:x:0:0::/:/bin/sh\n")
        layer.link("bin/sh", "busybox")
        layer.directory("tmp", 0o1777)
    return path


@pytest.mark.parametrize("name", NAMES)
def test_no_image_is_looked_for_in_a_registry(name: str) -> None:
    assert images.load(name).reference == f"localhost/{name if name.startswith('cairn') else f'cairn-{name}'}:dev"


@pytest.mark.parametrize("name", NAMES)
def test_every_image_can_run_under_restricted_pod_security(name: str) -> None:
    image = images.load(name)
    written = re.findall(r"^USER (\S+)$", image.recipe.dockerfile.read_text(), re.MULTILINE) if image.recipe else []
    user = written[-1] if written else image.settings.user
    assert int(user.split(":")[0]) > 0


@pytest.mark.parametrize("name", [name for name in NAMES if images.load(name).recipe is not None])
def test_nothing_of_a_build_is_left_since_nothing_runs_in_the_last_stage(name: str) -> None:
    recipe = images.load(name).recipe
    assert recipe is not None
    last = re.split(r"^FROM ", recipe.dockerfile.read_text(), flags=re.MULTILINE)[-1]
    assert "COPY --from=" in last and not re.search(r"^RUN ", last, re.MULTILINE)


@pytest.mark.parametrize("path", LOCKS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_requirement_is_pinned_with_a_hash(path: Path) -> None:
    text = path.read_text().replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    for line in lines:
        assert re.match(r"^[a-z0-9._-]+==\S+(\s+;[^-]*)?(\s+--hash=sha256:[0-9a-f]{64})+", line, re.IGNORECASE), line


def test_an_unknown_image_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ClusterError, match="busybox"):
        images.load("nothing")


def test_parents_come_before_their_children_and_once(tmp_path: Path) -> None:
    with tarfile.open(_layer(tmp_path / "layer.tar")) as layer:
        assert layer.getnames() == ["etc", "etc/passwd", "bin", "bin/sh", "tmp"]


def test_the_mode_of_a_directory_is_kept(tmp_path: Path) -> None:
    with tarfile.open(_layer(tmp_path / "layer.tar")) as layer:
        assert layer.getmember("tmp").mode == 0o1777


def test_the_same_content_gives_the_same_layer(tmp_path: Path) -> None:
    first, second = _layer(tmp_path / "first.tar"), _layer(tmp_path / "second.tar")
    assert first.read_bytes() == second.read_bytes()


def test_an_image_names_its_layers_by_their_digests(tmp_path: Path) -> None:
    layer, image = _layer(tmp_path / "layer.tar"), tmp_path / "image.tar"
    archive.write(image, "localhost/cairn-test:dev", [layer], archive.Settings(user="65532", command=["sh"]))
    digest = hashlib.sha256(layer.read_bytes()).hexdigest()
    with tarfile.open(image) as content:
        (manifest,) = json.loads(_text(content, "manifest.json"))
        config = json.loads(_text(content, manifest["Config"]))
    assert manifest["RepoTags"] == ["localhost/cairn-test:dev"]
    assert manifest["Layers"] == [f"{digest}/layer.tar"]
    assert config["rootfs"]["diff_ids"] == [f"sha256:{digest}"]
    assert config["config"]["User"] == "65532"


def _text(content: tarfile.TarFile, name: str) -> str:
    file = content.extractfile(name)
    assert file is not None
    return file.read().decode()
