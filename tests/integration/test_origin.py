"""Who may call from a browser: our own pages, those behind a rewrite, those that the settings name."""

from collections.abc import Generator

import httpx
import pytest

from app.application import create_app
from local.ports import LOOPBACK, free_port
from local.storage import Storage
from tests.conftest import make_settings
from tests.support.providers import Providers
from tests.support.serving import served
from tests.support.world import Database, World

FRIEND = "https://app.example.com"


@pytest.fixture(scope="module")
def open_url(
    migrated: Database, storage: Storage, shared_providers: tuple[Providers, str]
) -> Generator[str, None, None]:
    """An application that lets one other origin in."""
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
def test_our_own_pages_may_call(world: World, headers: dict[str, str]) -> None:
    """Same origin, or behind the frontend's rewrite; a client that is no browser says nothing."""
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
def test_another_sites_page_may_not(world: World, method: str, path: str, headers: dict[str, str]) -> None:
    """A cookie that came along is no permission."""
    with world.client() as client:
        answer = client.request(method, path, headers=headers)

    assert (answer.status_code, answer.json()["code"]) == (403, "FORBIDDEN_ORIGIN")


def test_cors_is_off_unless_configured(world: World) -> None:
    """No permission is told to anybody."""
    with world.client() as client:
        answer = client.get("/api/sessions", headers={"origin": FRIEND})

    assert answer.status_code == 200
    assert not any(name.startswith("access-control") for name in answer.headers)


def test_a_named_origin_is_let_in(open_url: str) -> None:
    """Preflight, answer with credentials, and errors readable as well; nobody else."""
    with httpx.Client(base_url=open_url, trust_env=False) as client:
        ask = {
            "origin": FRIEND,
            "access-control-request-method": "POST",
            "access-control-request-headers": "content-type",
        }
        preflight = client.options("/api/sessions", headers=ask)
        answer = client.post("/api/sessions", headers={"origin": FRIEND})
        stranger = client.post("/api/sessions", headers={"origin": "https://evil.example"})

    assert preflight.status_code == 200 and preflight.headers["access-control-allow-origin"] == FRIEND
    assert answer.status_code == 401 and answer.headers["access-control-allow-credentials"] == "true"
    assert stranger.status_code == 403 and "access-control-allow-origin" not in stranger.headers
