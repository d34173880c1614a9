"""The stand-ins for the models under several requests at once, in front of a page that has no business here, and their ports."""

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

# Among few ports, and kept until the standard input ends.
CHOOSE = """
import json, sys
from local import ports
ports.FIRST, ports.LAST = 22_000, 22_050
print(json.dumps([ports.free_port() for _ in range(12)]), flush=True)
sys.stdin.read()
"""
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


def test_no_two_processes_choose_the_same_port() -> None:
    """Between choosing a port and binding it, another process that chooses is given another one."""
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
