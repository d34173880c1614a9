"""Runs the built function as Vercel does: with its own handler and server, and without this repository on its path."""

import json
import os
import socket
import threading
from pathlib import Path

from local.ports import LOOPBACK
from local.stack import START_TIMEOUT_S, Stack
from local.vercel.build import python_for_vercel

# The function's folder on Vercel.
TASK = "/var/task"


class FunctionStack(Stack):
    """The local stack with the built function instead of the application."""

    def __init__(self, directory: Path, function: Path) -> None:
        super().__init__(directory)
        self._function = function

    def start_application(self) -> str:
        """Start the function and return its URL."""
        config = json.loads((self._function / ".vc-config.json").read_text())
        declared = {name: value.replace(TASK, str(self._function)) for name, value in config["environment"].items()}
        settings = dict(self.environment)
        function_socket = FunctionSocket(self.directory / "ipc")
        environment = {
            **declared,
            # The function's engine is a script that starts this one.
            "STAND_IN_QUERY_ENGINE": settings.pop("PRISMA_QUERY_ENGINE_BINARY"),
            "PRISMA_ENGINE_NODE": os.environ.get("PRISMA_ENGINE_NODE") or "node",
            **settings,
            "PATH": "/usr/bin:/bin",
            "LOG_FORMAT": "json",
            "VERCEL_IPC_PATH": str(function_socket.path),
        }
        module, _, _ = config["handler"].partition(".")
        command = [python_for_vercel(), "-c", f"import {module}"]
        child = self.start_child("function", command, environment, self._function)
        child.wait_until(lambda: function_socket.port is not None, START_TIMEOUT_S)
        return f"http://{LOOPBACK}:{function_socket.port}"


class FunctionSocket:
    """The socket on which a function tells Vercel that it has started, on which port it listens, and what it logs."""

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
