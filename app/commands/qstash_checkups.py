"""The checks of ``doctor`` on QStash: token and region, signing keys, clock, the sweep's schedule, waiting messages."""

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

import httpx

from app.adapters.qstash.queue import QueueRefused
from app.commands.checkups import MAX_SKEW_S, TIMEOUT_S, CheckResult, check_result
from app.commands.schedule import SCHEDULE_ID
from app.services import Services
from app.settings import REGIONS, Settings

# The schedule runs every ten minutes.
SCHEDULE_LATE_AFTER = timedelta(minutes=30)
# With more than this per slot, the last message waits for half an hour or longer, at 15 to 25 s a session (docs/scale.md).
MAX_WAITING_PER_SLOT = 120
# https://upstash.com/docs/qstash/howto/multi-region
REGION_URLS = {"EU_CENTRAL_1": "https://qstash.upstash.io", "US_EAST_1": "https://qstash-us-east-1.upstash.io"}


async def qstash(services: Services) -> list[CheckResult]:
    """Token and region, signing keys, clock, schedule, queue."""
    settings = services.settings
    region, place = settings.qstash_region, _check_region(settings)
    if place.verdict == "wrong":
        return [place]
    async with httpx.AsyncClient(timeout=TIMEOUT_S) as client:
        answer = await _ask(client, settings.qstash_url, settings.qstash_token.get_secret_value())
        if answer is None:
            return [CheckResult("qstash", "wrong", "QStash did not answer: check QSTASH_URL and the network")]
        if answer.status_code == 401:
            return [CheckResult("qstash", "wrong", await _why_refused(client, settings))]
        if not answer.is_success:
            advice = "check QSTASH_URL, an address without a path, and QStash's status page"
            return [CheckResult("qstash", "wrong", f"QStash answered {answer.status_code}: {advice}")]
        if not _is_qstash(answer):
            return [CheckResult("qstash", "wrong", "the server is not QStash: check QSTASH_URL")]
        results = [place, _signing_keys("qstash signing keys", settings, region, answer)]
        # During a move, messages of the other region still arrive.
        for other in REGIONS:
            account = settings.regional_account(other)
            if region and other != region and all(account):
                point, theirs = f"qstash signing keys {other}", await _ask(client, *account)
                results.append(_signing_keys(point, settings, other, theirs))
    schedule = await _find_schedule(services)
    return [
        *results,
        check_result("qstash clock", clock_advice(answer.headers.get("date", ""))),
        judge_schedule(schedule, settings.sweep_url, datetime.now(UTC)),
        judge_queue(await services.queue.waiting(), settings.qstash_flow_control_parallelism),
    ]


def judge_schedule(schedule: dict[str, Any] | None, sweep_url: str, now: datetime) -> CheckResult:
    """Whether QStash calls the sweep, and has done so lately. ``schedule`` is what ``find_schedule`` returned."""
    point, install = "qstash schedule", "run python -m app schedule install"
    if schedule is None or schedule["destination"] != sweep_url:
        return CheckResult(point, "wrong", f"the sweep is not scheduled: {install}")
    if schedule["paused"]:
        return CheckResult(point, "wrong", f"it is paused: {install}")
    if schedule["last_run"] is None:
        return CheckResult(point, "unknown", "it has not run yet: check it again in ten minutes")
    if now - datetime.fromisoformat(schedule["last_run"]) > SCHEDULE_LATE_AFTER:
        return CheckResult(point, "wrong", f"it has not run since {schedule['last_run']}: {install}")
    if "FAIL" in schedule["last_states"].values():
        return CheckResult(
            point, "wrong", "the last sweep failed: run python -m app sweep, and look at the service's log"
        )
    return CheckResult(point, "fine", f"last run {schedule['last_run']}")


def judge_queue(waiting: int | None, parallelism: int) -> CheckResult:
    """Whether too many messages are waiting in flow control. ``waiting`` is None if their number is unknown."""
    if waiting is None:
        return CheckResult("qstash queue", "unknown", "its length is known only with QSTASH_FLOW_CONTROL_KEY")
    slow = waiting > MAX_WAITING_PER_SLOT * parallelism
    advice = ": raise QSTASH_FLOW_CONTROL_PARALLELISM as far as the models' rate limits allow (docs/scale.md)"
    return CheckResult(
        "qstash queue", "wrong" if slow else "fine", f"{waiting} messages are waiting{advice if slow else ''}"
    )


