"""Signing keys: https://upstash.com/docs/qstash/api/signingKeys/get"""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from local.qstash.office import office


async def get(request: Request) -> Response:
    """The current and the next key."""
    return JSONResponse(office(request).keys.as_json())


async def rotate(request: Request) -> Response:
    """Roll the keys; the new pair."""
    keys = office(request).keys
    keys.rotate()
    return JSONResponse(keys.as_json())
