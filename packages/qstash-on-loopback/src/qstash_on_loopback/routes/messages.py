"""Messages on their way, what happened to them, and the flow controls they wait for."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from qstash_on_loopback import filters
from qstash_on_loopback.service import error, named_ids, service


async def get(request: Request) -> Response:
    """One message on its way."""
    message = service(request).store.pending.get(request.path_params["id"])
    return JSONResponse(message.as_json()) if message else error(404, "message not found")


async def cancel(request: Request) -> Response:
    """Cancel one message."""
    if service(request).dispatcher.cancel(request.path_params["id"]):
        return JSONResponse({"cancelled": 1}, 202)
    return error(404, "message not found")


async def cancel_many(request: Request) -> Response:
    """Cancel the messages named, or all that match the filters."""
    parts = service(request)
    chosen = await named_ids(request, "messageIds")
    if chosen is None:
        rows = (message.as_json() for message in list(parts.store.pending.values()))
        chosen = [row["messageId"] for row in rows if filters.fits(row, request.query_params)]
    return JSONResponse({"cancelled": sum(parts.dispatcher.cancel(one) for one in chosen)})


async def events(request: Request) -> Response:
    """Events, newest first, filtered; under both names that clients use."""
    name = "logs" if request.url.path.endswith("/logs") else "events"
    found = filters.page(reversed(service(request).store.events), request.query_params)
    return JSONResponse(found.as_json(name))


async def flow_controls(request: Request) -> Response:
    """The state of every flow control key, or of those that hold ``search``."""
    flow = service(request).dispatcher.flow
    wanted = request.query_params.get("search", "")
    return JSONResponse([flow.as_json(key) for key in flow.keys if wanted in key])


async def flow_control(request: Request) -> Response:
    """The state of one flow control key."""
    flow, key = service(request).dispatcher.flow, request.path_params["key"]
    return JSONResponse(flow.as_json(key)) if key in flow.keys else error(404, "flow control key not found")
