"""The services the application talks to: every client is opened once, and closed in reverse order."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial

from app import telemetry
from app.adapters.authjs import AuthJs
from app.adapters.claude import Claude, open_anthropic
from app.adapters.lazy import LazyClient
from app.adapters.qstash.inspection import QueueInspection
from app.adapters.qstash.queue import close_qstash, open_qstash
from app.adapters.qstash.signatures import SignatureVerifier
from app.adapters.r2.s3 import S3
from app.adapters.r2.storage import R2
from app.adapters.whisper import Whisper, open_openai
from app.audio.media import Media
from app.database.client import Database
from app.settings import Settings


@dataclass(frozen=True)
class Services:
    """The services that endpoints and the pipeline use, and the settings they were opened with."""

    database: Database
    storage: R2
    whisper: Whisper
    media: Media
    claude: Claude
    queue: QueueInspection
    signatures: SignatureVerifier
    authjs: AuthJs
    settings: Settings


OpenServices = Callable[[Settings], AbstractAsyncContextManager[Services]]


@asynccontextmanager
async def open_services(settings: Settings) -> AsyncGenerator[Services, None]:
    """All services for the lifetime of the application. Starts even if one of them is down."""
    s = settings
    r2 = LazyClient(partial(S3, s.storage_url, s.r2_access_key_id, s.r2_secret_access_key.get_secret_value()))
    openai = LazyClient(partial(open_openai, s.openai_api_key.get_secret_value(), s.openai_base_url))
    anthropic = LazyClient(partial(open_anthropic, s.anthropic_api_key.get_secret_value(), s.anthropic_base_url))
    qstash = LazyClient(partial(open_qstash, s.qstash_token.get_secret_value(), s.qstash_url), close_qstash)
    database = Database(s.database_url.get_secret_value())
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(telemetry.exporting())
        for client in (database, r2, openai, anthropic, qstash):
            stack.push_async_callback(client.aclose)
        # The engine takes a second to start. Start it now, in the background, so that the first request need not wait.
        stack.callback(asyncio.create_task(database.warm_up()).cancel)
        yield Services(
            database=database,
            storage=R2(r2, s.r2_bucket_name),
            whisper=Whisper(openai, s.transcription_models),
            media=Media(s.media_processes, s.media_cpu_seconds, s.media_memory_mb * 1024 * 1024),
            claude=Claude(anthropic, s.analysis_models),
            queue=QueueInspection(
                qstash,
                process_url=s.process_url,
                failed_url=s.process_failed_url,
                timeout_s=s.processing_timeout_seconds,
                flow_control={"key": s.qstash_flow_control_key, "parallelism": s.qstash_flow_control_parallelism}
                if s.qstash_flow_control_key
                else None,
            ),
            signatures=SignatureVerifier(s.signing_keys),
            authjs=AuthJs(s.auth_secret.get_secret_value(), s.app_url),
            settings=s,
        )
