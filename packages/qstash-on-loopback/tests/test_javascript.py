"""The local QStash, tested with the official JavaScript SDK and receiver."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from qstash_harness import Destination, QStashHarness, local_queue
from qstash_on_loopback.signing import CURRENT_KEY, NEXT_KEY
from qstash_serving import LOOPBACK, accepts, free_port, served

ROOT = Path(__file__).parent.parent
SCRIPTS = ROOT / "tests" / "javascript"
MISSING = 404


def node(script: str, *arguments: str, given: str = "", **env: str) -> Any:
    """Run a script, and return the JSON that it prints."""
    program = os.environ.get("PRISMA_ENGINE_NODE") or shutil.which("node") or "node"
    result = subprocess.run(
        [program, str(SCRIPTS / script), *arguments],
        input=given,
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout.splitlines()[-1])


class MissingRoute(Destination):
    """Answers 404 for /missing."""

    def answer_to(self, path: str) -> tuple[int, dict[str, str]]:
        return (MISSING, {}) if path == "/missing" else (200, {})


@pytest.fixture(scope="module")
def sdk_results() -> Any:
    """The results of the SDK, used in development mode against a running server."""
    destination, port = MissingRoute(), free_port()
    command = [sys.executable, "-m", "qstash_on_loopback", "--port", str(port), "--time-scale", "0.001"]
    server = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        assert server.stdout is not None
        # The line that the SDK waits for when it starts a server itself.
        while "is running" not in (line := server.stdout.readline()):
            assert line, "the server did not start"
        while not accepts(port):
            time.sleep(0.02)
        with served(destination.app) as target:
            yield {**node("qstash.mjs", target, QSTASH_DEV_PORT=str(port)), "target": target}
    finally:
        server.send_signal(signal.SIGTERM)
        server.communicate(timeout=10)
    assert server.returncode in (0, -signal.SIGTERM)


def test_the_sdk_accepts_it_as_the_official_development_server(sdk_results: Any) -> None:
    """Given only the port, it publishes, finds logs by id, state and label, and gets decreasing cursors."""
    assert sdk_results["delivered"] == "DELIVERED" and sdk_results["byLabel"] is True
    assert sdk_results["cursors"][0] > sdk_results["cursors"][1]


def test_messages_through_the_sdk(sdk_results: Any) -> None:
    """Every option is returned, and messages are cancelled by id, by several ids, by filter, or all."""
    message = sdk_results["message"]

    assert message["header"]["Test-Header"] == ["t"] and message["retryDelayExpression"] == "1000 * retried"
    assert (message["flowControlKey"], message["parallelism"], message["rate"], message["ratePerSecond"]) == (
        "flow-key", 10, 5, 5,
    )  # fmt: skip
    assert (message["period"], message["maxRetries"], message["method"]) == (86400, 5, "GET")
    assert message["callback"] == sdk_results["target"] + "/attempt?foo=bar" and message["body"] == '{"hello":"world"}'
    assert sdk_results["cancelled"] == {"cancelled": 1} and sdk_results["many"] == {"cancelled": 2}
    assert sdk_results["byFilter"] == [{"cancelled": 1}, {"cancelled": 1}] and sdk_results["all"] == {"cancelled": 1}


def test_dead_letters_through_the_sdk(sdk_results: Any) -> None:
    """They are found by label, retried with a new id, and deleted in pages."""
    letter = sdk_results["letter"]

    assert (letter["responseStatus"], letter["responseBody"], letter["url"]) == (
        MISSING, "404 Not Found", sdk_results["target"] + "/missing?a=1",
    )  # fmt: skip
    assert (letter["ratePerSecond"], letter["period"], letter["retryDelayExpression"]) == (5, 86400, "2000 * retried")
    assert sdk_results["letters"] == 1 and sdk_results["gone"] == 0
    assert sdk_results["retried"]["responses"][0]["messageId"] != letter["messageId"]
    first, rest = sdk_results["deleted"]
    assert first["deleted"] == 2 and first["cursor"] and rest == {"deleted": 1}


def test_schedules_through_the_sdk(sdk_results: Any) -> None:
    """They are read back as created, paused, resumed, overwritten by id, and deleted."""
    schedule, target = sdk_results["schedule"], sdk_results["target"]

    expected = {
        "cron": "*/10 * * * *",
        "destination": f"{target}/tick",
        "method": "GET",
        "header": {
            "Bypass-Tunnel-Reminder": ["client-test"],
            "Content-Type": ["application/json"],
            "Test-Header": ["t"],
        },
        "body": '{"hello":"world"}',
        "retries": 5,
        "delay": 10,
        "callback": f"{target}/attempt",
        "failureCallback": f"{target}/failed",
        "queueName": "scheduleQueue",
    }
    assert schedule | expected == schedule and schedule["isPaused"] is False
    assert sdk_results["paused"] is True
    [only] = sdk_results["schedules"]
    assert only["destination"] == f"{target}/tock" and "body" not in only and not only["isPaused"]
    assert sdk_results["none"] == []


def verification_input(queue: QStashHarness, path: str, **changes: str) -> dict[str, str]:
    """The delivery to a path, as input for verify.mjs."""
    [delivery] = queue.destination.to(path)
    given = {
        "signature": delivery.headers["upstash-signature"],
        "body": delivery.body.decode(),
        "url": queue.target + path,
    }
    return {**given, "current": CURRENT_KEY, "next": NEXT_KEY, **changes}


def test_deliveries_verify_with_the_javascript_receiver() -> None:
    """They verify before and after a rotation, but not for another address, body or key pair."""
    with local_queue() as queue:
        queue.client.message.publish_json(url=f"{queue.target}/old", body={"hello": "wörld"})
        after = queue.client.signing_key.rotate()
        queue.client.message.publish_json(url=f"{queue.target}/new", body=None)
        queue.wait(lambda: len(queue.destination.deliveries) == 2)
        deliveries = [
            verification_input(queue, "/old"),
            verification_input(queue, "/new"),
            verification_input(queue, "/new", current=after.current, next=after.next),
            verification_input(queue, "/old", url=f"{queue.target}/elsewhere"),
            verification_input(queue, "/old", body="{}"),
            verification_input(queue, "/old", current="sig_" + "x" * 28, next="sig_" + "y" * 28),
        ]

    verdicts = node("verify.mjs", given=json.dumps(deliveries))
    assert verdicts[:3] == [True, True, True]
    assert "subject" in verdicts[3] and "body hash" in verdicts[4] and isinstance(verdicts[5], str)


def test_the_command_prints_its_settings_and_does_not_import_the_application() -> None:
    """It has --help, prints four settings, reports a port in use, and stops cleanly."""
    command = [sys.executable, "-m", "qstash_on_loopback"]
    helped = subprocess.run([*command, "--help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    port = free_port()
    with subprocess.Popen([*command, "--port", str(port)], cwd=ROOT, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        lines = [server.stdout.readline().strip() for _ in range(5)]
        while not accepts(port):
            time.sleep(0.02)
        second = subprocess.run([*command, "--port", str(port)], cwd=ROOT, capture_output=True, text=True, check=False)
        server.send_signal(signal.SIGINT)
        assert server.wait(10) in (0, 130, -signal.SIGINT)

    assert "--time-scale" in helped and "--host-map" in helped
    assert [line.split("=")[0] for line in lines[:4]] == [
        *("QSTASH_URL", "QSTASH_TOKEN", "QSTASH_CURRENT_SIGNING_KEY", "QSTASH_NEXT_SIGNING_KEY")
    ]
    assert lines[0] == f"QSTASH_URL=http://{LOOPBACK}:{port}"
    assert second.returncode == 1 and "already in use" in second.stderr
    sources = [path.read_text() for path in (ROOT / "src" / "qstash_on_loopback").rglob("*.py")]
    assert len(sources) > 10 and not any("from app" in source or "import app" in source for source in sources)
