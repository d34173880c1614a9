"""The stand-ins for the models under several requests at once, and in front of a page that has no business here."""

from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from starlette.applications import Starlette

from local.analysis.__main__ import app as analysis
from local.serving import LoopbackOnly
from local.speech.__main__ import app as speech
from tests.support.serving import served

SPOKEN = "\n\nTranscript:\n" + "He go home since three years and people was happy. " * 40


def test_analyses_at_once_do_not_disturb_each_other() -> None:
    """Its linter is one object that two threads must not use at the same time."""
    body = {"model": "any", "messages": [{"role": "user", "content": SPOKEN}]}
    with (
        served(analysis) as url,
        httpx.Client(base_url=url, headers={"x-api-key": "k"}, timeout=60) as client,
        ThreadPoolExecutor(12) as threads,
    ):
        asked = [threads.submit(client.post, "/v1/messages", json=body) for _ in range(36)]
        answers = [each.result() for each in asked]

    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.json()["content"][0]["text"] for answer in answers}) == 1


@pytest.mark.parametrize("app", [analysis, speech], ids=["analysis", "speech"])
@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"host": "evil.example"}, 400),
        ({"host": "127.0.0.1.evil.example:80"}, 400),
        ({"origin": "https://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({}, 404),
    ],
    ids=["a foreign name", "a name that begins alike", "a foreign page", "a page without an origin", "a program"],
)
def test_a_page_of_another_site_is_refused(app: Starlette, headers: dict[str, str], status: int) -> None:
    """Neither by a name pointed at this machine nor by a request across origins; a program is let through."""
    with served(LoopbackOnly(app)) as url:
        answer = httpx.get(f"{url}/no-such-path", headers=headers, trust_env=False)

    assert answer.status_code == status
