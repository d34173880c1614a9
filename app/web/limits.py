"""Limits for slow and greedy clients: how long a body may take, and how many uploads one learner has at once."""

import asyncio
from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.refusals import RequestTimeout, TooManyUploads
from app.sessions.learner import Learner


class BodyTimeLimits:
    """Answers 408 if no data of a body arrives for ``idle_s``, or if it is incomplete after ``total_s``."""

    def __init__(self, app: ASGIApp, idle_s: float, total_s: float) -> None:
        self._app, self._idle_s, self._total_s = app, idle_s, total_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        now = asyncio.get_running_loop().time
        ends, complete = now() + self._total_s, False

        async def receive_in_time() -> Message:
            nonlocal complete
            if complete:
                # The next message is the disconnect, which has no time limit.
                return await receive()
            try:
                async with asyncio.timeout_at(min(ends, now() + self._idle_s)):
                    message = await receive()
            except TimeoutError:
                raise RequestTimeout from None
            complete = not message.get("more_body", False)
            return message

        await self._app(scope, receive_in_time, send)


class UploadSlots:
    """Counts the concurrent uploads of each learner in this process."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._taken: Counter[str] = Counter()

    @contextmanager
    def slot(self, learner: Learner) -> Generator[None, None, None]:
        """Hold a slot for the duration of the block. Raises TooManyUploads if the learner has none left."""
        key = learner.external_id
        if self._taken[key] >= self._most:
            raise TooManyUploads
        self._taken[key] += 1
        try:
            yield
        finally:
            self._taken[key] -= 1
            if not self._taken[key]:
                del self._taken[key]
