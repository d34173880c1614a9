"""QStash alone, for commands that need no other service: the sweep's schedule, and signing keys that are not set."""

import asyncio
import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from functools import partial

from app.adapters.lazy import LazyClient
from app.adapters.qstash.inspection import QueueInspection
from app.adapters.qstash.queue import QueueRefused, close_qstash, open_qstash
from app.checks import SIGNING_KEYS, SettingsError, read
from app.errors import AppError
from app.settings import QueueSettings


@asynccontextmanager
async def open_queue(settings: QueueSettings) -> AsyncGenerator[QueueInspection, None]:
    """A queue that cannot publish sessions: it knows no URLs for messages."""
    client = LazyClient(
        partial(open_qstash, settings.qstash_token.get_secret_value(), settings.qstash_url), close_qstash
    )
    try:
        yield QueueInspection(client, process_url="", failed_url="", timeout_s=0, flow_control=None)
    finally:
        await client.aclose()


def fetch_signing_keys() -> None:
    """Put the account's signing keys into the environment, if neither is set there. Raises SettingsError.

    With QSTASH_REGION, QStash is not asked: there are two accounts, and each has settings of its own.
    """
    if any(os.environ.get(name) for name in (*SIGNING_KEYS, "QSTASH_REGION")):
        return
    try:
        os.environ.update(zip(SIGNING_KEYS, asyncio.run(_ask()), strict=True))
    except (AppError, QueueRefused):
        names = " and ".join(SIGNING_KEYS)
        advice = "check QSTASH_TOKEN and QSTASH_URL, or set both keys from QStash's console"
        raise SettingsError([f"{names} are not set, and QStash did not return them: {advice}"]) from None


async def _ask() -> tuple[str, str]:
    async with open_queue(read(QueueSettings)) as queue:
        return await queue.signing_keys()
