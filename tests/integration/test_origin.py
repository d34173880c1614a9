"""Origins that may call from a browser: our own pages, pages behind a rewrite, and configured origins."""

from collections.abc import Generator

import httpx
import pytest

from app.application import create_app
from local.ports import LOOPBACK, free_port
from local.storage import Storage
from tests.conftest import make_settings
from tests.support.providers import Providers
from tests.support.serving import served
from tests.support.world import MigratedDatabase, World

FRIEND = "https://app.example.com"


@pytest.fixture(scope="module")
def open_url(
    migrated: MigratedDatabase, storage: Storage, shared_providers: tuple[Providers, str]
) -> Generator[str, None, None]:
    """An application that allows other origins."""
    port = free_port()
    settings = make_settings(
        migrated, storage, shared_providers[1], f"http://{LOOPBACK}:{port}", cors_allowed_origins=f"{FRIEND}/, https://b.example"
    )  # fmt: skip
    with served(create_app(settings), port) as url:
        yield url


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"origin": "OWN"},
        {"origin": FRIEND, "x-forwarded-host": "app.example.com"},
        {"origin": FRIEND, "sec-fetch-site": "same-origin"},
    ],
)
def test_our_own_pages_are_allowed(world: World, headers: dict[str, str]) -> None:
    """From the same origin, or behind the frontend's rewrite; clients that are not browsers send no origin."""
    with world.client() as client:
        given = {name: world.url if value == "OWN" else value for name, value in headers.items()}

        assert client.delete("/api/sessions/x", headers=given).status_code == 404


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": FRIEND},
        {"origin": "null"},
        {"origin": "https://evil.example", "sec-fetch-site": "cross-site"},
        {"origin": "https://evil.example", "x-forwarded-host": "app.example.com"},
        {"origin": "http://127.0.0.1.evil.example"},
        {"origin": "garbage"},
        {"origin": "http://["},
        {"origin": "http://[::1"},
        {"origin": "//"},
    ],
)
@pytest.mark.parametrize(("method", "path"), [("POST", "/api/sessions"), ("DELETE", "/api/sessions/x")])
def test_pages_of_other_sites_are_refused(world: World, method: str, path: str, headers: dict[str, str]) -> None:
    """Even if the browser sends the learner's cookie."""
    with world.client() as client:
        answer = client.request(method, path, headers=headers)

    assert (answer.status_code, answer.json()["code"]) == (403, "FORBIDDEN_ORIGIN")


def test_cors_is_off_unless_configured(world: World) -> None:
    """No answer contains a CORS header."""
    with world.client() as client:
        answer = client.get("/api/sessions", headers={"origin": FRIEND})

    assert answer.status_code == 200
    assert not any(name.startswith("access-control") for name in answer.headers)


def test_a_configured_origin_is_allowed(open_url: str) -> None:
    """It gets a preflight, answers with credentials, and readable errors; other origins are refused."""
    with httpx.Client(base_url=open_url, trust_env=False) as client:
        ask = {
            "origin": FRIEND,
            "access-control-request-method": "POST",
            "access-control-request-headers": "content-type",
        }
        preflight = client.options("/api/sessions", headers=ask)
        answer = client.post("/api/sessions", headers={"origin": FRIEND})
        other = client.post("/api/sessions", headers={"origin": "https://evil.example"})

    assert preflight.status_code == 200 and preflight.headers["access-control-allow-origin"] == FRIEND
    assert answer.status_code == 401 and answer.headers["access-control-allow-credentials"] == "true"
    assert other.status_code == 403 and "access-control-allow-origin" not in other.headers
