"""What users do, each from its beginning to its end: the operator may be killed at any moment of it.

A scenario waits for what it needs and never for a time, and ends the same way however often the operator was gone: what
one checkpoint more or less would change, it lets happen only after the one before is stored.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from reliability.tenant import Tenant, stored
from support.jobs import hanging, job, lasting

Scenario = Callable[[Tenant], Awaitable[None]]

ROWS = {"fake": {"message": '{"rows": 3}'}}


async def run(user: Tenant) -> None:
    """Three jobs, one after the other, that hand on outputs."""
    await user.run("work", job("a", **ROWS), job("b", "a", **ROWS), job("c", "b"))
    await user.condition("work", "Succeeded")


async def retry(user: Tenant) -> None:
    """A job that fails, is tried again, and fails for good."""
    bad = job("bad", fake={"exit-code": "3"}, retry={"limit": 1, "backoffSeconds": 1})
    await user.run("work", bad, job("after", "bad", runOn="Done"))
    await user.condition("work", "Finished")


async def pause(user: Tenant) -> None:
    """A pause that drains, and a resume."""
    await user.run("work", hanging("a"), job("b", "a"))
    await user.job("work", "a", startedAt=...)
    await user.patch("dagexecutions", "work", {"spec": {"paused": True}})
    await user.release("work", "a")
    await user.condition("work", "Paused")
    await user.patch("dagexecutions", "work", {"spec": {"paused": False}})
    await user.condition("work", "Succeeded")


async def stop(user: Tenant) -> None:
    """A pause that stops what runs, which runs again after the resume."""
    await user.run("work", hanging("a"))
    await user.job("work", "a", startedAt=...)
    await user.patch("dagexecutions", "work", {"spec": {"paused": True, "pause": {"mode": "Stop"}}})
    await user.condition("work", "Paused")
    await user.patch("dagexecutions", "work", {"spec": {"paused": False}})
    await user.finish("work", "a", attempt=2)
    await user.condition("work", "Succeeded")


async def cancel(user: Tenant) -> None:
    """A cancel, with a job that cleans up."""
    await user.run("work", hanging("a"), job("b", "a"), job("tidy", "b", runOn="Done"))
    await user.job("work", "a", startedAt=...)
    await user.patch("dagexecutions", "work", {"spec": {"cancel": {"requestId": "c", "reason": "wrong data"}}})
    await user.condition("work", "Finished")


async def manual(user: Tenant) -> None:
    """A checkpoint that somebody asks for."""
    await user.run("work", hanging("a"), checkpoint={"triggers": ["manual"]})
    await user.job("work", "a", startedAt=...)
    await user.checkpoint("mine", "work", name="Before deployment")
    await user.checkpoints(1)
    await user.release("work", "a")
    await user.condition("work", "Succeeded")


async def time_based(user: Tenant) -> None:
    """A checkpoint because time has passed."""
    await user.run("work", hanging("a"), checkpoint={"triggers": ["time-based"], "timeIntervalMs": 1000})
    await user.checkpoints(1)
    await user.release("work", "a")
    await user.condition("work", "Succeeded")


async def job_completed(user: Tenant) -> None:
    """A checkpoint for each job that has come to an end."""
    await user.run("work", job("a", **ROWS), job("b", "a"), checkpoint={"triggers": ["job-completed"]})
    await user.condition("work", "Succeeded")
    await user.saved("work")


async def level_completed(user: Tenant) -> None:
    """A checkpoint for each level."""
    await user.run("work", job("a"), lasting("b", duration="200ms"), job("c", "a", "b"))
    await user.condition("work", "Succeeded")
    await user.saved("work")


async def before_critical(user: Tenant) -> None:
    """A checkpoint before a job that must not begin without it."""
    settings = {"criticalJobIds": ["deploy"], "triggers": ["before-critical"]}
    await user.run("work", job("a"), job("deploy", "a"), checkpoint=settings)
    await user.condition("work", "Succeeded")
    await user.checkpoints(1)


async def retention(user: Tenant) -> None:
    """Three checkpoints, of which one is kept."""
    await user.run("work", job("a", **ROWS), hanging("b", "a"), hanging("c", "b"), checkpoint={"retentionCount": 1})
    for level, released in enumerate(("b", "c", "")):

        async def alone(wanted: str = str(level)) -> bool:
            found = await user.list("checkpoints")
            return [c["spec"]["metadata"].get("levels") for c in found if stored(c)] == [wanted] and len(found) == 1

        await user.until(alone, f"the checkpoint of level {level} is the only one")
        if released:
            await user.finish("work", released)
    await user.condition("work", "Succeeded")


async def rewind(user: Tenant) -> None:
    """Back to where the first job had completed, and on from there."""
    await user.run("work", job("a", **ROWS), hanging("b", "a"))
    first = (await user.checkpoints(1))[0]
    await user.finish("work", "b")
    await user.condition("work", "Succeeded")
    await user.saved("work")
    back = {"checkpointName": first["metadata"]["name"], "requestId": "r"}
    await user.patch("dagexecutions", "work", {"spec": {"restoreFrom": back}})

    async def rewound() -> bool:
        return bool((await user.get("dagexecutions", "work"))["status"].get("epoch"))

    await user.until(rewound, "it is rewound")
    await user.finish("work", "b", attempt=2)
    await user.condition("work", "Succeeded")


async def fork(user: Tenant) -> None:
    """Another execution from where one has failed; it runs the rest."""
    await user.run("work", job("a", **ROWS), job("b", "a", fake={"exit-code": "1"}))
    await user.condition("work", "Finished")
    await user.saved("work")
    await user.run("again", job("a", **ROWS), job("b", "a"), restoreFrom={"latestOf": "work"})
    await user.condition("again", "Succeeded")


async def repair(user: Tenant) -> None:
    """A job that failed is marked completed by hand; the rest runs."""
    await user.run("work", job("a"), job("b", "a", fake={"exit-code": "1"}), job("c", "b"))
    await user.condition("work", "Finished")
    request = {"id": "q", "type": "Complete", "job": "b", "outputs": {"rows": 4}, "reason": "done by hand"}
    await user.patch("dagexecutions", "work", {"spec": {"requests": [request]}})
    await user.condition("work", "Succeeded")


async def delete(user: Tenant) -> None:
    """An execution is deleted, and its checkpoint is to go with it; another checkpoint by hand."""
    await user.run("work", job("a", **ROWS), checkpoint={"deletionPolicy": "Delete"})
    await user.run("kept", job("a"))
    await user.condition("work", "Succeeded")
    await user.condition("kept", "Succeeded")
    await user.saved("work")
    await user.saved("kept")  # else what is deleted is still to be saved, and is made anew
    [mine] = [c for c in await user.list("checkpoints") if c["spec"]["executionRef"]["name"] == "kept"]
    await user.delete("checkpoints", mine["metadata"]["name"])
    await user.delete("dagexecutions", "work")

    async def gone() -> bool:
        return not await user.list("checkpoints")

    await user.until(gone, "the checkpoints go")


SCENARIOS: dict[str, Scenario] = {
    "run": run, "retry": retry, "pause": pause, "stop": stop, "manual": manual, "time-based": time_based,
    "job-completed": job_completed, "level-completed": level_completed, "before-critical": before_critical,
    "retention": retention, "rewind": rewind, "fork": fork, "repair": repair, "cancel": cancel, "delete": delete,
}  # fmt: skip
