"""The stand-ins for the models: concurrent requests, requests of foreign web pages, and port selection."""

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from starlette.applications import Starlette

from local.analysis.__main__ import app as analysis
from local.migrate import ROOT
from local.serving import LoopbackOnly
from local.speech.__main__ import app as speech
from tests.support.serving import served

# Chooses among few ports, and keeps them until standard input is closed.
CHOOSE = """
import json, sys
from local import ports
ports.FIRST, ports.LAST = 22_000, 22_050
print(json.dumps([ports.free_port() for _ in range(12)]), flush=True)
sys.stdin.read()
"""
SPOKEN = "\n\nTranscript:\n" + "He go home since three years and people was happy. " * 40


def test_analyses_at_once_do_not_disturb_each_other() -> None:
    """Two threads must not use the linter at the same time: concurrent answers are the same as a single one."""
    body = {"model": "any", "messages": [{"role": "user", "content": SPOKEN}]}
    with (
        served(analysis) as url,
        httpx.Client(base_url=url, headers={"x-api-key": "k"}, timeout=60) as client,
        ThreadPoolExecutor(12) as threads,
    ):
        alone = client.post("/v1/messages", json=body)
        asked = [threads.submit(client.post, "/v1/messages", json=body) for _ in range(36)]
        answers = [each.result() for each in asked]

    assert {answer.status_code for answer in answers} == {200}
    [text] = {answer.json()["content"][0]["text"] for answer in [alone, *answers]}
    assert json.loads(text)["insights"]


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
    """By a host name that resolves to this machine, or by a cross-origin request; other programs are accepted."""
    with served(LoopbackOnly(app)) as url:
        answer = httpx.get(f"{url}/no-such-path", headers=headers, trust_env=False)

    assert answer.status_code == status


def test_no_two_processes_choose_the_same_port() -> None:
    """A port that one process has chosen but not yet bound is not given to another process."""
    chosen = [
        subprocess.Popen(
            [sys.executable, "-c", CHOOSE], cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        for _ in range(3)
    ]
    given = [json.loads(process.stdout.readline()) for process in chosen if process.stdout]
    for process in chosen:
        process.communicate()

    ports = [port for ports in given for port in ports]
    assert len(ports) == 36 and len(set(ports)) == 36
