"""A restore plan, as `plan` and the dry runs of `fork` and `rewind` show it."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.text import Text

from cairn.cli.render.words import safe, table, word
from cairn.core.ages import duration
from cairn.core.restore.progress import RestorePlan


def plan_table(plan: RestorePlan) -> RenderableType:
    """What happens to each job and why, then what stands in the way, and the whole in a sentence."""
    jobs = table("JOB", "ACTION", "REASON", "WORK", "REPLAY", "WHY")
    for job in plan.jobs:
        work = duration(job.seconds) if job.seconds else ""
        jobs.add_row(
            safe(job.id, "bold"), word(job.verdict.value), safe(job.reason), Text(work), safe(job.replay, "magenta"),
            safe(job.message),
        )  # fmt: skip
    lines = [Text(), safe(plan.describe()), safe(f"plan digest: {plan.digest}", "bright_black")]
    return Group(jobs, *_problems(plan), *lines)


def _problems(plan: RestorePlan) -> list[Text]:
    if not plan.problems:
        return []
    count = f"{len(plan.problems)} {'problem' if len(plan.problems) == 1 else 'problems'}"
    title = Text(f"cannot be carried out, {count}:", "bold red")
    return [Text(), title, *(_wrapped(f"  {p.job}: {p.reason}: {p.message}") for p in plan.problems)]


def _wrapped(text: str) -> Text:
    """A problem says what to do about it, so all of it is shown."""
    made = safe(text)
    made.no_wrap, made.overflow = False, "fold"
    return made
