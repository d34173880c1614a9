"""Runs the code of docs/frontend.md for direct uploads in Node, against the application."""

import base64
import os
import re
import subprocess
from pathlib import Path

from local.migrate import ROOT, node
from local.token import session_cookie
from tests.support.world import AUDIO, SECRET, World

# Emulates what a browser does by itself: relative URLs and the cookie.
BROWSER = """
const own = process.env.APP, native = fetch;
globalThis.fetch = (url, options = {}) => url.startsWith('/')
  ? native(own + url, { ...options, headers: { ...options.headers, cookie: process.env.COOKIE, origin: own } })
  : native(url, options);
const { upload } = await import(process.env.SNIPPET);
const bytes = Buffer.from(process.env.AUDIO, 'base64');
console.log(await upload(new Blob([bytes], { type: 'audio/webm;codecs=opus' }), 12.5, 'snippet'));
"""


def test_the_snippet_in_the_docs_uploads(world: World, tmp_path: Path) -> None:
    """With only its types removed, it works: the session it returns is uploaded, published and can be processed."""
    page = (ROOT / "docs" / "frontend.md").read_text()
    [snippet] = re.findall(r"```ts\n(export async function upload.*?)```", page, re.DOTALL)
    untyped = re.sub(
        r"\((recording): Blob, (seconds): number, (topic)\?: string\): Promise<string>", r"(\1, \2, \3)", snippet
    )
    (tmp_path / "snippet.mjs").write_text(untyped)
    (tmp_path / "browser.mjs").write_text(BROWSER)
    env = {
        **os.environ,
        "APP": world.url,
        "COOKIE": session_cookie(SECRET, world.settings.app_url, "ada"),
        "SNIPPET": str(tmp_path / "snippet.mjs"),
        "AUDIO": base64.b64encode(AUDIO).decode(),
    }
    done = subprocess.run([node(), str(tmp_path / "browser.mjs")], env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    session_id = done.stdout.strip()

    assert world.database.session(session_id)["status"] == "UPLOADED"
    assert world.deliver(session_id).status_code == 200
    assert world.providers.transcriptions[-1]["content"] == AUDIO
