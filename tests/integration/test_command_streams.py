"""The operator's commands in pipes, without streams, and at a terminal."""

import json
import os
import signal
import subprocess
import sys
from contextlib import suppress

from local.migrate import ROOT
from tests.support.deployment import Deployment, deployed, deployment, queue

__all__ = ["deployed", "deployment", "queue"]


def test_long_output_through_a_pipe_is_complete(deployment: Deployment) -> None:
    """Nothing is lost if the reader is slow, and a reader that exits early causes no traceback."""
    database = deployment.world.database
    database.execute(
        "INSERT INTO users (id, \"externalId\", email, \"updatedAt\") VALUES ('u1', 'ada', 'a@example.com', now())"
    )
    database.execute(
        'INSERT INTO speaking_sessions (id, "userId", "audioUrl", "durationSecs", "updatedAt") '
        "SELECT 's' || n, 'u1', 'sessions/u1/s' || n || '/audio.webm', 1, now() FROM generate_series(1, 3000) n"
    )
    into_file = deployment.ok("sessions", "--limit", "3000")
    slowly = deployment.run("sessions", "--limit", "3000", reader="sleep 1; wc -l")
    left = deployment.run("sessions", "--limit", "3000", reader="head -1")

    assert len(into_file) > 2 * 65_536 and slowly.stdout.strip() == "3001"
    assert "Traceback" not in slowly.stderr + left.stderr and left.stdout.startswith("id")


def test_closed_and_ascii_only_streams_lose_nothing(deployment: Deployment) -> None:
    """A closed stream, or an encoding without the learner's letters, causes no traceback and loses nothing."""
    deployment.world.database.execute(
        "INSERT INTO users (id, \"externalId\", \"updatedAt\") VALUES ('u1', 'ünï', now());"
        'INSERT INTO speaking_sessions (id, "userId", "durationSecs", "updatedAt") VALUES (\'s1\', \'u1\', 1, now())'
    )
    ascii_only = deployment.ok("sessions", PYTHONIOENCODING="ascii")
    closed = deployment.run("sessions", reader="", closed=">&- 2>&-")
    unasked = deployment.run("forget", "u1", closed="<&-")

    exported = deployment.ok("export", "u1", PYTHONIOENCODING="ascii")

    assert "\\xfcn\\xef" in ascii_only and json.loads(exported)["user"]["externalId"] == "ünï"
    assert closed.returncode == 0
    assert unasked.returncode == 1 and "pass --yes" in unasked.stderr


def test_ctrl_c_at_the_prompt_ends_forget(deployment: Deployment) -> None:
    """It ends at once and deletes nothing."""
    deployment.world.database.execute(
        "INSERT INTO users (id, \"externalId\", \"updatedAt\") VALUES ('u1', 'ada', now())"
    )
    ours, its = os.openpty()
    output = ""
    with subprocess.Popen(
        [sys.executable, "-m", "app", "forget", "ada"], cwd=ROOT, env=deployment.environment,
        stdin=its, stdout=its, stderr=its,
    ) as process:  # fmt: skip
        os.close(its)
        while "Type yes" not in output:
            output += os.read(ours, 4096).decode()
        # A signal between printing the prompt and reading the answer has no effect; a person would press again.
        for _ in range(6):
            process.send_signal(signal.SIGINT)
            with suppress(subprocess.TimeoutExpired):
                process.wait(10)
                break

    assert process.returncode == 130 and "stopped" in os.read(ours, 4096).decode()
    assert len(deployment.world.database.rows("SELECT id FROM users")) == 1
