"""QStash: verifies what it delivers, publishes what it shall deliver. Facts: https://upstash.com/docs/qstash"""

import asyncio
import json
import re
import time
from collections.abc import Awaitable, Callable
from functools import cached_property, partial
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import structlog

from app.errors import Unavailable
from app.lazy import LazyClient
from app.refusals import InvalidSignature, MissingSignature, NotConfigured

if TYPE_CHECKING:
    from qstash import AsyncQStash, Receiver

log = structlog.get_logger()

RETRIES = 3
LABEL = "speaking-session"
# The SDK's own default waits up to 32 s when QStash is down, with a learner waiting behind it.
PUBLISH_TIMEOUT_S = 8.0
# A receiver whose clock is behind QStash's by up to this still accepts.
CLOCK_TOLERANCE_S = 5


class QueueRefused(Exception):
    """QStash refused the message, and would refuse it again: a bad token, a bad address."""


class Deliveries:
    """Judges whether a request is QStash's own. The judge is the SDK's Receiver."""

    def __init__(self, current_signing_key: str, next_signing_key: str) -> None:
        self._keys = current_signing_key, next_signing_key

    def verify(self, signature: str | None, body: bytes, url: str) -> None:
        """Return only if ``signature`` is QStash's, current, for exactly this body, sent to exactly this ``url``.

        Raises MissingSignature, InvalidSignature, NotConfigured while our own keys are missing.
        """
        if not signature:
            raise MissingSignature
        if not all(self._keys):
            log.error("signing_keys_missing")
            raise NotConfigured
        try:
            self._receiver.verify(signature=signature, body=body.decode(), url=url)
            expired = _unverified(signature)["exp"] <= time.time()
        # The SDK raises SignatureError, but KeyError and AttributeError as well for claims of odd types.
        except Exception:
            expired = True
        if expired:
            log.warning("signature_refused", reason=_reason(signature, url))
            raise InvalidSignature

    @cached_property
    def _receiver(self) -> "Receiver":
        import jwt
        import qstash.receiver

        # The Receiver passes its clock_tolerance where PyJWT ignores it, and PyJWT refuses an ``iat`` in the future: a clock
        # one second behind QStash's would refuse every delivery. PyJWT's own leeway works. It would forgive an expired token
        # too, so that is checked again above.
        lenient = partial(jwt.decode, leeway=CLOCK_TOLERANCE_S)
        qstash.receiver.jwt = SimpleNamespace(decode=lenient, ExpiredSignatureError=jwt.ExpiredSignatureError)  # pyright: ignore[reportAttributeAccessIssue, reportPrivateImportUsage]
        return qstash.receiver.Receiver(*self._keys)


def _unverified(signature: str) -> dict[str, Any]:
    import jwt

    return jwt.decode(signature, options={"verify_signature": False})


def _reason(signature: str, url: str) -> str:
    # For the log only: the SDK forgets the true reason when it tries the second key.
    try:
        claims = _unverified(signature)
        if claims["exp"] <= time.time():
            return "expired"
        return "signed for another url" if claims["sub"] != url else "wrong key or body"
    except Exception:
        return "not a signature"


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
        self._message: dict[str, Any] = {
            "url": process_url,
            "content_type": "application/json",
            "retries": RETRIES,
            "timeout": timeout_s,
            "failure_callback": failed_url,
            "label": LABEL,
            "flow_control": flow_control,
        }

    async def publish(self, session_id: str, run: str = "first") -> None:
        """Have the session delivered. Repeating it with the same ``run`` changes nothing within QStash's window.

        Raises Unavailable if QStash cannot be reached or asks us to wait, QueueRefused if it refuses the message.
        """
        body = json.dumps({"sessionId": session_id}, separators=(",", ":"))
        # A colon in the id would be refused.
        message: dict[str, Any] = {**self._message, "body": body, "deduplication_id": f"{session_id}-{run}"}
        await self._call(lambda client: client.message.publish(**message))

    async def schedule(self, schedule_id: str, url: str, cron: str) -> None:
        """Have ``url`` called at the times of ``cron`` (UTC). Overwrites the schedule of that id. Raises as publish."""
        await self._call(
            lambda client: client.schedule.create(
                destination=url, cron=cron, schedule_id=schedule_id, body="{}", retries=0
            )
        )

    async def unschedule(self, schedule_id: str) -> None:
        """Remove a schedule; one that is not there is removed already. Raises Unavailable."""
        try:
            await self._call(lambda client: client.schedule.delete(schedule_id))
        except QueueRefused:
            log.info("schedule_was_not_there")

    async def _call(self, call: "Callable[[AsyncQStash], Awaitable[object]]") -> None:
        from httpx import HTTPError
        from qstash.errors import QStashError

        try:
            async with asyncio.timeout(PUBLISH_TIMEOUT_S):
                await call(await self._client())
        except (HTTPError, TimeoutError, OSError, ValueError, KeyError):
            raise Unavailable("The queue did not answer") from None
        except QStashError as error:
            if not _is_refusal(error):
                raise Unavailable("The queue could not take the message") from None
            raise QueueRefused("The queue refused the message") from None


def _is_refusal(error: Exception) -> bool:
    # The SDK's error has no status attribute, only this sentence.
    status = re.search(r"status: (\d+)", str(error))
    return status is not None and 400 <= int(status[1]) < 500 and status[1] not in ("408", "429")


def open_qstash(token: str, url: str) -> "AsyncQStash":
    """A client that tries twice, briefly."""
    from qstash import AsyncQStash

    return AsyncQStash(token, base_url=url, retry={"retries": 1, "backoff": lambda _: 200})


async def close_qstash(client: "AsyncQStash") -> None:
    """Close the connections. The SDK offers no close of its own."""
    await client.http._client.aclose()  # pyright: ignore[reportPrivateUsage]
