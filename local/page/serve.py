"""The page's own small application: static files, a demo sign-in, and a proxy to the real application."""

import json
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from aiohttp import ClientError
from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from local.page.proxy import METHODS, Proxy
from local.page.stand_ins import STAND_INS
from local.ports import LOOPBACK
from local.token import LIFETIME_S, cookie_name, session_cookie

STATIC = Path(__file__).parent / "static"
MAX_NAME_LENGTH = 40
MAX_SIGN_IN_BYTES = 4096

# Only files of this origin are loaded. Recordings are played from memory (blob:). No HTML is ever created from text.
HEADERS = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; media-src blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'",
    "permissions-policy": "microphone=(self), camera=(), geolocation=()",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}


def create_app(app_url: str, secret: str, stand_ins: Sequence[str], *, public_url: str | None = None) -> Starlette:
    """Create the page for the application at ``app_url``. ``secret`` is its AUTH_SECRET, ``public_url`` its APP_URL."""
    proxy = Proxy(app_url)
    demo = _DemoSignIn(public_url or app_url, secret)
    own_names = [LOOPBACK, "localhost"]
    labels = [{"service": name, **STAND_INS[name]} for name in stand_ins]

    async def show_stand_ins(_request: Request) -> Response:
        return JSONResponse({"standIns": labels})

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncGenerator[None]:
        async with proxy:
            yield

    # The sign-in needs no password, so it must not be reachable under a foreign domain that resolves to this machine.
    # Only the application is also reachable under its public name, to which QStash delivers.
    page = Mount(
        "/",
        routes=[
            Route("/demo/sign-in", demo.sign_in, methods=["POST"]),
            Route("/demo/sign-out", demo.sign_out, methods=["POST"]),
            Route("/demo/stand-ins", show_stand_ins),
            Mount("/", StaticFiles(directory=STATIC, html=True)),
        ],
        middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=own_names)],
    )
    public_name = urlsplit(public_url or "").hostname
    application = Route(
        "/api/{path:path}",
        proxy.forward,
        methods=METHODS,
        middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=[*own_names, public_name or LOOPBACK])],
    )
    return Starlette(
        routes=[application, page],
        middleware=[Middleware(_Secured)],
        exception_handlers={ClientError: _unreachable, TimeoutError: _unreachable},
        lifespan=lifespan,
    )


async def _unreachable(_request: Request, _exception: Exception) -> Response:
    return _error(502, "The application does not answer", "UNREACHABLE")


def _error(status: int, message: str, code: str) -> Response:
    return JSONResponse({"error": message, "code": code}, status)


class _DemoSignIn:
    """Signs a learner in by name only. It replaces the frontend's sign-in page in the demo."""

    def __init__(self, app_url: str, secret: str) -> None:
        self._app_url, self._secret = app_url, secret

    async def sign_in(self, request: Request) -> Response:
        """Handle ``POST {"name": …}``: set the cookie that Auth.js would set."""
        # Another site can send a form here, but not JSON: that would need CORS headers, which this server never sends.
        if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
            return _error(415, "Expected JSON", "BAD_REQUEST")
        name = _name(await request.body())
        if name is None:
            return _error(400, f"A name has 1 to {MAX_NAME_LENGTH} characters", "INVALID_NAME")
        user = name.casefold()
        cookie, _, token = session_cookie(
            self._secret, self._app_url, user, name=name, email=f"{quote(user)}@example.com"
        ).partition("=")
        response = JSONResponse({"name": name})
        # Browsers reject a cookie with this prefix unless it is secure.
        secure = cookie.startswith("__Secure-")
        response.set_cookie(cookie, token, max_age=LIFETIME_S, httponly=True, samesite="lax", secure=secure)
        return response

    async def sign_out(self, _request: Request) -> Response:
        """Delete the cookie."""
        response = JSONResponse({"ok": True})
        response.delete_cookie(cookie_name(self._app_url), httponly=True, samesite="lax")
        return response


def _name(body: bytes) -> str | None:
    try:
        sent: Any = json.loads(body) if len(body) <= MAX_SIGN_IN_BYTES else None
        name = sent["name"].strip()
    except (ValueError, TypeError, KeyError, AttributeError):
        return None
    return name if 1 <= len(name) <= MAX_NAME_LENGTH and name.isprintable() else None


class _Secured:
    """Adds the security headers to every answer, and makes browsers revalidate cached files."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_secured(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(HEADERS)
                headers.setdefault("cache-control", "no-cache")
            await send(message)

        await self._app(scope, receive, send_secured)
