"""``python -m app doctor`` when other programs answer at the configured addresses."""

from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from app.commands import doctor
from app.commands.checkups import CheckResult
from app.services import Services
from tests.integration.test_doctor import examined
from tests.support.deployment import CANARY, Deployment, deployed, deployment, queue
from tests.support.serving import served

__all__ = ["deployed", "deployment", "queue"]


def test_doctor_reports_an_answer_of_an_unknown_form(deployment: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
    """It does not abort the report, and is not quoted."""

    async def odd(_services: Services) -> list[CheckResult]:
        raise ValueError(CANARY)

    monkeypatch.setattr(doctor, "CHECKUPS", (odd, *doctor.CHECKUPS))

    async def list_only(_request: Request) -> Response:
        return JSONResponse([])

    with served(Starlette(routes=[Route("/{path:path}", list_only)])) as url:
        found = examined(deployment, OPENAI_BASE_URL=f"{url}/v1", QSTASH_URL=url)

    assert found["odd"][0] == "unknown" and "ValueError" in found["odd"][1] and CANARY not in str(found)
    assert found["model whisper-1"][0] == "wrong" and "sessions" in found


def test_doctor_names_the_service_that_refuses_us(deployment: Deployment) -> None:
    """Each provider that refuses our key, and a service behind APP_URL with other keys: they all answer 401."""

    async def refuse(_request: Request) -> Response:
        return JSONResponse({"error": "no"}, 401)

    with served(Starlette(routes=[Route("/{path:path}", refuse, methods=["GET", "POST"])])) as url:
        found = examined(deployment, OPENAI_BASE_URL=f"{url}/v1", ANTHROPIC_BASE_URL=url, APP_URL=url)

    assert found["model whisper-1"] == found["model claude-haiku-4-5"] == ("wrong", "the provider refuses our key")
    assert found["address"] == ("wrong", "the service behind APP_URL has other signing keys, or another APP_URL")
    gone = examined(
        deployment, OPENAI_BASE_URL=f"{url}/v1", QSTASH_URL=url, APP_URL=deployment.settings.anthropic_base_url
    )
    assert gone["address"] == ("wrong", "something else answers behind APP_URL (404)")
    assert [gone[point][0] for point in ("model whisper-1", "qstash")] == ["wrong"] * 2
    path = examined(deployment, QSTASH_URL=f"{deployment.settings.qstash_url}/v2")["qstash"]
    assert path[0] == "wrong" and "an address without a path" in path[1]


def test_doctor_detects_a_server_that_answers_everything(deployment: Deployment) -> None:
    """A web page at every address is neither QStash, nor a model, nor storage."""

    async def fine(_request: Request) -> Response:
        return JSONResponse({"ok": True})

    methods = ["GET", "PUT", "POST", "DELETE", "HEAD"]
    with served(Starlette(routes=[Route("/{path:path}", fine, methods=methods)])) as url:
        found = examined(
            deployment, QSTASH_URL=url, OPENAI_BASE_URL=url, ANTHROPIC_BASE_URL=url, R2_ENDPOINT_URL=url, APP_URL=url
        )

    points = ("qstash", "model whisper-1", "model claude-haiku-4-5", "storage", "address")
    assert [found[point][0] for point in points] == ["wrong"] * len(points), found
    refused = examined(deployment, R2_ENDPOINT_URL="http://my_minio:9000")["storage"]
    assert refused[0] == "wrong" and "R2_" in refused[1]


def test_doctor_distinguishes_our_own_failure_from_a_foreign_service(deployment: Deployment) -> None:
    """An answer with one of our error codes comes from our own service."""

    async def fail(_request: Request) -> Response:
        return JSONResponse({"error": "Internal server error", "code": "INTERNAL_ERROR"}, 500)

    with served(Starlette(routes=[Route("/{path:path}", fail, methods=["POST"])])) as url:
        found = examined(deployment, APP_URL=url)["address"]

    assert found == ("wrong", "the service behind APP_URL answers 500: see the other points, and its log")


def test_doctor_finds_rules_that_do_not_cover_us(deployment: Deployment) -> None:
    """Rules that expire only tagged objects, or allow uploads only from another page."""
    client, bucket = deployment.world.storage.client(), deployment.world.storage.bucket
    tagged = {"And": {"Prefix": "sessions/", "Tags": [{"Key": "k", "Value": "v"}]}}
    expiry: Any = {"Rules": [{"ID": "r", "Status": "Enabled", "Filter": tagged, "Expiration": {"Days": 3}}]}
    pages: Any = {"AllowedOrigins": ["https://elsewhere.example"], "AllowedMethods": ["PUT"], "AllowedHeaders": ["*"]}
    client.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration=expiry)
    client.put_bucket_cors(Bucket=bucket, CORSConfiguration={"CORSRules": [pages]})
    try:
        found = examined(deployment)
    finally:
        client.delete_bucket_lifecycle(Bucket=bucket)
        client.delete_bucket_cors(Bucket=bucket)

    assert found["storage lifecycle"][0] == "wrong"
    assert found["storage cors"][0] == "unknown" and "no CORS rule allows pages of http" in found["storage cors"][1]
