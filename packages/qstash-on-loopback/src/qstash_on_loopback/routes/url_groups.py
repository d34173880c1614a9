"""URL groups, called topics in the API: https://upstash.com/docs/qstash/features/url-groups"""

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from qstash_on_loopback.message import Refusal
from qstash_on_loopback.requests import as_list, as_object, error, header_values, read_object
from qstash_on_loopback.service import service

NOT_FOUND = "url group not found"


async def list_all(request: Request) -> Response:
    """All URL groups."""
    return JSONResponse([group.as_json() for group in service(request).url_groups.all.values()])


async def get(request: Request) -> Response:
    """One URL group."""
    group = service(request).url_groups.all.get(request.path_params["name"])
    return JSONResponse(group.as_json()) if group else error(404, NOT_FOUND)


async def delete(request: Request) -> Response:
    """Delete a URL group. Messages already published to it are still delivered. Idempotent."""
    service(request).url_groups.remove(request.path_params["name"])
    return Response(status_code=200)


async def set_headers(request: Request) -> Response:
    """Set the options that are added to messages published to the group.

    https://upstash.com/docs/qstash/howto/webhook
    """
    headers = header_values((await read_object(request, "headers, an object")).get("headers"))
    if headers is None:
        raise Refusal(400, "headers must be an object")
    service(request).url_groups.set_headers(request.path_params["name"], headers)
    return Response(status_code=200)


async def add_endpoints(request: Request) -> Response:
    """Add endpoints. Creates the group if it is new."""
    parts = service(request)
    endpoints = [(url or "", name) for url, name in await _endpoints(request)]
    for url, _ in endpoints:
        parts.publisher.check_destination(url)
    parts.url_groups.add_endpoints(request.path_params["name"], endpoints)
    return Response(status_code=200)


async def remove_endpoints(request: Request) -> Response:
    """Remove endpoints. A group without endpoints is deleted."""
    service(request).url_groups.remove_endpoints(request.path_params["name"], await _endpoints(request))
    return Response(status_code=200)


async def _endpoints(request: Request) -> list[tuple[str | None, str | None]]:
    expected = "endpoints, a list of objects with url or name"
    listed = as_list((await read_object(request, expected)).get("endpoints"))
    if not listed:
        raise Refusal(400, f"expected {expected}")
    return [_endpoint(as_object(each) or {}, expected) for each in listed]


def _endpoint(given: dict[str, Any], expected: str) -> tuple[str | None, str | None]:
    url, name = given.get("url"), given.get("name")
    if not isinstance(url, str | None) or not isinstance(name, str | None) or not (url or name):
        raise Refusal(400, f"expected {expected}")
    return url or None, name or None
