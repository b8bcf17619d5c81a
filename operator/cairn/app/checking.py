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
    """What is wrong with each part after at most so many seconds; empty: it is well. All are asked side by side."""
    answers = await asyncio.gather(*(_asked(question, seconds, poll) for question in parts.values()))
    return dict(zip(parts, answers, strict=True))


async def _asked(question: Question, seconds: float, poll: float) -> str:
    complaint = "it has not answered"
    try:
        async with asyncio.timeout(seconds):
            while complaint := await question():
                await asyncio.sleep(poll)
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
