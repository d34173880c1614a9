"""Child processes of the local stack."""

import subprocess
import sys

from local.migrate import ROOT

# Python runs this hook while it starts a program, and ignores exceptions raised in it.
INTERRUPTED_WHILE_STARTING = """
import os, signal
from local.process import Child

os.register_at_fork(after_in_parent=lambda: (os.kill(os.getpid(), signal.SIGINT), sum(range(1000))))
try:
    Child("child", ["sleep", "60"], None)
except KeyboardInterrupt:
    print("interrupted")
"""


def test_ctrl_c_while_a_program_is_started_is_not_lost() -> None:
    """The command still ends a moment later, and so does the program that was just started."""
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED_WHILE_STARTING],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )

    assert done.stdout == "interrupted\n" and "ignored" not in done.stderr
