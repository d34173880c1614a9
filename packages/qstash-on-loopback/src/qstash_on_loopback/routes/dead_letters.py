"""The dead letter queue: https://upstash.com/docs/qstash/features/dlq"""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from qstash_on_loopback import filters
from qstash_on_loopback.message import Message
from qstash_on_loopback.service import error, named_ids, service

NOT_FOUND = "message not found in the dlq"


async def list_page(request: Request) -> Response:
    """Dead letters, newest first: those named, or those that match the filters."""
    return JSONResponse((await _chosen(request)).as_json("messages"))


async def get(request: Request) -> Response:
    """One dead letter."""
    letter = service(request).store.dead.get(request.path_params["id"])
    return JSONResponse(letter.row) if letter else error(404, NOT_FOUND)


async def delete(request: Request) -> Response:
    """Forget one dead letter."""
    found = service(request).store.dead.pop(request.path_params["id"], None)
    return Response(status_code=200) if found else error(404, NOT_FOUND)


async def delete_many(request: Request) -> Response:
    """Forget the dead letters named, or a page of those that match the filters."""
    dead = service(request).store.dead
    chosen = await _chosen(request)
    deleted = sum(dead.pop(row["dlqId"], None) is not None for row in chosen.rows)
    return JSONResponse({"deleted": deleted, **chosen.cursor_json()})


async def retry(request: Request) -> Response:
    """Publish one dead letter again, as a new message."""
    letter = service(request).store.dead.pop(request.path_params["id"], None)
    if letter is None:
        return error(404, NOT_FOUND)
    return JSONResponse({"messageId": _again(request, letter.message)})


async def retry_many(request: Request) -> Response:
    """Publish again the dead letters named, or a page of those that match the filters."""
    dead = service(request).store.dead
    chosen = await _chosen(request)
    letters = [dead.pop(row["dlqId"]) for row in chosen.rows if row["dlqId"] in dead]
    responses = [{"messageId": _again(request, letter.message)} for letter in letters]
    return JSONResponse({"responses": responses, **chosen.cursor_json()})


def _again(request: Request, message: Message) -> str:
    again = message.copy()
    service(request).dispatcher.accept(again)
    return again.id


async def _chosen(request: Request) -> filters.Page:
    dead = service(request).store.dead
    named = await named_ids(request, "dlqIds")
    if named is not None:
        return filters.Page([dead[one].row for one in named if one in dead])
    return filters.page(reversed(list(dead.values())), request.query_params)
