"""Which origins may call: our own, those behind our rewrite, and those named in the settings."""

from urllib.parse import urlsplit

from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from app.refusals import ForbiddenOrigin
from app.settings import Settings
from app.web.errors import error_response

SAFE_METHODS = {"GET", "HEAD", "OPTIONS"}


class OriginGuard:
    """Refuses requests that another site's page sends with a learner's cookie. Without an Origin, it is not from a page.

    A browser reports where a page comes from (Origin, Sec-Fetch-Site), and no page can change that:
    https://fetch.spec.whatwg.org/#origin-header. A rewrite passes on the host that the browser requested as X-Forwarded-Host, a
    header that no page can add without our permission.
    """

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._allowed = settings.allowed_origins
        self._own_host = urlsplit(settings.app_url).netloc.lower()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] not in SAFE_METHODS and not self._is_allowed(Request(scope)):
            await error_response(ForbiddenOrigin())(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _is_allowed(self, request: Request) -> bool:
        origin = request.headers.get("origin", "").lower()
        if not origin or request.headers.get("sec-fetch-site") == "same-origin":
            return True
        forwarded = request.headers.get("x-forwarded-host", "").split(",")[0].strip()
        hosts = {self._own_host, request.headers.get("host", "").lower(), forwarded.lower()} - {""}
        return origin in self._allowed or _host(origin) in hosts


def _host(origin: str) -> str | None:
    try:
        return urlsplit(origin).netloc
    except ValueError:  # "http://[" starts like an IPv6 address but is not one
        return None


def cors(settings: Settings) -> list[Middleware]:
    """The middleware that tells browsers which other sites may call with cookies; none if the settings name no origin."""
    if not settings.allowed_origins:
        return []
    layer = Middleware(
        CORSMiddleware,
        allow_origins=sorted(settings.allowed_origins),
        allow_credentials=True,
        allow_methods=["GET", "POST", "DELETE"],
    )
    return [layer]
