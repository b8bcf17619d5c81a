"""The pages of the command line: as it is now, an example for each verb, and a picture of the command that is shown."""

from __future__ import annotations

import html
import re
from xml.etree import ElementTree

import pytest

from pictures.scenes import SCENES, Scene
from support.generated import generator

cli = generator("generate_cli")
OF_VERB = {scene.verb: scene for scene in SCENES}


def test_the_pages_are_made_anew() -> None:
    old = [path.name for path, text in cli.files().items() if not path.exists() or path.read_text() != text]
    assert old == [], "run `make docs`"
    assert {path.name for path in cli.PAGES.glob("*.md")} == {path.name for path in cli.files()}


@pytest.mark.parametrize("verb", list(cli.verbs()))
def test_a_verb_has_an_example_and_says_in_one_line_what_it_does(verb: str) -> None:
    help = cli.verbs()[verb].help or ""
    assert re.search(rf"^Example: .*cairn {verb}\b", help, re.MULTILINE), help
    assert len(help.splitlines()[0]) <= 120


def test_every_verb_has_a_scene_and_every_scene_a_verb() -> None:
    assert OF_VERB.keys() == cli.verbs().keys()
    assert len(OF_VERB) == len(SCENES)


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.verb)
def test_a_picture_shows_the_command_of_its_page(scene: Scene) -> None:
    path = cli.PAGES / f"{scene.verb}.svg"
    svg = path.read_text(encoding="utf-8")
    ElementTree.fromstring(svg)
    assert not re.search(r"""(href|src)=["']?http|url\(["']?http|@import""", svg), "it fetches something"
    said = html.unescape(re.sub(r"<[^>]*>", "", svg)).replace("\xa0", " ")
    words = [re.escape(word) for word in scene.command.split()]
    pattern = r"\s*".join(words).replace("CHECKPOINT", r"[a-z0-9-]+")
    assert re.search(pattern, said), f"record it again: make pictures; {scene.command}"
