"""SIGTERM, as sent by a container runtime: deliveries in flight are finished, and no new ones are accepted."""

import os
import signal
import subprocess
import sys
import threading
import time

import httpx

from local.migrate import ROOT
from local.ports import LOOPBACK, accepts, free_port
from tests.support.world import World


def test_sigterm_drains_a_delivery_in_flight(world: World) -> None:
    """A delivery that waits for Whisper ends with 200 and DONE; then the process and its engine exit."""
    port = free_port()
    secrets = {
        name.upper(): value.get_secret_value() if hasattr(value, "get_secret_value") else str(value or "")
        for name, value in dict(world.settings).items()
    }
    # The same command as in the Dockerfile.
    process = subprocess.Popen(
        [sys.executable, "-m", "app", "serve", "--host", LOOPBACK, "--port", str(port)],
        cwd=ROOT,
        env={**os.environ, **secrets, "LOG_FORMAT": "json"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        while not accepts(port):
            assert process.poll() is None
            time.sleep(0.05)
        session_id = world.upload()
        world.providers.delay_s = 1.5
        there = World(f"http://{LOOPBACK}:{port}", world.settings, *list(vars(world).values())[2:])
        answers: list[httpx.Response] = []
        thread = threading.Thread(target=lambda: answers.append(there.deliver(session_id)))
        thread.start()
        while not world.providers.transcriptions:
            time.sleep(0.02)
        process.send_signal(signal.SIGTERM)
        thread.join()
        process.wait(10)
    finally:
        world.providers.delay_s = 0.0
        process.kill()
        process.wait()

    assert [answer.status_code for answer in answers] == [200]
    assert world.database.session(session_id)["status"] == "DONE"
    assert not accepts(port)
