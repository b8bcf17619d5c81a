"""The verbs that act, as a person types them: what they write, what they say, and what they cost."""

from __future__ import annotations

from support.fake_desk import Cli, FakeDesk


def test_pause() -> None:
    desk = FakeDesk()
    desk.put({"metadata": {"name": "train"}, "spec": {"jobs": []}, "status": {"phase": "Running"}})
    said = Cli(desk).run("pause", "train", "--until", "2h")
    assert (said.code, said.out) == (0, "dagexecution.cairn.dev/train paused\n")
    assert desk.spec("train")["paused"]
