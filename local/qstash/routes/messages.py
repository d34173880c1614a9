"""Messages on their way, what happened to them, and the flow controls they wait for."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from local.qstash import listing
from local.qstash.office import error, named_ids, office


async def get(request: Request) -> Response:
    """One message on its way."""
    message = office(request).ledger.pending.get(request.path_params["id"])
    return JSONResponse(message.as_json()) if message else error(404, "message not found")


async def cancel(request: Request) -> Response:
    """Cancel one message."""
    if office(request).courier.cancel(request.path_params["id"]):
        return JSONResponse({"cancelled": 1}, 202)
    return error(404, "message not found")


async def cancel_many(request: Request) -> Response:
    """Cancel the messages named, or all that match the filters."""
    parts = office(request)
    chosen = await named_ids(request, "messageIds")
    if chosen is None:
        rows = (message.as_json() for message in list(parts.ledger.pending.values()))
        chosen = [row["messageId"] for row in rows if listing.fits(row, request.query_params)]
    return JSONResponse({"cancelled": sum(parts.courier.cancel(one) for one in chosen)})


async def events(request: Request) -> Response:
    """Events, newest first, filtered; under both names that clients use."""
    name = "logs" if request.url.path.endswith("/logs") else "events"
    found = listing.page(reversed(office(request).ledger.events), request.query_params)
    return JSONResponse(found.as_json(name))


async def flow_controls(request: Request) -> Response:
    """The state of every flow control key, or of those that hold ``search``."""
    flow = office(request).courier.flow
    wanted = request.query_params.get("search", "")
    return JSONResponse([flow.as_json(key) for key in flow.keys if wanted in key])


async def flow_control(request: Request) -> Response:
    """The state of one flow control key."""
    flow, key = office(request).courier.flow, request.path_params["key"]
    return JSONResponse(flow.as_json(key)) if key in flow.keys else error(404, "flow control key not found")
