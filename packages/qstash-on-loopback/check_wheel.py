"""Builds the wheel, installs it into an empty environment and delivers a message through it: ``make package``."""

import json
import os
import re
import subprocess
import sys
import tempfile
import threading
import urllib.request
import venv
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

HERE = Path(__file__).parent
TIMEOUT_S = 60


class Destination(HTTPServer):
    """Receives one delivery."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.signature = ""
        self.arrived = threading.Event()
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Handler(BaseHTTPRequestHandler):
    """Answers 200."""

    def do_POST(self) -> None:
        """Records the signature."""
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(200)
        self.end_headers()
        assert isinstance(self.server, Destination)
        self.server.signature = self.headers["upstash-signature"]
        self.server.arrived.set()

    def log_message(self, format: str, *args: object) -> None:
        """Logs nothing."""


def main() -> None:
    """Raises an exception if something does not work."""
    output = Path(sys.argv[1])
    subprocess.run([sys.executable, "-m", "build", "--outdir", output, HERE], check=True, timeout=600)
    [wheel] = output.glob("*.whl")
    with tempfile.TemporaryDirectory() as directory:
        environment = Path(directory) / "empty"
        venv.create(environment, with_pip=True)
        python = environment / "bin" / "python"
        subprocess.run([python, "-m", "pip", "install", "--quiet", wheel], check=True, timeout=600)
        clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        for command in ([environment / "bin" / "qstash-on-loopback"], [python, "-m", "qstash_on_loopback"]):
            send_through([*command, "--port", "0"], directory, clean)
    print(f"{wheel.name} works in an empty environment")


def send_through(command: list[str | Path], directory: str, environment: dict[str, str]) -> None:
    """Start the server, publish, and wait for the delivery."""
    destination = Destination()
    with subprocess.Popen(command, cwd=directory, env=environment, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            settings = dict(server.stdout.readline().strip().split("=", 1) for _ in range(4))
            assert "is running" in server.stdout.readline()
            url = f"{settings['QSTASH_URL']}/v2/publish/http://127.0.0.1:{destination.server_port}/hook"
            headers = {"authorization": f"Bearer {settings['QSTASH_TOKEN']}"}
            with urllib.request.urlopen(urllib.request.Request(url, b"hello", headers), timeout=TIMEOUT_S) as answer:
                assert json.load(answer)["messageId"]
            assert destination.arrived.wait(TIMEOUT_S), "the message did not arrive"
            assert re.fullmatch(r"[\w-]+\.[\w-]+\.[\w-]+", destination.signature)
            with urllib.request.urlopen(settings["QSTASH_URL"] + "/", timeout=TIMEOUT_S) as page:
                assert b"QStash on this machine" in page.read()
        finally:
            server.terminate()
            destination.shutdown()


if __name__ == "__main__":
    main()
