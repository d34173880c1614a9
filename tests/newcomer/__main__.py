"""A scripted new user: ``python3 -m tests.newcomer`` (``make newcomer``). Uses only the standard library.

In a fresh clone of HEAD, in a folder with a space in its name, as a user without a home and without Node, it runs the
demo, the demo again without a network, two demos at once, ``run`` with the quickstart's commands, and Ctrl-C at five
points. Afterwards, no file may be left elsewhere, and no process may still be running.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tests.newcomer.fresh_clone import ROOT, FreshClone

MAX_FIRST_DEMO_S = 60
# Half of the size when the demo installed all developer tools.
MAX_DISK_MB = 1390 / 2
STOP_S = 45
# The output lines at which Ctrl-C is sent; the first three are during setup.
MOMENTS = (
    "first set-up",
    "fetching the installer",
    "installing the query engine",
    "starting local.speech",
    "TRANSCRIBING",
)


def main() -> int:
    """Run all steps, and return 1 if one of them failed."""
    base = Path(tempfile.mkdtemp(prefix="new comer "))
    base.chmod(0o755)
    failures: list[str] = []
    clone = FreshClone(base)
    steps: list[Callable[[FreshClone], list[str]]] = [
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
                found = step(clone)
            except (AssertionError, subprocess.TimeoutExpired) as error:
                found = [str(error)]
            failures += found
            print("\n".join(f"FAILED {each}" for each in found) or "ok", flush=True)
    finally:
        clone.end_everything()
        shutil.rmtree(base, ignore_errors=True)
    print(f"{len(failures)} failures" if failures else "all steps passed")
    return 1 if failures else 0


def first_demo(clone: FreshClone) -> list[str]:
    """From nothing to DONE"""
    started = time.monotonic()
    code, printed = clone.make("demo")
    took_s, disk_mb = time.monotonic() - started, clone.megabytes()
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
    print(f"{took_s:.0f} s, {disk_mb} MB, {clone.node_mb()} MB of them for Node; announced: {said} MB")
    return [
        *([f"exit code {code}: {printed[-1500:]}"] if code or "\nDONE session=" not in printed else []),
        *([f"it took {took_s:.0f} s"] if took_s > MAX_FIRST_DEMO_S and os.getloadavg()[0] < 2 else []),
        *([f"{disk_mb} MB"] if disk_mb - clone.node_mb() > MAX_DISK_MB else []),
        *([f"announced {said} MB, took {disk_mb}"] if not 0.85 <= said / max(disk_mb, 1) <= 1.15 else []),
    ]


def second_demo(clone: FreshClone) -> list[str]:
    """Again, without a network"""
    nowhere = "http://127.0.0.1:9"
    code, printed = clone.make(
        "demo", PIP_INDEX_URL=nowhere, HTTPS_PROXY=nowhere, HTTP_PROXY=nowhere, NO_PROXY="127.0.0.1"
    )
    return [f"exit code {code}: {printed[-1500:]}"] if code or "installing" in printed else []


def two_at_once(clone: FreshClone) -> list[str]:
    """Two demos in one folder"""
    first, second = clone.start("demo"), clone.start("demo")
    answers = [process.communicate(timeout=300)[0] for process in (first, second)]
    codes = sorted(process.returncode for process in (first, second))
    sentence = any("another demo is running in this folder" in text for text in answers)
    return [] if codes == [0, 2] and sentence else [f"exit codes {codes}: {answers}"]


def run_and_quickstart(clone: FreshClone) -> list[str]:
    """run, the quickstart's commands, Ctrl-C"""
    text = (ROOT / "docs" / "quickstart.md").read_text()
    blocks = [part.partition("```")[0] for part in text.split("<!-- run -->\n```bash\n")[1:]]
    process = clone.start("run")
    address = clone.wait_for(process, "ready ").split()[1]
    script = "\n".join(["set -euo pipefail", *blocks]).replace("http://127.0.0.1:8000", address)
    done = clone.run(["bash", "-c", script])
    clone.interrupt(process)
    printed, _ = process.communicate(timeout=60)
    return [
        *([f"quickstart: {done.stderr[-1500:]}"] if done.returncode or '"UNAUTHORIZED"' not in done.stdout else []),
        *([f"Ctrl-C said: {printed[-300:]}"] if "stopping" not in printed else []),
    ]


def interrupted(clone: FreshClone) -> list[str]:
    """Ctrl-C at five points, then a complete demo"""
    clone.clone("second clone")
    found: list[str] = []
    for moment in MOMENTS:
        process = clone.start("demo")
        clone.wait_for(process, moment)
        clone.interrupt(process)
        try:
            printed, _ = process.communicate(timeout=STOP_S)
        except subprocess.TimeoutExpired:
            return [*found, f"still running {STOP_S} s after Ctrl-C at {moment!r}"]
        if "stopped" not in printed or "Traceback" in printed or process.returncode == 0:
            found.append(f"after Ctrl-C at {moment!r}: {printed[-500:]}")
    code, printed = clone.make("demo")
    return [*found, *([f"the demo afterwards: {printed[-1500:]}"] if code else [])]


def nothing_left(clone: FreshClone) -> list[str]:
    """No files elsewhere, and no processes still running"""
    deadline = time.monotonic() + 20
    while clone.processes() and time.monotonic() < deadline:
        time.sleep(0.2)
    return [
        *(f"still running: {each}" for each in clone.processes()),
        *(f"written: {each}" for each in clone.strays()),
    ]


if __name__ == "__main__":
    sys.exit(main())
