"""Access control: requests need the token, and web pages are refused.

The token of a development server is public, and the server sends requests wherever it is told to. So a web page in a
browser on this machine must not be able to use it: neither from another origin, nor through a host name that resolves to
the loopback address.
"""

import hmac
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

_LOOPBACK_NAMES = {"localhost", "127.0.0.1", "::1"}


class AccessControl:
    """ASGI middleware that refuses unauthorized requests. ``public`` paths need no token, so they must show nothing."""

    def __init__(self, app: ASGIApp, token: str, allowed_hosts: frozenset[str], public: frozenset[str]) -> None:
        self._app, self._token, self._public = app, token.encode(), public
        self._hosts = _LOOPBACK_NAMES | {host.lower() for host in allowed_hosts}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            refusal = self._refusal(Request(scope))
            if refusal:
                await refusal(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _refusal(self, request: Request) -> JSONResponse | None:
        host = request.headers.get("host", "")
        if _hostname(host) not in self._hosts:
            hint = "if this is intended, allow it with --allow-host"
            return JSONResponse({"error": f"the host name {_hostname(host)!r} is not allowed: {hint}"}, 403)
        path = request.scope["path"].removeprefix(request.scope.get("root_path", ""))
        if path in self._public and request.method in ("GET", "HEAD"):
            return None
        if _is_cross_origin(request, host):
            return JSONResponse({"error": "web pages may not use this server"}, 403)
        in_header = request.headers.get("authorization", "").removeprefix("Bearer ")
        given = in_header or request.query_params.get("qstash_token", "")
        if not hmac.compare_digest(given.encode("utf-8", "replace"), self._token):
            return JSONResponse({"error": "unable to authenticate: invalid token"}, 401)
        return None


def _is_cross_origin(request: Request, host: str) -> bool:
    # Browsers send at least one of these headers; other clients send neither.
    origin, site = request.headers.get("origin"), request.headers.get("sec-fetch-site")
    if origin is not None and urlsplit(origin).netloc != host:
        return True
    return site is not None and site not in ("same-origin", "none")


def _hostname(host: str) -> str:
    try:
        return (urlsplit(f"//{host}").hostname or "").lower()
    except ValueError:
        return ""
