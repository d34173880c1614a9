"""Causes every answer that docs/openapi.json documents, and compares status, body and headers with the document."""

import json
from collections.abc import Generator
from typing import Any

import pytest

from app.application import create_app
from local.ports import LOOPBACK, free_port
from local.storage import Storage
from tests.conftest import make_settings
from tests.support.callers import Callers
from tests.support.causes import CAUSES, SHARED_500
from tests.support.openapi import ANY, DOCUMENT, Answer, answers, faults, operation, operations
from tests.support.providers import Providers
from tests.support.serving import served
from tests.support.world import MigratedDatabase, World


@pytest.fixture(scope="module")
def strict_url(
    migrated: MigratedDatabase, storage: Storage, shared_providers: tuple[Providers, str]
) -> Generator[str, None, None]:
    """An application with short time limits, one upload at a time and no signing keys."""
    port = free_port()
    changes = {"body_idle_seconds": "2", "max_uploads_per_learner": "1"}
    keys = {"QSTASH_CURRENT_SIGNING_KEY": "", "QSTASH_NEXT_SIGNING_KEY": ""}
    settings = make_settings(migrated, storage, shared_providers[1], f"http://{LOOPBACK}:{port}", **keys, **changes)
    with served(create_app(settings), port) as url:
        yield url


@pytest.fixture
def callers(world: World, strict_url: str) -> Callers:
    """The callers of both applications."""
    return Callers(world, strict_url)


def documented_headers(answer: Answer) -> dict[str, Any]:
    """The documented headers of an answer."""
    if answer.operation == ANY:
        return DOCUMENT["components"]["responses"][answer.name].get("headers", {})
    return operation(answer.operation)["responses"][str(answer.status)].get("headers", {})


def test_every_documented_answer_has_a_cause() -> None:
    """And every cause has a documented answer, so nothing is documented that is not tested."""
    documented = {(answer.operation, answer.status, answer.name) for answer in answers()}

    assert documented == CAUSES.keys()
    shared = {each["operationId"] for _, _, each in operations() if "$ref" in each["responses"].get("500", {})}
    assert shared == SHARED_500.keys()


@pytest.mark.parametrize("answer", answers(), ids=str)
def test_documented_answer_is_given(callers: Callers, answer: Answer) -> None:
    """Status, keys and their order, headers, and for errors the code and message are as documented."""
    given = CAUSES[answer.operation, answer.status, answer.name](callers)

    assert given.status_code == answer.status, given.text
    assert given.headers["content-type"] == "application/json"
    body = json.loads(given.content)
    assert faults(body, answer.schema) == []
    if answer.status >= 400:
        assert body == answer.example
    headers = documented_headers(answer)
    for name in ("Upstash-NonRetryable-Error", "Connection", "Cache-Control"):
        assert name not in headers or name in given.headers, name
    if answer.name in ("Leased", "TooManyUploads", "TooManyOpenUploads"):
        assert int(given.headers["retry-after"]) > 0


@pytest.mark.parametrize("name", SHARED_500)
def test_database_outage_is_the_documented_500(callers: Callers, name: str) -> None:
    """Each operation that refers to the shared InternalError answer returns it."""
    given = SHARED_500[name](callers)

    response = DOCUMENT["components"]["responses"]["InternalError"]["content"]["application/json"]
    assert (given.status_code, given.json()) == (500, response["examples"]["InternalError"]["value"])
