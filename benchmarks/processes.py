"""Resource usage of a process and its children, from Linux's /proc."""

import os
from pathlib import Path

TICKS_PER_S = os.sysconf("SC_CLK_TCK")
MB = 1024 * 1024


def family(pid: int) -> list[int]:
    """The process and all its descendants."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(below for child in children for below in family(int(child)))]


def cpu_s(pid: int) -> float:
    """CPU seconds that the process and its descendants have used, including children that have exited."""
    ticks = 0
    for each in family(pid):
        # The name in parentheses may contain any character; the fields after it are numbered from 3.
        fields = Path(f"/proc/{each}/stat").read_text().rsplit(")", 1)[1].split()
        ticks += int(fields[11]) + int(fields[12]) + (int(fields[13]) + int(fields[14]) if each == pid else 0)
    return ticks / TICKS_PER_S


def memory_mb(pid: int) -> float:
    """Proportional set size of the process and its descendants: each counts its share of shared pages."""
    return sum(_field(Path(f"/proc/{each}/smaps_rollup"), "Pss") for each in family(pid))


def peak_mb(pid: int) -> float:
    """Sum of the peak resident sizes since ``reset_peak``. An upper bound, because the peaks may not coincide."""
    return sum(_field(Path(f"/proc/{each}/status"), "VmHWM") for each in family(pid))


def resident_mb(pid: int) -> float:
    """Current resident size of the process and its descendants."""
    return sum(_field(Path(f"/proc/{each}/status"), "VmRSS") for each in family(pid))


def reset_peak(pid: int) -> None:
    """Reset the peak resident size of the process and its descendants."""
    for each in family(pid):
        Path(f"/proc/{each}/clear_refs").write_text("5")


def _field(file: Path, name: str) -> float:
    for line in file.read_text().splitlines():
        if line.startswith(name + ":"):
            return int(line.split()[1]) * 1024 / MB
    raise KeyError(name)
