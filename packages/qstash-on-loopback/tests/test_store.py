"""``--store FILE``: what survives a restart of the server, even after a kill."""

import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from qstash_harness import Destination
from qstash_on_loopback import StoreError, create_app
from qstash_on_loopback.service import Options
from qstash_on_loopback.signing import TOKEN
from qstash_serving import LOOPBACK, accepts, free_port, served

HEADERS = {"authorization": f"Bearer {TOKEN}"}


@contextmanager
def server(store: Path, end_by: signal.Signals) -> Generator[httpx.Client]:
    """Run the server in its own process, and stop it with the given signal."""
    port = free_port()
    command = [sys.executable, "-m", "qstash_on_loopback", "--port", str(port), "--store", str(store)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        try:
            while not accepts(port):
                assert process.poll() is None
                time.sleep(0.02)
            with httpx.Client(base_url=f"http://{LOOPBACK}:{port}", headers=HEADERS, trust_env=False) as client:
                yield client
        finally:
            process.send_signal(end_by)


def until(condition: Any) -> None:
    """Wait until the condition is true."""
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "timed out"
        time.sleep(0.02)


@pytest.mark.parametrize("end_by", [signal.SIGKILL, signal.SIGTERM])
def test_acknowledged_data_survives_a_restart(tmp_path: Path, end_by: signal.Signals) -> None:
    """Messages, dead letters, schedules, queues, groups, pins, keys and deduplication ids survive even a kill."""
    destination, store = Destination(), tmp_path / "store.db"
    with served(destination.app) as target:
        with server(store, end_by) as client:
            destination.script.append((404, {}))
            dead = client.post(f"/v2/publish/{target}/dead", headers={"upstash-retries": "0"}).json()["messageId"]
            until(lambda: client.get("/v2/dlq").json()["messages"])
            options = {"upstash-delay": "2s", "upstash-deduplication-id": "d", "upstash-label": "a,b",
                       "upstash-callback": f"{target}/attempt", "upstash-forward-x-own": "v",
                       "upstash-flow-control-key": "k", "upstash-flow-control-value": "parallelism=2"}  # fmt: skip
            late = client.post(f"/v2/publish/{target}/late", headers=options, content=b"\xff\x00").json()["messageId"]
            before = client.get(f"/v2/messages/{late}").json()
            client.post(
                f"/v2/schedules/{target}/tick", headers={"upstash-cron": "1 1 1 1 1", "upstash-schedule-id": "s"}
            )
            client.post("/v2/queues", json={"queueName": "q", "parallelism": 4, "paused": True})
            queued = client.post(f"/v2/enqueue/q/{target}/queued").json()["messageId"]
            client.post("/v2/topics/g/endpoints", json={"endpoints": [{"url": f"{target}/g"}]})
            client.post("/v2/flowControl/pinned/pin?parallelism=7")
            keys = client.post("/v2/keys/rotate").json()
        with server(store, end_by) as client:
            assert client.get(f"/v2/messages/{late}").json() == before
            assert client.get("/v2/keys").json() == keys
            again = client.post(f"/v2/publish/{target}/late", headers={"upstash-deduplication-id": "d"})
            assert again.json() == {"messageId": late, "deduplicated": True}
            [letter] = client.get("/v2/dlq").json()["messages"]
            assert (letter["messageId"], letter["responseStatus"]) == (dead, 404)
            assert client.get("/v2/schedules/s").json()["cron"] == "1 1 1 1 1"
            found = client.get("/v2/queues/q").json()
            assert (found["parallelism"], found["paused"], found["lag"]) == (4, True, 1)
            assert client.get("/v2/topics/g").json()["endpoints"] == [{"url": f"{target}/g"}]
            assert client.get("/v2/flowControl/pinned").json()["parallelismMax"] == 7
            client.post("/v2/queues/q/resume")
            until(lambda: destination.to("/late") and destination.to("/queued") and destination.to("/attempt"))
            [delivery] = destination.to("/late")
            assert (delivery.body, delivery.headers["x-own"]) == (b"\xff\x00", "v")
            until(lambda: client.get("/__state").json()["counts"]["waiting"] == 0)
            assert destination.to("/queued")[0].headers["upstash-message-id"] == queued
        with server(store, end_by) as client:
            assert (
                client.get("/__state").json()["counts"] | {"waiting": 0, "dead": 1}
                == client.get("/__state").json()["counts"]
            )


def test_a_foreign_file_is_refused(tmp_path: Path) -> None:
    """A text file, another program's database, and a store in use by another server are each refused with a reason."""
    text, other, used = tmp_path / "text", tmp_path / "other.db", tmp_path / "used.db"
    text.write_text("these are no tables, and long enough not to be taken for an empty file" * 20)
    with sqlite3.connect(other) as database:
        database.execute("CREATE TABLE precious (value TEXT)")
    database.close()
    for path in (text, other, tmp_path / "missing" / "store.db"):
        with pytest.raises(StoreError, match=str(path)):
            create_app(Options(store=path))
    with server(used, signal.SIGTERM), pytest.raises(StoreError, match="another server"):
        create_app(Options(store=used))
    assert "no tables" in text.read_text()
