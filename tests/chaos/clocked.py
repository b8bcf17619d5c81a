"""The operator with a time of day that can be turned: `python -m chaos.clocked operator`.

The file that CAIRN_TEST_CLOCK names says by how many seconds. The steady clock goes on as it does on a real machine.
"""

from __future__ import annotations

import os
import runpy
from datetime import datetime, timedelta
from pathlib import Path

from cairn.adapters import clock

_true_time = clock.system_clock
_offset = Path(os.environ["CAIRN_TEST_CLOCK"])


def turned() -> datetime:
    """The time of day as this machine's administrator has set it."""
    return _true_time() + timedelta(seconds=int(_offset.read_text()))


if __name__ == "__main__":
    clock.system_clock = turned  # before anything that imports it by name
    runpy.run_module("cairn", run_name="__main__", alter_sys=True)
