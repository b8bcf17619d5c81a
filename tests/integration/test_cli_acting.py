"""The verbs that act, on a real API server with an operator at work: as a person types them, and what comes of it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from support.jobs import HANGS, hanging, job, release
from support.kube import Kube, Object, until
from support.operator_process import OperatorProcess

pytestmark = [pytest.mark.cluster]

Start = Callable[..., OperatorProcess]
ROWS = {"message": '{"rows": 3}'}


class Cairn:
    """The command line, as the user of a kubeconfig."""

    def __init__(self, kube: Kube) -> None:
        self.kube = kube

    def command(self, *words: str) -> tuple[list[str], dict[str, str]]:
        """What is run, and in which environment."""
        environment = os.environ | {"KUBECONFIG": str(self.kube.kubeconfig)}
        return [sys.executable, "-m", "cairn", *words, "-n", self.kube.namespace], environment

    def run(self, *words: str, typed: str | None = None) -> tuple[int, str, str]:
        """Exit code, standard output, standard error."""
        command, env = self.command(*words)
        done = subprocess.run(command, env=env, input=typed or "", text=True, capture_output=True, check=False)
        return done.returncode, done.stdout, done.stderr

    def done(self, *words: str) -> str:
        """What a verb says that does what it was told."""
        code, out, error = self.run(*words)
        assert (code, error) == (0, ""), (code, out, error)
        return out


@pytest.fixture
def cairn(served: Kube) -> Cairn:
    return Cairn(served)


def execution(name: str, *jobs: Object, labels: Object | None = None, **spec: object) -> Object:
    given = [{"image": "fake"} | job for job in jobs]
    meta = {"name": name, "labels": labels or {}}
    body = {"apiVersion": "cairn.dev/v1alpha1", "kind": "DAGExecution", "metadata": meta}
    return body | {"spec": {"jobs": given, "checkpoint": {"enabled": False}} | spec}


def runs(kube: Kube, name: str, job_id: str) -> None:
    until(lambda: kube.job(name, job_id).get("startedAt"), f"{name}/{job_id} runs")


# --- Several of them -------------------------------------------------------------------------------------------------


def test_pause_resume_and_cancel_by_labels(cairn: Cairn, served: Kube) -> None:
    served.apply(*(execution(name, job("a", fake=HANGS), job("b", "a"), labels={"team": "ml"}) for name in "xyz"))
    served.apply(execution("other", hanging("a")))
    for name in ("x", "y", "z", "other"):
        runs(served, name, "a")

    said = cairn.done("pause", "-l", "team=ml", "--reason", "node upgrade", "--until", "2h")
    assert said == "".join(f"dagexecution.cairn.dev/{name} paused\n" for name in "xyz")
    paused = [served.get("dagx", name)["spec"].get("paused", False) for name in ("x", "y", "z", "other")]
    assert paused == [True, True, True, False]
    assert served.get("dagx", "y")["spec"]["pause"]["reason"] == "node upgrade"

    code, out, error = cairn.run("pause", "x", "--wait", "--timeout", "1s")
    assert (code, out) == (2, "") and "asked for, but not so within 1 s" in error
    release(served, "x", "a")
    assert cairn.done("pause", "x", "--wait") == "dagexecution.cairn.dev/x paused\n"
    assert served.get("dagx", "x")["status"]["pause"]["phase"] == "Paused"

    code, out, error = cairn.run("resume", "x", "none", "y")
    assert (code, out.count("resumed\n")) == (2, 2), "one that is not there holds up no other"
    assert error == f"{served.namespace}/none: there is no execution none in namespace {served.namespace}\n"

    code, out, error = cairn.run("cancel", "y", "z")
    assert (code, out) == (2, "") and "give --yes" in error, "nobody could be asked"
    assert served.get("dagx", "y")["status"]["phase"] == "Running"
    said = cairn.done("cancel", "y", "z", "--yes", "--wait", "--reason", "wrong data")
    assert said == "".join(f"dagexecution.cairn.dev/{name} has ended: Cancelled\n" for name in "yz")
    code, out, error = cairn.run("cancel", "y", "--yes")
    assert code == 1 and "has finished (Cancelled) and cannot be cancelled; nothing of it runs" in error
    assert served.get("dagx", "other")["status"]["phase"] == "Running"


def test_hold(cairn: Cairn, served: Kube) -> None:
    served.apply(execution("work", hanging("a"), job("b", "a"), job("c", "a")))
    assert cairn.done("hold", "work", "b") == "dagexecution.cairn.dev/work held; on hold: b\n"
    runs(served, "work", "a")
    release(served, "work", "a")
    served.wait_job("work", "c", state="Completed")
    assert served.wait_job("work", "b", reason="OnHold")["state"] == "Pending"
    code, _, error = cairn.run("hold", "work", "bb")
    assert code == 2 and "has no job 'bb'; did you mean 'b'?" in error
    assert cairn.done("hold", "work", "b", "--release") == "dagexecution.cairn.dev/work released; on hold: nothing\n"
    served.wait("work", "Succeeded")


# --- Running ---------------------------------------------------------------------------------------------------------


def test_run_follows_to_the_end_and_tells_it_by_the_exit_code(cairn: Cairn, served: Kube, tmp_path: Path) -> None:
    file = tmp_path / "two.yaml"
    good = execution("good", hanging("a"), job("b", "a"), checkpoint={"triggers": ["level-completed"]})
    file.write_text(yaml.safe_dump_all([good, execution("bad", job("a", fake={"exit-code": "3"}))]))
    command, env = cairn.command("run", str(file))
    told: list[str] = []
    with subprocess.Popen(command, env=env, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as running:
        assert running.stdout is not None and running.stderr is not None
        for line in running.stdout:
            told.append(line)
            if "good/a  Running" in line:
                release(served, "good", "a")
        error = running.stderr.read()
    assert (running.returncode, error) == (1, ""), "one has failed"
    out = "".join(told)
    lines = [line.split("  ", 1)[-1] for line in out.splitlines()]
    assert lines[:2] == [f"dagexecution.cairn.dev/{name} serverside-applied" for name in ("good", "bad")]
    for line in ("good  Running", "good/a  Running, attempt 1", "good/a  Completed in", "good/b  Completed in",
                 "bad/a  Failed: Error", "good  checkpoint good-level-completed", "good  Succeeded in",
                 "bad  Failed in"):  # fmt: skip
        assert any(line in one for one in lines), (line, out)
    file.write_text(yaml.safe_dump(good))
    assert "good  Succeeded" in cairn.done("run", str(file)), "applied again, nothing runs again"
    assert "serverside-applied (server dry run)\n" in cairn.done("run", str(file), "--dry-run", "--name", "new")
    assert cairn.kube.kubectl("get", "dagx", "new", check=False).returncode != 0
    file.write_text(yaml.safe_dump(execution("quick", job("a"))))
    assert "again  Succeeded" in cairn.done("run", str(file), "--name", "again")


def test_run_applies_nothing_if_anything_is_wrong(cairn: Cairn, served: Kube, tmp_path: Path) -> None:
    file = tmp_path / "wrong.yaml"
    wrong = execution("wrong", job("a", "b", when="params."), retries=3)
    other = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "other"}}
    file.write_text(yaml.safe_dump_all([execution("right", job("a")), wrong, other]))
    code, out, error = cairn.run("run", str(file))
    assert (code, out) == (2, "")
    for line in ("wrong: spec.retries: ", "wrong: spec.jobs[0].dependsOn[0]: ", "wrong: spec.jobs[0].when: ",
                 "other: is ConfigMap of v1: only DAGExecution"):  # fmt: skip
        assert line in error, error
    assert not served.list("dagx")


def test_ctrl_c_ends_the_following_only(cairn: Cairn, served: Kube, tmp_path: Path) -> None:
    file = tmp_path / "work.yaml"
    file.write_text(yaml.safe_dump(execution("work", hanging("a"))))
    command, env = cairn.command("run", str(file))
    with subprocess.Popen(command, env=env, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as running:
        assert running.stdout is not None and running.stderr is not None
        for line in running.stdout:
            if "work/a  Running" in line:
                break
        running.send_signal(signal.SIGINT)
        told = running.stderr.read()
    assert running.returncode == 130
    assert told == "no longer following; it goes on all the same: kubectl cairn watch work\n"
    release(served, "work", "a")
    served.wait("work", "Succeeded")


# --- Checkpoints and restores ----------------------------------------------------------------------------------------


def test_checkpoint_plan_rewind_and_fork(cairn: Cairn, served: Kube, tmp_path: Path) -> None:
    work = execution("work", job("a", fake=ROWS), hanging("b", "a"), job("c", "b", fake={"exit-code": "1"}))
    served.apply(work)
    runs(served, "work", "b")
    said = cairn.done("checkpoint", "work", "--name", "Before b", "--meta", "ticket=OPS-17", "--pin", "--wait")
    told, _, id = said.strip().partition(" ready: ")
    name = told.removeprefix("checkpoint.cairn.dev/")
    spec = served.get("ckpt", name)["spec"]
    who = served.kubectl("auth", "whoami", "-o", "jsonpath={.status.userInfo.username}").stdout
    assert (spec["name"], spec["metadata"], spec["pinned"]) == ("Before b", {"ticket": "OPS-17"}, True)
    assert spec["createdBy"] == who and id.startswith("checkpoint_")
    once, again = (cairn.done("checkpoint", "work", "--request-id", "r1") for _ in range(2))
    assert once == again

    release(served, "work", "b")
    served.wait("work", "Finished")
    assert served.job("work", "c")["state"] == "Failed"
    text = cairn.done("plan", "work", name)
    assert "Rewind from checkpoint" in text and "cannot be carried out" not in text
    plan = json.loads(cairn.done("plan", "work", f"ckpt/{name}", "-o", "json"))
    assert {j["id"]: j["action"] for j in plan["plan"]["jobs"]} == {"a": "Keep", "b": "Rerun", "c": "Rerun"}

    code, out, error = cairn.run("rewind", "work", name)
    assert code == 2 and "2 jobs that have run would run again" in error and "give --yes" in error
    code, _, error = cairn.run("rewind", "work", name, "--yes", "--plan-digest", "0" * 64)
    assert code == 1 and "the plan is another one than that of planDigest" in error
    said = cairn.done("rewind", "work", name, "--yes", "--plan-digest", plan["plan"]["digest"])
    assert said.startswith("dagexecution.cairn.dev/work ") and id in said
    assert until(lambda: served.job("work", "b").get("attempt") == 2, "b runs again")
    release(served, "work", "b")

    work["spec"]["jobs"][2] = {"id": "c", "image": "fake", "dependsOn": ["b"]}  # type: ignore[index]
    file = tmp_path / "mended.yaml"
    file.write_text(yaml.safe_dump(work))
    served.wait("work", "Finished")
    said = cairn.done("fork", name, "-f", str(file), "--name", "mended")
    assert said.startswith("dagexecution.cairn.dev/mended forked: from checkpoint")
    runs(served, "mended", "b")
    assert served.job("mended", "a")["state"] == "Completed" and not served.jobs("mended", "a")
    release(served, "mended", "b")
    served.wait("mended", "Succeeded")
    code, _, error = cairn.run("fork", name, "-f", str(file))
    assert code == 1 and "there is an execution" in error and "choose another name" in error

    work["spec"]["jobs"][0]["image"] = "other"  # type: ignore[index]
    file.write_text(yaml.safe_dump(work))
    code, out, _ = cairn.run("plan", "--from", id, "-f", str(file))
    assert code == 1 and "a: CompletedJobEdited: it has completed, and image changed since" in out
    code, _, error = cairn.run("fork", id, "-f", str(file), "--name", "third")
    assert code == 1 and "a: it has completed, and image changed since" in error
    assert cairn.run("plan", "--from", id, "-f", str(file), "--rerun", "a")[0] == 0
    code, _, error = cairn.run("fork", "none")
    assert code == 2 and "none" in error


def test_a_fork_that_nobody_wrote_is_named_after_its_origin_and_made_once(cairn: Cairn, served: Kube) -> None:
    served.apply(execution("work", job("a", fake=ROWS), job("b", "a", fake={"exit-code": "1"})))
    served.wait("work", "Finished")
    cairn.done("checkpoint", "work", "--wait")
    one, same = (cairn.done("fork", "--latest-of", "work", "--request-id", "r1") for _ in range(2))
    assert one.split()[0] == same.split()[0] and one.startswith("dagexecution.cairn.dev/work-")
    code, out, _ = cairn.run("fork", "--latest-of", "work", "--follow")
    assert code == 1 and "/b  Failed" in out, "what it has come to"
    assert len(served.list("dagx")) == 3


# --- Repairs ---------------------------------------------------------------------------------------------------------


def test_repairs(cairn: Cairn, served: Kube) -> None:
    served.apply(execution("work", job("a", fake={"exit-code": "1"}), job("b", "a"), job("c", "b"), hanging("d")))
    served.wait_job("work", "a", state="Failed")
    who = served.kubectl("auth", "whoami", "-o", "jsonpath={.status.userInfo.username}").stdout
    said = cairn.done("retry", "work", "a", "--reason", "the disk was full")
    assert said == "dagexecution.cairn.dev/work job a to run again\n"
    served.wait_job("work", "a", state="Failed", attempt=2)
    request = served.get("dagx", "work")["status"]["requests"][-1]
    assert (request["type"], request["by"], request["message"]) == ("Retry", who, "the disk was full")

    code, out, error = cairn.run("retry", "work", "a", "d")
    assert code == 1 and "job a to run again" in out
    assert error.startswith("dagexecution.cairn.dev/work job d: refused: job d is running"), error
    served.wait_job("work", "a", state="Failed", attempt=3)
    assert cairn.done("extend", "work", "a", "--limit", "2").endswith("job a may be retried 2 more times\n")
    outputs = '{"rows": 3}'
    assert cairn.done("complete", "work", "a", "--outputs", outputs).endswith("job a completed\n")
    results = [r["spec"] for r in served.list("jobresults") if r["spec"]["job"] == "a"]
    assert {"rows": 3} in [json.loads(r["outputs"]) for r in results if "outputs" in r], results
    served.wait_job("work", "b", state="Completed")
    code, _, error = cairn.run("skip", "work", "b")
    assert code == 1 and "job b is completed; a Retry runs it again" in error
    code, _, error = cairn.run("retry", "work", "e")
    assert code == 2 and "has no job 'e'" in error
    release(served, "work", "d")
    served.wait("work", "Succeeded")


def test_nobody_answers(kube: Kube) -> None:
    kube.apply(execution("work", job("a")))
    code, _, error = Cairn(kube).run("retry", "work", "a")
    assert code == 2 and "asked, but not answered within 10 s: is the operator running?" in error


# --- Rights ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def nobody(kube: Kube, tmp_path: Path) -> Cairn:
    """Somebody who may do nothing."""
    kube.kubectl("create", "serviceaccount", "nobody")
    token = kube.kubectl("create", "token", "nobody").stdout.strip()
    config = yaml.safe_load(kube.kubeconfig.read_text())
    config["users"] = [{"name": user["name"], "user": {"token": token}} for user in config["users"]]
    (tmp_path / "kubeconfig").write_text(yaml.safe_dump(config))
    return Cairn(Kube(kube.binary, tmp_path / "kubeconfig", kube.namespace))


@pytest.mark.parametrize(
    ("words", "may_not"),
    [
        (("pause", "work"), 'cannot get resource "dagexecutions"'),
        (("resume", "-l", "team=ml"), 'cannot list resource "dagexecutions"'),
        (("checkpoint", "work"), 'cannot get resource "dagexecutions"'),
        (("plan", "--latest-of", "work"), 'cannot list resource "checkpoints"'),
    ],
    ids=lambda given: given[0],
)
def test_without_rights(nobody: Cairn, words: tuple[str, ...], may_not: str) -> None:
    code, out, error = nobody.run(*words)
    assert (code, out) == (2, "")
    user = f"system:serviceaccount:{nobody.kube.namespace}:nobody"
    assert f'User "{user}" {may_not}' in error and error.count("\n") == 1, error
