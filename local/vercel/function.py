"""Runs the built function as Vercel does: its own start, its own server, nothing of this repository on its path."""

import json
import os
import socket
import threading
from pathlib import Path

from local.ports import LOOPBACK
from local.stack import START_TIMEOUT_S, Stack
from local.vercel.build import python_for_vercel

# Where the function lies on Vercel.
TASK = "/var/task"


class FunctionStack(Stack):
    """The local stack with the built function in the application's place."""

    def __init__(self, directory: Path, function: Path) -> None:
        super().__init__(directory)
        self._function = function

    def start_application(self) -> str:
        """Start the function; its address."""
        config = json.loads((self._function / ".vc-config.json").read_text())
        declared = {name: value.replace(TASK, str(self._function)) for name, value in config["environment"].items()}
        settings = dict(self.environment)
        channel = Channel(self.directory / "ipc")
        environment = {
            **declared,
            # The bundle's own engine is one that goes on to this.
            "STAND_IN_QUERY_ENGINE": settings.pop("PRISMA_QUERY_ENGINE_BINARY"),
            "PRISMA_ENGINE_NODE": os.environ.get("PRISMA_ENGINE_NODE") or "node",
            **settings,
            "PATH": "/usr/bin:/bin",
            "LOG_FORMAT": "json",
            "VERCEL_IPC_PATH": str(channel.path),
        }
        module, _, _ = config["handler"].partition(".")
        command = [python_for_vercel(), "-c", f"import {module}"]
        child = self.start_child("function", command, environment, self._function)
        child.wait_until(lambda: channel.port is not None, START_TIMEOUT_S)
        return f"http://{LOOPBACK}:{channel.port}"


class Channel:
    """The socket on which the platform hears what a function says: that it has started, where it serves, its logs."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.port: int | None = None
        path.unlink(missing_ok=True)
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen()
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        connection, _ = self._listener.accept()
        rest = b""
        with connection, self._listener:
            while received := connection.recv(65536):
                *messages, rest = (rest + received).split(b"\0")
                for message in map(json.loads, messages):
                    if message["type"] == "server-started":
                        self.port = int(message["payload"]["httpPort"])
