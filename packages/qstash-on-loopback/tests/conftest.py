"""Shared fixtures: a server with a destination."""

import os
from collections.abc import Generator
from pathlib import Path

import pytest
from qstash_harness import QStashHarness, local_queue

# Child processes of the tests use this checkout, whether or not it is installed.
os.environ["PYTHONPATH"] = str(Path(__file__).parent.parent / "src")


@pytest.fixture(scope="module")
def queue_server() -> Generator[QStashHarness, None, None]:
    """A server with every wait scaled to a thousandth."""
    with local_queue() as queue:
        yield queue


@pytest.fixture
def queue(queue_server: QStashHarness) -> QStashHarness:
    """The server with no messages, and a destination that is reset and accepts everything."""
    queue_server.client.message.cancel_all()
    for letter in queue_server.client.dlq.list().messages:
        queue_server.client.dlq.delete(letter.dlq_id)
    # An attempt that timed out may still be running at the destination.
    queue_server.wait(lambda: queue_server.destination.running == 0)
    queue_server.destination.script.clear()
    queue_server.destination.deliveries.clear()
    queue_server.destination.delay_s = 0.0
    queue_server.destination.most_at_once = 0
    return queue_server
