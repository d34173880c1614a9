"""The local QStash, judged by the official JavaScript SDK and receiver."""

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
from qstash_harness import Destination, Queue, local_queue
from qstash_on_loopback.signing import CURRENT_KEY, NEXT_KEY
from qstash_serving import LOOPBACK, accepts, free_port, served

ROOT = Path(__file__).parent.parent
SCRIPTS = ROOT / "tests" / "javascript"
MISSING = 404


def node(script: str, *arguments: str, given: str = "", **env: str) -> Any:
    """What a script prints, as JSON."""
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


class Missing(Destination):
    """404 under /missing."""

    def answer_to(self, path: str) -> tuple[int, dict[str, str]]:
        return (MISSING, {}) if path == "/missing" else (200, {})


@pytest.fixture(scope="module")
def said() -> Any:
    """What the SDK found, driving a server that it adopted in its development mode."""
    destination, port = Missing(), free_port()
    command = [sys.executable, "-m", "qstash_on_loopback", "--port", str(port), "--time-scale", "0.001"]
    server = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        assert server.stdout is not None
        # The line by which the SDK recognizes a server that it started itself.
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


def test_the_sdk_adopts_it_as_the_official_development_server(said: Any) -> None:
    """Published and delivered with nothing but the port given; logs by id, state and label; cursors go down."""
    assert said["delivered"] == "DELIVERED" and said["byLabel"] is True
    assert said["cursors"][0] > said["cursors"][1]


def test_messages_by_the_sdk(said: Any) -> None:
    """Every option comes back; one, several, by filter, all are cancelled."""
    message = said["message"]

    assert message["header"]["Test-Header"] == ["t"] and message["retryDelayExpression"] == "1000 * retried"
    assert (message["flowControlKey"], message["parallelism"], message["rate"], message["ratePerSecond"]) == (
        "flow-key", 10, 5, 5,
    )  # fmt: skip
    assert (message["period"], message["maxRetries"], message["method"]) == (86400, 5, "GET")
    assert message["callback"] == said["target"] + "/attempt?foo=bar" and message["body"] == '{"hello":"world"}'
    assert said["cancelled"] == {"cancelled": 1} and said["many"] == {"cancelled": 2}
    assert said["byFilter"] == [{"cancelled": 1}, {"cancelled": 1}] and said["all"] == {"cancelled": 1}


def test_dead_letters_by_the_sdk(said: Any) -> None:
    """Found by label, retried under a new id, deleted in pages."""
    letter = said["letter"]

    assert (letter["responseStatus"], letter["responseBody"], letter["url"]) == (
        MISSING, "404 Not Found", said["target"] + "/missing?a=1",
    )  # fmt: skip
    assert (letter["ratePerSecond"], letter["period"], letter["retryDelayExpression"]) == (5, 86400, "2000 * retried")
    assert said["letters"] == 1 and said["gone"] == 0
    assert said["retried"]["responses"][0]["messageId"] != letter["messageId"]
    first, rest = said["deleted"]
    assert first["deleted"] == 2 and first["cursor"] and rest == {"deleted": 1}


def test_schedules_by_the_sdk(said: Any) -> None:
    """Read back as created, paused, resumed, overwritten by id, deleted."""
    schedule, target = said["schedule"], said["target"]

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
    assert said["paused"] is True
    [only] = said["schedules"]
    assert only["destination"] == f"{target}/tock" and "body" not in only and not only["isPaused"]
    assert said["none"] == []


def judged(queue: Queue, path: str, **changes: str) -> dict[str, str]:
    """What the receiver is to judge: the delivery to a path."""
    [delivery] = queue.destination.to(path)
    given = {
        "signature": delivery.headers["upstash-signature"],
        "body": delivery.body.decode(),
        "url": queue.target + path,
    }
    return {**given, "current": CURRENT_KEY, "next": NEXT_KEY, **changes}


def test_deliveries_verify_with_the_javascript_receiver() -> None:
    """With both keys, before and after a rotation; not for another address, body or pair."""
    with local_queue() as queue:
        queue.client.message.publish_json(url=f"{queue.target}/old", body={"hello": "wörld"})
        after = queue.client.signing_key.rotate()
        queue.client.message.publish_json(url=f"{queue.target}/new", body=None)
        queue.wait(lambda: len(queue.destination.deliveries) == 2)
        deliveries = [
            judged(queue, "/old"),
            judged(queue, "/new"),
            judged(queue, "/new", current=after.current, next=after.next),
            judged(queue, "/old", url=f"{queue.target}/elsewhere"),
            judged(queue, "/old", body="{}"),
            judged(queue, "/old", current="sig_" + "x" * 28, next="sig_" + "y" * 28),
        ]

    verdicts = node("verify.mjs", given=json.dumps(deliveries))
    assert verdicts[:3] == [True, True, True]
    assert "subject" in verdicts[3] and "body hash" in verdicts[4] and isinstance(verdicts[5], str)


def test_alone_it_says_what_to_copy_and_imports_nothing_of_the_application() -> None:
    """--help, the four lines, a taken port, and a clean end."""
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
    assert second.returncode == 1 and "is taken" in second.stderr
    sources = [path.read_text() for path in (ROOT / "src" / "qstash_on_loopback").rglob("*.py")]
    assert len(sources) > 10 and not any("from app" in source or "import app" in source for source in sources)
