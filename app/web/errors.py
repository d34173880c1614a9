"""The only place that builds an error body: ``{"error": sentence, "code": CODE}``."""

from collections.abc import Mapping

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from app.errors import AppError, Code, StepFailed, Unavailable
from app.web.answers import CompactJSON

# What a failed step is called outside; why it failed is in the row.
PROCESSING_FAILED = "Processing failed"

_HTTP_ERRORS = {
    404: (Code.NOT_FOUND, "Not found"),
    405: (Code.METHOD_NOT_ALLOWED, "Method not allowed"),
}


def error_response(status: int, code: Code, message: str, headers: Mapping[str, str] | None = None) -> Response:
    """An error as the contract writes it."""
    return CompactJSON({"error": message, "code": code.value}, status, headers)


async def on_app_error(_request: Request, error: Exception) -> Response:
    """Answer one of our own errors."""
    assert isinstance(error, AppError)
    if isinstance(error, StepFailed):
        return error_response(error.status, error.code, PROCESSING_FAILED, error.headers)
    if isinstance(error, Unavailable):
        return error_response(500, Code.INTERNAL_ERROR, "Internal server error", error.headers)
    return error_response(error.status, error.code, error.message, error.headers)


async def on_http_error(_request: Request, error: Exception) -> Response:
    """Answer what Starlette itself refuses: an unknown path, a wrong method."""
    assert isinstance(error, HTTPException)
    code, message = _HTTP_ERRORS.get(error.status_code, (Code.BAD_REQUEST, "Bad request"))
    return error_response(error.status_code, code, message, error.headers)
