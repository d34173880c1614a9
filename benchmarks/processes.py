"""What a process and its children have used, from Linux's own accounts in /proc."""

import os
from pathlib import Path

TICKS_PER_S = os.sysconf("SC_CLK_TCK")
MB = 1024 * 1024


def family(pid: int) -> list[int]:
    """The process and everything below it."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(below for child in children for below in family(int(child)))]


def cpu_s(pid: int) -> float:
    """Seconds of CPU that the family has used, children that have ended included."""
    ticks = 0
    for each in family(pid):
        # The name in parentheses may hold anything; the fields after it are numbered from 3.
        fields = Path(f"/proc/{each}/stat").read_text().rsplit(")", 1)[1].split()
        ticks += int(fields[11]) + int(fields[12]) + (int(fields[13]) + int(fields[14]) if each == pid else 0)
    return ticks / TICKS_PER_S


def memory_mb(pid: int) -> float:
    """Proportional set size of the family: pages that it shares count by share."""
    return sum(_field(Path(f"/proc/{each}/smaps_rollup"), "Pss") for each in family(pid))


def peak_mb(pid: int) -> float:
    """The sum of the highest resident sizes since ``reset_peak``; an upper bound, since the peaks need not meet."""
    return sum(_field(Path(f"/proc/{each}/status"), "VmHWM") for each in family(pid))


def resident_mb(pid: int) -> float:
    """Resident size of the family now."""
    return sum(_field(Path(f"/proc/{each}/status"), "VmRSS") for each in family(pid))


def reset_peak(pid: int) -> None:
    """Let the highest resident size count from here."""
    for each in family(pid):
        Path(f"/proc/{each}/clear_refs").write_text("5")


def _field(file: Path, name: str) -> float:
    for line in file.read_text().splitlines():
        if line.startswith(name + ":"):
            return int(line.split()[1]) * 1024 / MB
    raise KeyError(name)
