"""Signing keys: https://upstash.com/docs/qstash/api/signingKeys/get"""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from qstash_on_loopback.service import service


async def get(request: Request) -> Response:
    """The current and the next key."""
    return JSONResponse(service(request).keys.as_json())


async def rotate(request: Request) -> Response:
    """Rotate the keys, and return the new pair."""
    keys = service(request).keys
    keys.rotate()
    return JSONResponse(keys.as_json())
