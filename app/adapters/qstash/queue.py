"""Publishes to QStash and manages its schedules. Reference: https://upstash.com/docs/qstash"""

import asyncio
import json
import re
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import structlog

from app import telemetry
from app.adapters.lazy import LazyClient
from app.errors import Unavailable

if TYPE_CHECKING:
    from qstash import AsyncQStash

log = structlog.get_logger()

RETRIES = 3
LABEL = "speaking-session"
# By default the SDK waits up to 32 s when QStash is down, and the learner waits for that.
PUBLISH_TIMEOUT_S = 8.0


Result = TypeVar("Result")


class QueueRefused(Exception):
    """QStash refused the message with this status, and would refuse it again: a bad token, a bad address."""

    def __init__(self, status: int) -> None:
        super().__init__(f"QStash refused it ({status})")
        self.status = status


class Queue:
    """Publishes sessions to be processed."""

    def __init__(
        self,
        client: "LazyClient[AsyncQStash]",
        *,
        process_url: str,
        failed_url: str,
        timeout_s: int,
        flow_control: dict[str, Any] | None,
    ) -> None:
        self._client = client
        self._flow_control_key: str | None = flow_control["key"] if flow_control else None
        self._message: dict[str, Any] = {
            "url": process_url,
            "content_type": "application/json",
            "retries": RETRIES,
            "timeout": timeout_s,
            "failure_callback": failed_url,
            "flow_control": flow_control,
        }

    async def publish(self, session_id: str, run: str = "first") -> None:
        """Publish the session. Repeating it with the same ``run`` has no effect within QStash's deduplication window.

        Raises Unavailable if QStash cannot be reached or asks us to wait, QueueRefused if it refuses the message.
        """
        body = json.dumps({"sessionId": session_id}, separators=(",", ":"))
        # A colon in the id would be refused.
        message: dict[str, Any] = {
            **self._message,
            "body": body,
            "deduplication_id": f"{session_id}-{run}",
            # Two labels: all of ours, and this session's, by which an operator finds its messages.
            "label": f"{LABEL},{session_id}",
        }
        with telemetry.active.step("publish"):
            message |= telemetry.active.trace_headers()
            await self._call(lambda client: client.message.publish(**message))

    async def waiting(self) -> int | None:
        """How many messages wait in flow control. None if it is not configured, or if QStash does not say."""
        if self._flow_control_key is None:
            return None
        key = self._flow_control_key
        try:
            info = await self._call(lambda client: client.flow_control.get(key))
        except (Unavailable, QueueRefused):
            return None
        return info.wait_list_size

    async def publish_sweep(self, url: str, after: str) -> None:
        """Publish another sweep, to continue after a key of the bucket. Raises as ``publish``."""
        body = json.dumps({"after": after}, separators=(",", ":"))
        await self._call(
            lambda client: client.message.publish(
                url=url, content_type="application/json", body=body, retries=0, label=LABEL
            )
        )

    async def schedule(self, schedule_id: str, url: str, cron: str) -> None:
        """Have ``url`` called at the times of ``cron`` (UTC). Overwrites the schedule of that id. Raises as publish."""
        await self._call(
            lambda client: client.schedule.create(
                destination=url, cron=cron, schedule_id=schedule_id, body="{}", retries=0
            )
        )

    async def unschedule(self, schedule_id: str) -> None:
        """Remove a schedule, if it exists. Raises as ``publish``."""
        with unless_gone():
            await self._call(lambda client: client.schedule.delete(schedule_id))

    async def _call(self, call: "Callable[[AsyncQStash], Awaitable[Result]]") -> Result:
        from httpx import HTTPError  # noqa: PLC0415  # 0.13 s, already loaded by open_qstash
        from qstash.errors import QStashError  # noqa: PLC0415  # 0.13 s, already loaded by open_qstash

        try:
            async with asyncio.timeout(PUBLISH_TIMEOUT_S):
                return await call(await self._client())
        except QStashError as error:
            # The exception has no status attribute, only this message.
            found = re.search(r"status: (\d+)", str(error))
            status = int(found[1]) if found else 0
            if not 400 <= status < 500 or status in (408, 429):
                raise Unavailable("The queue could not take the message") from None
            raise QueueRefused(status) from None
        except (HTTPError, OSError):
            raise Unavailable("The queue did not answer") from None
        except Exception as error:
            # What the SDK raises for an answer that is not QStash's, or a mistake of ours.
            log.error("queue_call_failed", error=type(error).__name__)
            raise Unavailable("The server at QSTASH_URL is not QStash") from None


@contextmanager
def unless_gone() -> Generator[None]:
    """Ignore a 404: deleting something that is gone is not an error."""
    try:
        yield
    except QueueRefused as error:
        if error.status != 404:
            raise


def open_qstash(token: str, url: str) -> "AsyncQStash":
    """A client that retries once, after 0.2 s."""
    from qstash import AsyncQStash  # noqa: PLC0415  # 0.13 s: at the first publish

    return AsyncQStash(token, base_url=url, retry={"retries": 1, "backoff": lambda _: 200})


async def close_qstash(client: "AsyncQStash") -> None:
    """Close the connections. The SDK has no close method."""
    await client.http._client.aclose()  # pyright: ignore[reportPrivateUsage]
