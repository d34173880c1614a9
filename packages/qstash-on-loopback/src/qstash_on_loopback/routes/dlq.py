"""The dead letter queue: https://upstash.com/docs/qstash/features/dlq"""

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from qstash_on_loopback.filters import DEAD_LETTER_FILTERS, Filters, Page
from qstash_on_loopback.message import Refusal
from qstash_on_loopback.publish_options import overrides
from qstash_on_loopback.requests import error, named_ids
from qstash_on_loopback.routes.publish import options
from qstash_on_loopback.service import service

NOT_FOUND = "message not found in the dlq"


async def list_page(request: Request) -> Response:
    """List dead letters, newest first: the given ids, or those that match the filters."""
    _, chosen = await _select(request)
    return JSONResponse(chosen.as_json("messages"))


async def get(request: Request) -> Response:
    """One dead letter."""
    letter = service(request).store.dead.get(request.path_params["id"])
    return JSONResponse(letter.row) if letter else error(404, NOT_FOUND)


async def delete(request: Request) -> Response:
    """Delete one dead letter."""
    found = service(request).store.take_dead(request.path_params["id"])
    return Response(status_code=200) if found else error(404, NOT_FOUND)


async def delete_many(request: Request) -> Response:
    """Delete the given dead letters, or a page of those that match the filters."""
    _, chosen = await _select(request)
    deleted = sum(service(request).store.take_dead(row["dlqId"]) is not None for row in chosen.rows)
    return JSONResponse({"deleted": deleted, **chosen.cursor_json()})


async def retry(request: Request) -> Response:
    """Publish one dead letter again as a new message. Headers of the request override the original options."""
    changes = overrides(options(request))
    dlq_id = request.path_params["id"]
    if dlq_id not in service(request).store.dead:
        return error(404, NOT_FOUND)
    return JSONResponse({"messageId": _republish(request, dlq_id, changes)}, 201)


async def retry_many(request: Request) -> Response:
    """Publish the given dead letters again, or a page of those that match the filters. All given ids must exist."""
    changes = overrides(options(request))
    named, chosen = await _select(request)
    if named and len(chosen.rows) < len(set(named)):
        return error(404, "some messages were not found in the dlq; none were retried")
    responses = [{"messageId": _republish(request, row["dlqId"], changes)} for row in chosen.rows]
    return JSONResponse({"responses": responses, **chosen.cursor_json()}, 201)


def _republish(request: Request, dlq_id: str, changes: dict[str, Any]) -> str:
    parts = service(request)
    for callback in (changes.get("callback"), changes.get("failure_callback")):
        if callback:
            parts.publisher.check_destination(callback.url)
    letter = parts.store.take_dead(dlq_id)
    if letter is None:
        raise Refusal(404, NOT_FOUND)
    headers = {**letter.message.headers, **changes.get("headers", {})}
    # The new message is due now, whatever the delay of the original.
    again = letter.message.copy(**{"delay_s": 0.0, "not_before": 0.0, **changes, "headers": headers})
    parts.dispatcher.accept(again)
    return again.id


async def _select(request: Request) -> tuple[list[str] | None, Page]:
    # Returns the ids in the request, if there are any, and the page of dead letters it selects.
    dead = service(request).store.dead
    filters = Filters(request.query_params, DEAD_LETTER_FILTERS)
    named = await named_ids(request, "dlqIds")
    if named is not None:
        return named, Page([dead[dlq_id].row for dlq_id in dict.fromkeys(named) if dlq_id in dead])
    return None, filters.page(reversed(dead.values()))
