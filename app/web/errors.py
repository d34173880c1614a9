"""The only place that builds an error body: ``{"error": sentence, "code": CODE}``."""

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from app.errors import AppError
from app.refusals import InvalidBody, MethodNotAllowed, NotFound
from app.web.answers import CompactJSON

# What Starlette refuses by itself.
_HTTP_ERRORS: dict[int, AppError] = {404: NotFound(), 405: MethodNotAllowed()}


def error_response(error: AppError) -> Response:
    """The response for an error, as the contract defines it."""
    body = {"error": error.answer or error.message, "code": error.code.value}
    return CompactJSON(body, error.status, error.headers)


async def on_app_error(_request: Request, error: Exception) -> Response:
    """Answer one of our own errors."""
    assert isinstance(error, AppError)
    return error_response(error)


async def on_http_error(_request: Request, error: Exception) -> Response:
    """Answer what Starlette itself refuses: an unknown path, a wrong method."""
    assert isinstance(error, HTTPException)
    answer = error_response(_HTTP_ERRORS.get(error.status_code) or InvalidBody())
    answer.headers.update(error.headers or {})
    return answer
