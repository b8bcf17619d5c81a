"""What a Dockerfile's build sees, and how it reaches packages."""

from __future__ import annotations

import subprocess
from configparser import RawConfigParser
from pathlib import Path

import pytest

from cluster import images, pip_settings
from cluster.dockerfiles import Recipe


def test_a_build_sees_what_the_ignore_file_lets_in(tmp_path: Path) -> None:
    names = ("Dockerfile", "secret", "kept/a", "kept/deep/b", "kept/__pycache__/c", "single")
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    recipe = Recipe(tmp_path / "Dockerfile", "localhost/x:dev")
    assert [str(path.relative_to(tmp_path)) for path in recipe.inputs] == sorted({*names} - {"kept/__pycache__/c"})
    (tmp_path / ".dockerignore").write_text("# why\n*\n!kept\n!single\n**/__pycache__\n")
    seen = [str(path.relative_to(tmp_path)) for path in recipe.inputs]
    assert seen == [".dockerignore", "Dockerfile", "kept/a", "kept/deep/b", "single"]


def test_the_image_is_made_of_sources_and_locks_alone() -> None:
    recipe = images.load("cairn").recipe
    assert recipe is not None
    tops = {path.relative_to(images.CHECKOUT).parts[0] for path in recipe.inputs}
    assert tops == {
        ".dockerignore", "Dockerfile", "LICENSE", "README.md", "operator", "pyproject.toml", "requirements-build.txt",
        "requirements-image.txt",
    }  # fmt: skip


def _git(folder: Path, *arguments: str) -> str:
    command = ["git", "-C", str(folder), "-c", "user.name=a", "-c", "user.email=a@example.com", *arguments]
    return subprocess.run(command, text=True, capture_output=True, check=True).stdout.strip()


def _committed(folder: Path) -> str:
    _git(folder, "add", "--all")
    _git(folder, "commit", "--message=x")
    return _git(folder, "rev-parse", "HEAD")


def test_the_commit_of_an_image_is_the_newest_of_its_sources(tmp_path: Path) -> None:
    recipe = Recipe(tmp_path / "Dockerfile", "localhost/x:dev")
    (tmp_path / "kept").mkdir()
    for name in ("Dockerfile", "kept/a", "kept/b", "other"):
        (tmp_path / name).touch()
    (tmp_path / ".dockerignore").write_text("*\n!kept\n")
    assert recipe.commit() == "unknown", "no repository"
    _git(tmp_path, "init", "--quiet")
    assert recipe.commit() == "unknown", "no commit"
    first = _committed(tmp_path)
    (tmp_path / "other").write_text("changed")
    _committed(tmp_path)
    assert recipe.commit() == first, "nothing of it has changed"
    (tmp_path / "kept" / "a").unlink()
    assert recipe.commit() == f"{first}-dirty"
    assert recipe.commit() != _committed(tmp_path) == recipe.commit(), "a file less is a change"


@pytest.mark.parametrize(
    ("listing", "settings"),
    [
        pytest.param("global.cert='/a'\n", {"cert": "/a"}, id="a-file"),
        pytest.param(":env:.trusted-host='b'\nglobal.trusted-host='a'\n", {"trusted-host": "b"}, id="a-variable-wins"),
        pytest.param("global.no-index='true'\nglobal.any-url='x'\n", {"no-index": "true", "any-url": "x"},
                     id="who-is-asked"),
        pytest.param("global.proxy='x'\ninstall.url-of='y'\n", {"proxy": "x"}, id="by-the-end-of-the-name"),
        pytest.param("global.find-links='\\n/a\\n/b'\n", {"find-links": "\n/a\n/b"}, id="several-lines"),
        pytest.param(":env:.target='/a'\nglobal.user='true'\n", {}, id="where-packages-go-is-not-passed-on"),
        pytest.param("", {}, id="nothing"),
    ],
)  # fmt: skip
def test_settings_of_pip_that_are_passed_on(listing: str, settings: dict[str, str]) -> None:
    assert pip_settings.chosen(listing) == settings


def test_settings_of_pip_as_a_file() -> None:
    read = RawConfigParser()
    read.read_string(pip_settings.as_file({"find-links": "/a\n/b", "default-timeout": "9", "proxy": "x/%20"}))
    assert dict(read["global"]) == {"find-links": "/a\n/b", "timeout": "9", "proxy": "x/%20"}


def test_files_that_settings_of_pip_name(tmp_path: Path) -> None:
    settings = {"cert": str(tmp_path), "find-links": f"{tmp_path}/none https://x {tmp_path}", "proxy": "/"}
    assert pip_settings.files(settings) == [tmp_path, tmp_path]
