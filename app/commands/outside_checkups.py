"""What ``doctor`` looks at outside: QStash, our own address, the models."""

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

import httpx

from app.adapters.qstash.queue import QueueRefused
from app.adapters.qstash.signatures import sign
from app.commands.checkups import MAX_SKEW_S, Finding, judged
from app.commands.schedule import SCHEDULE_ID
from app.services import Services
from app.settings import Settings

TIMEOUT_S = 10
# The schedule runs every ten minutes.
SCHEDULE_LATE_AFTER = timedelta(minutes=30)
# Both regions: https://upstash.com/docs/qstash/howto/multi-region
REGIONS = {"EU": "https://qstash.upstash.io", "US": "https://qstash-us-east-1.upstash.io"}


async def qstash(services: Services, settings: Settings) -> list[Finding]:
    """Token and region, signing keys, schedule, clock."""
    token = settings.qstash_token.get_secret_value()
    async with httpx.AsyncClient(timeout=TIMEOUT_S) as client:
        answer = await _ask(client, f"{settings.qstash_url}/v2/keys", token)
        if answer is None:
            return [Finding("qstash", "unknown", "QStash did not answer: check QSTASH_URL and the network")]
        if answer.status_code == 401:
            return [Finding("qstash", "wrong", await _which_region(client, settings.qstash_url, token))]
    if not answer.is_success:
        return [Finding("qstash", "unknown", f"QStash answered {answer.status_code}")]
    keys = await services.queue.signing_keys()
    ours = settings.qstash_current_signing_key, settings.qstash_next_signing_key
    same = keys == tuple(key.get_secret_value() for key in ours)
    rotated = (
        "" if same else "QSTASH_CURRENT_SIGNING_KEY and QSTASH_NEXT_SIGNING_KEY are not the account's: copy both anew"
    )
    clock = _skew(answer.headers.get("date", ""))
    return [
        Finding("qstash", "fine"),
        judged("qstash signing keys", rotated),
        judged("qstash clock", clock),
        await _schedule(services, settings),
    ]


async def address(_services: Services, settings: Settings) -> list[Finding]:
    """A signed request reaches ``APP_URL`` and verifies there."""
    key = settings.qstash_current_signing_key.get_secret_value()
    if not key:
        return [Finding("address", "unknown", "it cannot be tried without QSTASH_CURRENT_SIGNING_KEY")]
    body = b'{"sessionId":"doctor"}'
    headers = {"upstash-signature": sign(key, body, settings.process_url), "content-type": "application/json"}
    try:
        async with httpx.AsyncClient(timeout=TIMEOUT_S) as client:
            answer = await client.post(settings.process_url, content=body, headers=headers)
    except httpx.HTTPError:
        return [
            Finding("address", "wrong", "APP_URL cannot be reached from here: is it public, is the service running?")
        ]
    match answer.status_code:
        case 404 if '"NOT_FOUND"' in answer.text and "Session not found" in answer.text:
            return [Finding("address", "fine")]
        case 401:
            return [
                Finding("address", "wrong", "the service behind APP_URL has other signing keys, or another APP_URL")
            ]
        case status:
            return [Finding("address", "wrong", f"something else answers behind APP_URL ({status})")]


async def models(_services: Services, settings: Settings) -> list[Finding]:
    """Whether each model is there, and until when."""
    s = settings
    openai = {"authorization": f"Bearer {s.openai_api_key.get_secret_value()}"}
    anthropic = {"x-api-key": s.anthropic_api_key.get_secret_value(), "anthropic-version": "2023-06-01"}
    asked = [(f"{s.openai_base_url}/models/", name, openai) for name in s.transcription_models.split(",")]
    asked += [(f"{s.anthropic_base_url}/v1/models/", name, anthropic) for name in s.analysis_models.split(",")]
    async with httpx.AsyncClient(timeout=TIMEOUT_S) as client:
        return [await _model(client, url, name.strip(), headers) for url, name, headers in asked]


async def _ask(client: httpx.AsyncClient, url: str, token: str) -> httpx.Response | None:
    try:
        return await client.get(url, headers={"authorization": f"Bearer {token}"})
    except httpx.HTTPError:
        return None


async def _which_region(client: httpx.AsyncClient, url: str, token: str) -> str:
    for region, other in REGIONS.items():
        if other != url:
            answer = await _ask(client, f"{other}/v2/keys", token)
            if answer is not None and answer.is_success:
                return f"QSTASH_TOKEN is of the {region} region: set QSTASH_URL={other}, and its signing keys"
    return "QSTASH_TOKEN is refused: copy it anew from the QStash console"


async def _schedule(services: Services, settings: Settings) -> Finding:
    try:
        schedule = await services.queue.find_schedule(SCHEDULE_ID)
    except QueueRefused:
        schedule = None
    if schedule is None or schedule["destination"] != settings.sweep_url:
        return Finding("qstash schedule", "wrong", "the sweep is not scheduled: run python -m app schedule install")
    if schedule["paused"]:
        return Finding("qstash schedule", "wrong", "it is paused: run python -m app schedule install")
    last = schedule["last_run"]
    late = last is None or datetime.now(UTC) - datetime.fromisoformat(last) > SCHEDULE_LATE_AFTER
    return Finding("qstash schedule", "unknown" if late else "fine", "it has not run for half an hour" if late else "")


async def _model(client: httpx.AsyncClient, url: str, name: str, headers: dict[str, str]) -> Finding:
    point = f"model {name}"
    try:
        answer = await client.get(url + name, headers=headers)
        about: object = answer.json()
    except (httpx.HTTPError, ValueError):
        return Finding(point, "unknown", "the provider did not say")
    if answer.status_code in (401, 403):
        return Finding(point, "wrong", "the provider refuses our key")
    if answer.status_code == 404:
        return Finding(point, "wrong", "the provider does not have it, or not for our key: docs/models.md")
    ends: Any = about.get("shutdown_date") if isinstance(about, dict) else None  # pyright: ignore
    return Finding(point, "fine" if answer.is_success else "unknown", f"until {ends}" if ends else "")


def _skew(date: str) -> str:
    try:
        skew_s = abs((parsedate_to_datetime(date) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):
        return ""
    # The header has whole seconds.
    return (
        ""
        if skew_s < MAX_SKEW_S + 1
        else f"it differs from this machine's by {skew_s:.0f} s: signatures may be refused"
    )
