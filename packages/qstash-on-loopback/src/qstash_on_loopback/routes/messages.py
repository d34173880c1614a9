"""Pending messages and the event log."""

from itertools import islice

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from qstash_on_loopback.filters import EVENT_FILTERS, MESSAGE_FILTERS, Filters
from qstash_on_loopback.requests import error, named_ids
from qstash_on_loopback.service import service

NOT_FOUND = "message not found"


async def get(request: Request) -> Response:
    """One message that is pending or finished recently."""
    message = service(request).store.message(request.path_params["id"])
    return JSONResponse(message.as_json()) if message else error(404, NOT_FOUND)


async def cancel(request: Request) -> Response:
    """Cancel one message. It is not an error if the message has just finished."""
    parts, message_id = service(request), request.path_params["id"]
    if parts.store.message(message_id) is None:
        return error(404, NOT_FOUND)
    return JSONResponse({"cancelled": int(parts.dispatcher.cancel(message_id))}, 202)


async def cancel_many(request: Request) -> Response:
    """Cancel the given messages, or all that match the filters."""
    parts = service(request)
    filters = Filters(request.query_params, MESSAGE_FILTERS)
    chosen = await named_ids(request, "messageIds")
    if chosen is None:
        rows = (message.as_json() for message in list(parts.store.pending.values()))
        chosen = list(islice((row["messageId"] for row in rows if filters.fits(row)), filters.count))
    return JSONResponse({"cancelled": sum(parts.dispatcher.cancel(message_id) for message_id in chosen)})


async def events(request: Request) -> Response:
    """The events that match the filters, newest first. Served under both names that clients use."""
    name = "logs" if request.url.path.endswith("/logs") else "events"
    found = Filters(request.query_params, EVENT_FILTERS).page(reversed(service(request).store.events))
    return JSONResponse(found.as_json(name))