def clock_advice(date: str) -> str:
    """What is wrong with our clock by the ``Date`` header of a response; empty if it is right or there is no header."""
    try:
        skew_s = abs((parsedate_to_datetime(date) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):
        return ""
    # The header has whole seconds.
    if skew_s < MAX_SKEW_S + 1:
        return ""
    return f"it differs from this machine's by {skew_s:.0f} s, so signatures may be refused: synchronize this machine's clock"


async def _ask(client: httpx.AsyncClient, url: str, token: str) -> httpx.Response | None:
    try:
        return await client.get(f"{url}/v2/keys", headers={"authorization": f"Bearer {token}"})
    except httpx.HTTPError:
        return None


async def _why_refused(client: httpx.AsyncClient, settings: Settings) -> str:
    # QStash refuses the other region's token just like a wrong one, so ask the other region, too. A token for another
    # server is never sent to Upstash.
    prefix, token = _prefix(settings), settings.qstash_token.get_secret_value()
    public = REGION_URLS if str(httpx.URL(settings.qstash_url).host).endswith(".upstash.io") else {}
    whether = "and no other region is set"
    for region in REGIONS:
        url = settings.regional_account(region)[0] or public.get(region)
        if not url or url == settings.qstash_url:
            continue
        answer = await _ask(client, url, token)
        if answer is not None and answer.is_success:
            ours = settings.qstash_region
            if prefix:
                return f"{prefix}QSTASH_TOKEN is of the region {region}: copy that of {ours} from the QStash console"
            return f"QSTASH_TOKEN is of the region {region}: set QSTASH_URL={url}, and its signing keys"
        silent = answer is None or answer.status_code != 401
        whether = "and the other region did not answer" if silent else "and no other region knows it"
    return f"{prefix}QSTASH_TOKEN is refused, {whether}: copy it again from the QStash console"


def _is_qstash(answer: httpx.Response) -> bool:
    try:
        keys: Any = answer.json()
    except ValueError:
        return False
    return answer.is_success and isinstance(keys, dict) and {"current", "next"} <= keys.keys()


def _prefix(settings: Settings) -> str:
    return f"{settings.qstash_region}_" if all(settings.regional_account(settings.qstash_region)) else ""


def _check_region(settings: Settings) -> CheckResult:
    host, prefix = httpx.URL(settings.qstash_url).host, _prefix(settings)
    named = {"qstash-eu-central-1.upstash.io": "EU_CENTRAL_1"}
    named |= {httpx.URL(url).host: region for region, url in REGION_URLS.items()}
    others = {settings.regional_account(region)[0]: region for region in REGIONS if region != settings.qstash_region}
    region = others.get(settings.qstash_url) if prefix else None
    region = region or named.get(host, settings.qstash_region if prefix else host)
    if prefix and region != settings.qstash_region:
        return CheckResult("qstash", "wrong", f"{prefix}QSTASH_URL is the address of {region}: set all four of its own")
    return CheckResult("qstash", "fine", f"messages are published in {region}")


def _signing_keys(point: str, settings: Settings, region: str, answer: httpx.Response | None) -> CheckResult:
    if answer is None:
        return CheckResult(point, "unknown", f"QStash did not answer: check {region}_QSTASH_URL")
    if answer.status_code == 401:
        return CheckResult(point, "wrong", f"{region}_QSTASH_TOKEN is refused: copy it again from the QStash console")
    if not _is_qstash(answer):
        advice = (
            f"what answers ({answer.status_code}) is not QStash: check {region}_QSTASH_URL, an address without a path"
        )
        return CheckResult(point, "wrong", advice)
    regional = bool(region) and region in settings.signing_keys
    ours = settings.signing_keys[region if regional else ""]
    same = answer.json() == {"current": ours[0], "next": ours[1]}
    prefix = f"{region}_" if regional else ""
    names = f"{prefix}QSTASH_CURRENT_SIGNING_KEY and {prefix}QSTASH_NEXT_SIGNING_KEY"
    return check_result(point, "" if same else f"{names} are not the account's: copy both again")


async def _find_schedule(services: Services) -> dict[str, Any] | None:
    try:
        return await services.queue.find_schedule(SCHEDULE_ID)
    except QueueRefused:
        return None
