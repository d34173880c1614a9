"""Schedules: https://upstash.com/docs/qstash/features/schedules"""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from qstash_on_loopback.message import Refusal
from qstash_on_loopback.routes.publish import requested
from qstash_on_loopback.service import error, service

NOT_FOUND = "schedule not found"


async def list_all(request: Request) -> Response:
    """All schedules."""
    return JSONResponse([schedule.as_json() for schedule in service(request).schedules.all.values()])


async def create(request: Request) -> Response:
    """Create a schedule, or overwrite the one of the same id. Pausing and resuming is documented under the same method."""
    schedule_id, _, action = request.path_params["destination"].partition("/")
    if action in ("pause", "resume"):
        return _set_paused(request, schedule_id, paused=action == "pause")
    template, headers = await requested(request, "/v2/schedules/")
    if not headers.get("upstash-cron", "").strip():
        raise Refusal(400, "missing cron expression")
    delay_s = template.not_before and round(template.not_before - template.created_at)
    schedule = service(request).schedules.put(
        headers["upstash-cron"],
        template,
        headers.get("upstash-schedule-id"),
        delay_s=delay_s,
        queue_name=headers.get("upstash-queue-name"),
    )
    return JSONResponse({"scheduleId": schedule.id}, 201)


async def get(request: Request) -> Response:
    """One schedule."""
    schedule = service(request).schedules.all.get(request.path_params["id"])
    return JSONResponse(schedule.as_json()) if schedule else error(404, NOT_FOUND)


async def delete(request: Request) -> Response:
    """Forget a schedule."""
    removed = service(request).schedules.remove(request.path_params["id"])
    return Response(status_code=200) if removed else error(404, NOT_FOUND)


async def pause_or_resume(request: Request) -> Response:
    """Pause or resume a schedule."""
    action = request.path_params["action"]
    if action not in ("pause", "resume"):
        return error(404, "not found")
    return _set_paused(request, request.path_params["id"], paused=action == "pause")


def _set_paused(request: Request, schedule_id: str, *, paused: bool) -> Response:
    schedule = service(request).schedules.all.get(schedule_id)
    if schedule is None:
        return error(404, NOT_FOUND)
    schedule.paused = paused
    return Response(status_code=200)
