"""Queues: https://upstash.com/docs/qstash/features/queues"""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from qstash_on_loopback.message import Refusal
from qstash_on_loopback.requests import error, read_object
from qstash_on_loopback.service import service

NOT_FOUND = "queue not found"
MAX_PARALLELISM = 1_000


async def list_all(request: Request) -> Response:
    """All queues."""
    return JSONResponse([queue.as_json() for queue in service(request).queues.all.values()])


async def upsert(request: Request) -> Response:
    """Create or change a queue."""
    given = await read_object(request, "queueName and parallelism")
    name = given.get("queueName")
    if not isinstance(name, str):
        raise Refusal(400, "queueName is missing")
    parallelism, paused = given.get("parallelism"), given.get("paused")
    if parallelism is not None and (type(parallelism) is not int or not 1 <= parallelism <= MAX_PARALLELISM):
        raise Refusal(400, f"parallelism must be a whole number from 1 to {MAX_PARALLELISM}")
    if not isinstance(paused, bool | None):
        raise Refusal(400, "paused must be true or false")
    queues = service(request).queues
    queues.change(queues.of(name), parallelism=parallelism, paused=paused)
    return Response(status_code=200)


async def get(request: Request) -> Response:
    """One queue."""
    queue = service(request).queues.all.get(request.path_params["name"])
    return JSONResponse(queue.as_json()) if queue else error(404, NOT_FOUND)


async def delete(request: Request) -> Response:
    """Delete a queue, and cancel its messages. Idempotent."""
    parts, name = service(request), request.path_params["name"]
    for message_id in [message.id for message in parts.store.pending.values() if message.queue == name]:
        parts.dispatcher.cancel(message_id)
    parts.queues.remove(name)
    return Response(status_code=200)


async def pause_or_resume(request: Request) -> Response:
    """Pause or resume a queue. Creates the queue if it is new."""
    action, queues = request.path_params["action"], service(request).queues
    if action not in ("pause", "resume"):
        return error(404, "not found")
    queues.change(queues.of(request.path_params["name"]), paused=action == "pause")
    return Response(status_code=200)
