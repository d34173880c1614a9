"""Schedules: https://upstash.com/docs/qstash/features/schedules"""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from qstash_on_loopback.message import Refusal
from qstash_on_loopback.requests import error, read_body
from qstash_on_loopback.routes.publish import caller_ip, destination, options
from qstash_on_loopback.service import service

NOT_FOUND = "schedule not found"


async def list_all(request: Request) -> Response:
    """All schedules."""
    parts = service(request)
    return JSONResponse([schedule.as_json(parts.clock.shown()) for schedule in parts.schedules.all.values()])


async def create(request: Request) -> Response:
    """Create a schedule, or overwrite the one with the same id.

    The documentation uses the same method to pause and resume a schedule.
    """
    schedule_id, _, action = request.path_params["destination"].partition("/")
    if action in ("pause", "resume"):
        return _set_paused(request, schedule_id, paused=action == "pause")
    parts, headers = service(request), options(request)
    where, body = destination(request, "/v2/schedules/"), await read_body(request)
    if not headers.get("upstash-cron", "").strip():
        raise Refusal(400, "missing cron expression")
    queue = headers.get("upstash-queue-name") or None
    if queue:
        parts.queues.of(queue)
    template = parts.publisher.template(where, headers, body, caller_ip=caller_ip(request), queue=queue)
    schedule = parts.schedules.put(headers["upstash-cron"], where, template, headers.get("upstash-schedule-id"))
    return JSONResponse({"scheduleId": schedule.id}, 201)


async def get(request: Request) -> Response:
    """One schedule."""
    parts = service(request)
    schedule = parts.schedules.all.get(request.path_params["id"])
    return JSONResponse(schedule.as_json(parts.clock.shown())) if schedule else error(404, NOT_FOUND)


async def delete(request: Request) -> Response:
    """Delete a schedule."""
    removed = service(request).schedules.remove(request.path_params["id"])
    return Response(status_code=200) if removed else error(404, NOT_FOUND)


async def pause_or_resume(request: Request) -> Response:
    """Pause or resume a schedule."""
    action = request.path_params["action"]
    if action not in ("pause", "resume"):
        return error(404, "not found")
    return _set_paused(request, request.path_params["id"], paused=action == "pause")


def _set_paused(request: Request, schedule_id: str, *, paused: bool) -> Response:
    schedules = service(request).schedules
    schedule = schedules.all.get(schedule_id)
    if schedule is None:
        return error(404, NOT_FOUND)
    schedules.set_paused(schedule, paused=paused)
    return Response(status_code=200)
