"""Whether an installation is complete: each part is asked until it answers well, or the time is up.

Parts that have just been installed take a while, so a first no is no answer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from cairn import names
from cairn.ports import Installation

Question = Callable[[], Awaitable[str]]
"""Asks one part; what is wrong with it, or nothing."""


async def look_at(parts: Mapping[str, Question], seconds: float, poll: float = 1.0) -> dict[str, str]:
    """What is wrong with each part, empty if it is well. All are asked side by side, each again for so many seconds."""
    answers = await asyncio.gather(*(_asked(question, seconds, poll) for question in parts.values()))
    return dict(zip(parts, answers, strict=True))


async def _asked(question: Question, seconds: float, poll: float) -> str:
    complaint = await question()  # in any case; how long one answer may take, the question itself knows
    try:
        async with asyncio.timeout(seconds):
            while complaint:
                await asyncio.sleep(poll)
                complaint = await question()
    except TimeoutError:
        pass
    return complaint


def kinds(installation: Installation) -> Question:
    """Whether the API server serves Cairn's kinds."""

    async def ask() -> str:
        wanted = {names.EXECUTIONS, names.CHECKPOINTS, names.RESULTS}
        missing = sorted(wanted - await installation.served())
        return f"the API server does not serve {', '.join(missing)} of {names.API_VERSION}: install the CRDs" if (
            missing) else ""  # fmt: skip

    return ask
