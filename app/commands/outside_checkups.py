"""The external checks of ``doctor``, except for QStash: our own address, the models."""

from datetime import UTC, date, datetime, timedelta
from typing import Any, cast

import httpx

from app.adapters.qstash.signatures import sign
from app.commands.checkups import TIMEOUT_S, CheckResult
from app.services import Services
from app.settings import Settings

# Time to try a model's successor before the provider switches it off.
ENDS_SOON = timedelta(days=30)


async def address(services: Services) -> list[CheckResult]:
    """A signed request reaches ``APP_URL`` and verifies there, with the keys of each region."""
    async with httpx.AsyncClient(timeout=TIMEOUT_S) as client:
        return [await _round_trip(client, services.settings, region) for region in services.settings.signing_keys]


async def _round_trip(client: httpx.AsyncClient, settings: Settings, region: str) -> CheckResult:
    point, [key, _] = f"address {region}".strip(), settings.signing_keys[region]
    if not key:
        return CheckResult(point, "unknown", "it cannot be checked without QSTASH_CURRENT_SIGNING_KEY")
    body = b'{"sessionId":"doctor"}'
    headers = {"upstash-signature": sign(key, body, settings.process_url), "content-type": "application/json"}
    try:
        answer = await client.post(
            settings.process_url, content=body, headers={**headers, "upstash-region": region.replace("_", "-")}
        )
    except httpx.HTTPError:
        return CheckResult(point, "wrong", "APP_URL cannot be reached from here: is it public, is the service running?")
    match answer.status_code:
        case 404 if '"NOT_FOUND"' in answer.text and "Session not found" in answer.text:
            return CheckResult(point, "fine")
        case 401:
            return CheckResult(point, "wrong", "the service behind APP_URL has other signing keys, or another APP_URL")
        case status if '"code"' in answer.text:
            return CheckResult(
                point, "wrong", f"the service behind APP_URL answers {status}: see the other points, and its log"
            )
        case status:
            return CheckResult(point, "wrong", f"something else answers behind APP_URL ({status})")


async def models(services: Services) -> list[CheckResult]:
    """Whether each model is available, and until when."""
    s = services.settings
    openai = {"authorization": f"Bearer {s.openai_api_key.get_secret_value()}"}
    anthropic = {"x-api-key": s.anthropic_api_key.get_secret_value(), "anthropic-version": "2023-06-01"}
    asked = [(f"{s.openai_base_url}/models/", name, openai) for name in s.transcription_models.split(",")]
    asked += [(f"{s.anthropic_base_url}/v1/models/", name, anthropic) for name in s.analysis_models.split(",")]
    async with httpx.AsyncClient(timeout=TIMEOUT_S) as client:
        return [await _model(client, url, name.strip(), headers) for url, name, headers in asked]


async def _model(client: httpx.AsyncClient, url: str, name: str, headers: dict[str, str]) -> CheckResult:
    point = f"model {name}"
    try:
        answer = await client.get(url + name, headers=headers)
        about: Any = answer.json()
    except (httpx.HTTPError, ValueError):
        return CheckResult(
            point, "wrong", "the provider does not answer: check its address, its status page and the network"
        )
    if answer.status_code in (401, 403):
        return CheckResult(point, "wrong", "the provider refuses our key")
    if answer.status_code == 404:
        return CheckResult(point, "wrong", "the provider does not have it, or not for our key: docs/models.md")
    if not answer.is_success:
        return CheckResult(point, "unknown", f"the provider answered {answer.status_code}")
    known = cast("dict[str, Any]", about) if isinstance(about, dict) else {}
    # Anthropic answers an alias with the full name.
    if not str(known.get("id")).startswith(name):
        return CheckResult(point, "wrong", "the answer does not describe the model: check the provider's address")
    ends = str(known.get("shutdown_date") or "")
    return judge_end(point, ends, datetime.now(UTC).date())


def judge_end(point: str, ends: str, today: date) -> CheckResult:
    """Whether a model remains available for a while. ``ends`` is the provider's shutdown date, or empty."""
    try:
        soon = bool(ends) and date.fromisoformat(ends[:10]) < today + ENDS_SOON
    except ValueError:
        return CheckResult(point, "unknown", "the provider's end date cannot be read")
    if soon:
        return CheckResult(
            point, "wrong", f"it will be shut down on {ends}: put its successor first in the setting (docs/models.md)"
        )
    return CheckResult(point, "fine", f"until {ends}" if ends else "")
