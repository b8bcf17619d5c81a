"""CPU and memory are read off /proc: of a process with its children, but not of those that are measured themselves."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from bench import usage

TICKS = os.sysconf("SC_CLK_TCK")


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    """A process 1 with children 2 and 3; 4 is below 3."""
    for pid, children in {1: "2 3", 2: "", 3: "4", 4: ""}.items():
        task = tmp_path / str(pid) / "task" / str(pid)
        task.mkdir(parents=True)
        (task / "children").write_text(children)
        times = f"{pid * TICKS} {pid * TICKS} {TICKS} 0"
        (tmp_path / str(pid) / "stat").write_text(f"{pid} (a) b) S 1 1 1 0 -1 0 0 0 0 0 {times} 20 0 1 0 9")
        (tmp_path / str(pid) / "status").write_text(f"Name:\ta\nVmHWM:\t{pid * 2000} kB\nVmRSS:\t{pid * 1000} kB\n")
        (tmp_path / str(pid) / "smaps_rollup").write_text(f"Pss:                {pid * 500} kB\nPss_Anon: 1 kB\n")
    return tmp_path


def test_cpu_counts_what_is_below_and_what_has_ended(proc: Path) -> None:
    assert usage.cpu(1, proc=proc) == sum(2 * pid + 1 for pid in (1, 2, 3, 4))


def test_what_is_measured_for_itself_is_left_out_with_all_below_it(proc: Path) -> None:
    assert usage.cpu(1, {3}, proc=proc) == sum(2 * pid + 1 for pid in (1, 2))
    assert list(usage.tree(1, {3}, proc)) == [1, 2]


def test_memory_is_in_megabytes_of_a_million_bytes(proc: Path) -> None:
    assert usage.resident(3, proc) == 3.072
    assert usage.peak(3, proc) == 6.144
    assert usage.share(3, proc=proc) == (3 + 4) * 0.512


def test_a_process_that_is_gone_has_used_nothing(proc: Path) -> None:
    assert usage.cpu(5, proc=proc) == 0


@pytest.mark.parametrize("children", [0, 1])
async def test_of_a_process_that_runs_both_are_known(children: int) -> None:
    child = "subprocess.Popen(['sleep', '60']); "
    program = f"import subprocess; own = b'x' * 8_000_000; {child * children}print(flush=True); input()"
    command, pipe = [sys.executable, "-c", program], subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, start_new_session=True) as running:
        assert running.stdout is not None and running.stdout.readline()
        assert len(list(usage.tree(running.pid))) == children + 1
        async with usage.measured({"it": running.pid}) as used:
            pass
        os.killpg(running.pid, signal.SIGKILL)
    assert used.cpu_seconds["it"] >= 0
    assert used.peak_megabytes["it"] > 8
