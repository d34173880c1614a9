"""What the tests share: a server with a destination."""

import os
from collections.abc import Generator
from pathlib import Path

import pytest
from qstash_harness import Queue, local_queue

# Children of the tests run this checkout, installed or not.
os.environ["PYTHONPATH"] = str(Path(__file__).parent.parent / "src")


@pytest.fixture(scope="module")
def queue_server() -> Generator[Queue, None, None]:
    """A server whose waits are a thousandth."""
    with local_queue() as queue:
        yield queue


@pytest.fixture
def queue(queue_server: Queue) -> Queue:
    """The server, its destination willing and without memory."""
    queue_server.client.message.cancel_all()
    for letter in queue_server.client.dlq.list().messages:
        queue_server.client.dlq.delete(letter.dlq_id)
    # An attempt that was given up may still be at work.
    queue_server.wait(lambda: queue_server.destination.running == 0)
    queue_server.destination.script.clear()
    queue_server.destination.deliveries.clear()
    queue_server.destination.delay_s = 0.0
    queue_server.destination.most_at_once = 0
    return queue_server
