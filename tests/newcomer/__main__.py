"""A scripted newcomer: ``python3 -m tests.newcomer``, as ``make newcomer`` runs it. Standard library alone.

A fresh clone of HEAD, in a folder with a space in its name, by a user without a home and without Node: the demo, the
demo again without a network, two at once, run with the quickstart's commands, Ctrl-C at five moments. Then nothing may
be written elsewhere, and nothing may still run.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tests.newcomer.visitor import ROOT, Visitor

MAX_FIRST_DEMO_S = 60
# Half of what it was when the demo installed every developer's tool.
MAX_DISK_MB = 1390 / 2
STOP_S = 45
# What the output says when each of them is sent; the first three during set-up.
MOMENTS = (
    "first set-up",
    "fetching the installer",
    "installing the query engine",
    "starting local.speech",
    "TRANSCRIBING",
)


def main() -> int:
    """Go through all of it; 1 if something was not as promised."""
    base = Path(tempfile.mkdtemp(prefix="new comer "))
    base.chmod(0o755)
    failures: list[str] = []
    visitor = Visitor(base)
    steps: list[Callable[[Visitor], list[str]]] = [
        first_demo,
        second_demo,
        two_at_once,
        run_and_quickstart,
        interrupted,
    ]
    try:
        for step in [*steps, nothing_left]:
            print(f"--- {(step.__doc__ or '').splitlines()[0]}", flush=True)
            try:
                found = step(visitor)
            except (AssertionError, subprocess.TimeoutExpired) as error:
                found = [str(error)]
            failures += found
            print("\n".join(f"FAILED {each}" for each in found) or "ok", flush=True)
    finally:
        visitor.end_everything()
        shutil.rmtree(base, ignore_errors=True)
    print(f"{len(failures)} failures" if failures else "everything as promised")
    return 1 if failures else 0


def first_demo(visitor: Visitor) -> list[str]:
    """From nothing to DONE"""
    started = time.monotonic()
    code, printed = visitor.make("demo")
    took_s, disk_mb = time.monotonic() - started, visitor.megabytes()
    said = next(
        (
            int(word)
            for line in printed.splitlines()
            if "first set-up" in line
            for word in line.split()
            if word.isdigit()
        ),
        0,
    )
    print(f"{took_s:.0f} s, {disk_mb} MB, {visitor.node_mb()} MB of them for Node; announced: {said} MB")
    return [
        *([f"exit code {code}: {printed[-1500:]}"] if code or "\nDONE session=" not in printed else []),
        *([f"it took {took_s:.0f} s"] if took_s > MAX_FIRST_DEMO_S and os.getloadavg()[0] < 2 else []),
        *([f"{disk_mb} MB"] if disk_mb - visitor.node_mb() > MAX_DISK_MB else []),
        *([f"announced {said} MB, took {disk_mb}"] if not 0.85 <= said / max(disk_mb, 1) <= 1.15 else []),
    ]


def second_demo(visitor: Visitor) -> list[str]:
    """Again, without a network"""
    nowhere = "http://127.0.0.1:9"
    code, printed = visitor.make(
        "demo", PIP_INDEX_URL=nowhere, HTTPS_PROXY=nowhere, HTTP_PROXY=nowhere, NO_PROXY="127.0.0.1"
    )
    return [f"exit code {code}: {printed[-1500:]}"] if code or "installing" in printed else []


def two_at_once(visitor: Visitor) -> list[str]:
    """Two demos in one folder"""
    first, second = visitor.start("demo"), visitor.start("demo")
    answers = [process.communicate(timeout=300)[0] for process in (first, second)]
    codes = sorted(process.returncode for process in (first, second))
    sentence = any("another demo runs in this folder" in text for text in answers)
    return [] if codes == [0, 2] and sentence else [f"exit codes {codes}: {answers}"]


def run_and_quickstart(visitor: Visitor) -> list[str]:
    """run, the quickstart's commands, Ctrl-C"""
    text = (ROOT / "docs" / "quickstart.md").read_text()
    blocks = [part.partition("```")[0] for part in text.split("<!-- run -->\n```bash\n")[1:]]
    process = visitor.start("run")
    address = visitor.wait_for(process, "ready ").split()[1]
    script = "\n".join(["set -euo pipefail", *blocks]).replace("http://127.0.0.1:8000", address)
    done = visitor.run(["bash", "-c", script])
    visitor.interrupt(process)
    printed, _ = process.communicate(timeout=60)
    return [
        *([f"quickstart: {done.stderr[-1500:]}"] if done.returncode or '"UNAUTHORIZED"' not in done.stdout else []),
        *([f"Ctrl-C said: {printed[-300:]}"] if "stopping" not in printed else []),
    ]


def interrupted(visitor: Visitor) -> list[str]:
    """Ctrl-C at five moments, then the demo to its end"""
    visitor.clone("second clone")
    found: list[str] = []
    for moment in MOMENTS:
        process = visitor.start("demo")
        visitor.wait_for(process, moment)
        visitor.interrupt(process)
        try:
            printed, _ = process.communicate(timeout=STOP_S)
        except subprocess.TimeoutExpired:
            return [*found, f"still runs {STOP_S} s after Ctrl-C at {moment!r}"]
        if "stopped" not in printed or "Traceback" in printed or process.returncode == 0:
            found.append(f"after Ctrl-C at {moment!r}: {printed[-500:]}")
    code, printed = visitor.make("demo")
    return [*found, *([f"the demo afterwards: {printed[-1500:]}"] if code else [])]


def nothing_left(visitor: Visitor) -> list[str]:
    """Nothing written elsewhere, nothing still running"""
    deadline = time.monotonic() + 20
    while visitor.processes() and time.monotonic() < deadline:
        time.sleep(0.2)
    return [
        *(f"still runs: {each}" for each in visitor.processes()),
        *(f"written: {each}" for each in visitor.strays()),
    ]


if __name__ == "__main__":
    sys.exit(main())
