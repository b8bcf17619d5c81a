"""Everything that a process writes to standard error is JSON, whoever writes it."""

from __future__ import annotations

import json
import subprocess
import sys

PROGRAM = """
import asyncio, logging, warnings
from cairn.app.logfields import about
from cairn.cli.logging import configure_logging
from cairn.config import LogSettings
from cairn.errors import StoreUnavailable

async def main():
    for name in ("cairn", "kopf.objects", "uvicorn.error", "opentelemetry.exporter"):
        with about({"namespace": "ns", "execution": "x"}):
            logging.getLogger(name).error("said by %s", name)
    asyncio.get_running_loop().call_exception_handler({"message": "said by asyncio"})
    warnings.warn("said by a warning")
    logging.getLogger("cairn").debug("not said")

configure_logging(LogSettings())
asyncio.run(main())
said = "said at the end"
try:
    raise StoreUnavailable("Reason", "told")
except StoreUnavailable as error:
    cause = error
try:
    raise ValueError(said) from cause
except ValueError as error:
    raise ExceptionGroup(said, [error]) from None
"""


def test_every_line_is_json() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False)
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert done.returncode == 1
    assert [line["logger"] for line in lines] == [
        "cairn", "kopf.objects", "uvicorn.error", "opentelemetry.exporter", "asyncio", "py.warnings", "cairn",
    ]  # fmt: skip
    assert all(line["execution"] == "x" for line in lines[:4])
    assert (lines[-1]["level"], lines[-1]["message"]) == ("critical", "the process ends: ExceptionGroup")
    assert "said at the end" not in done.stderr, "an exception may quote what it was about"
    where = '  File "<string>", line 26, in <module>'
    assert lines[-1]["exception"].endswith(f"ValueError, and then\n{where}\nExceptionGroup")
    assert "StoreUnavailable: told" in lines[-1]["exception"]
    assert all({"time", "level", "logger", "message"} <= line.keys() for line in lines)
