"""Session cookies of Auth.js itself. The fixture was created by ``encode`` of ``@auth/core/jwt`` 0.41."""

import base64
import json

import httpx
import pytest

from app.adapters.authjs import AuthJs
from local.migrate import ROOT
from local.token import session_cookie
from tests.support.world import SECRET, World

COOKIES: dict[str, str] = json.loads((ROOT / "tests/fixtures/authjs_cookies.json").read_text())
HEADER = ["; ".join(f"{name}={value}" for name, value in COOKIES.items())]


@pytest.mark.parametrize("app_url", ["http://localhost:8000", "https://api.example.com"])
def test_a_cookie_minted_by_authjs_is_read(app_url: str) -> None:
    """With both cookie names, each with the key derived from its name."""
    learner = AuthJs(SECRET, app_url).learner(HEADER)

    assert learner is not None
    assert (learner.external_id, learner.email, learner.name) == ("minted-by-auth-js", "mint@example.com", "Minted")


def test_a_cookie_is_not_accepted_under_another_name_or_secret() -> None:
    """The key is derived from the name, so a plain cookie is not accepted as a secure one."""
    plain, secure = "authjs.session-token", "__Secure-authjs.session-token"

    assert AuthJs(SECRET, "https://a.example").learner([f"{secure}={COOKIES[plain]}"]) is None
    assert AuthJs(SECRET + "x", "http://a.example").learner(HEADER) is None


def test_an_authjs_cookie_is_accepted_by_the_api(world: World) -> None:
    """In a request with other cookies."""
    cookies = f"theme=dark; authjs.session-token={COOKIES['authjs.session-token']}; authjs.csrf-token=x"
    answer = httpx.get(f"{world.url}/api/sessions", headers={"cookie": cookies}, trust_env=False, verify=False)

    assert answer.status_code == 200


@pytest.mark.parametrize("app_url", ["http://localhost:8000", "https://api.example.com"])
def test_our_own_cookie_names_the_key_as_authjs_does(app_url: str) -> None:
    """Auth.js finds the key by ``kid``, and refuses a cookie with another one."""
    name, _, token = session_cookie(SECRET, app_url, "ada").partition("=")

    assert kid(token) == kid(COOKIES[name])


def kid(token: str) -> str:
    """The key id in a token's header."""
    header = token.split(".")[0]
    key_id: str = json.loads(base64.urlsafe_b64decode(header + "=="))["kid"]
    return key_id
