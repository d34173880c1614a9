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
    """Dead letters, newest first: those named, or those that match the filters."""
    _, chosen = await _chosen(request)
    return JSONResponse(chosen.as_json("messages"))


async def get(request: Request) -> Response:
    """One dead letter."""
    letter = service(request).store.dead.get(request.path_params["id"])
    return JSONResponse(letter.row) if letter else error(404, NOT_FOUND)


async def delete(request: Request) -> Response:
    """Forget one dead letter."""
    found = service(request).store.take_dead(request.path_params["id"])
    return Response(status_code=200) if found else error(404, NOT_FOUND)


async def delete_many(request: Request) -> Response:
    """Forget the dead letters named, or a page of those that match the filters."""
    _, chosen = await _chosen(request)
    deleted = sum(service(request).store.take_dead(row["dlqId"]) is not None for row in chosen.rows)
    return JSONResponse({"deleted": deleted, **chosen.cursor_json()})


async def retry(request: Request) -> Response:
    """Publish one dead letter again, as a new message. Headers of the request override the original's options."""
    changes = overrides(options(request))
    dlq_id = request.path_params["id"]
    if dlq_id not in service(request).store.dead:
        return error(404, NOT_FOUND)
    return JSONResponse({"messageId": _again(request, dlq_id, changes)}, 201)


async def retry_many(request: Request) -> Response:
    """Publish again the dead letters named, all of which must be there, or a page of those that match the filters."""
    changes = overrides(options(request))
    named, chosen = await _chosen(request)
    if named and len(chosen.rows) < len(set(named)):
        return error(404, "some messages were not found in the dlq; none was retried")
    responses = [{"messageId": _again(request, row["dlqId"], changes)} for row in chosen.rows]
    return JSONResponse({"responses": responses, **chosen.cursor_json()}, 201)


def _again(request: Request, dlq_id: str, changes: dict[str, Any]) -> str:
    parts = service(request)
    for callback in (changes.get("callback"), changes.get("failure_callback")):
        if callback:
            parts.publisher.check_destination(callback.url)
    letter = parts.store.take_dead(dlq_id)
    if letter is None:
        raise Refusal(404, NOT_FOUND)
    headers = {**letter.message.headers, **changes.get("headers", {})}
    # It is due now, however long the original was to wait.
    again = letter.message.copy(**{"delay_s": 0.0, "not_before": 0.0, **changes, "headers": headers})
    parts.dispatcher.accept(again)
    return again.id


async def _chosen(request: Request) -> tuple[list[str] | None, Page]:
    # The ids that the request names, if it does, and the page of dead letters that it means.
    dead = service(request).store.dead
    filters = Filters(request.query_params, DEAD_LETTER_FILTERS)
    named = await named_ids(request, "dlqIds")
    if named is not None:
        return named, Page([dead[one].row for one in dict.fromkeys(named) if one in dead])
    return None, filters.page(reversed(dead.values()))
