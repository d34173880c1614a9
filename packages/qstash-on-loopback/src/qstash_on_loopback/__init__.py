"""A local QStash server: publishes, signs, delivers and retries messages on one machine."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from qstash_on_loopback.signing import CURRENT_KEY, NEXT_KEY, TOKEN

if TYPE_CHECKING:
    from qstash_on_loopback.persistence import StoreError
    from qstash_on_loopback.server import App, create_app
    from qstash_on_loopback.service import Options

__all__ = ["CURRENT_KEY", "NEXT_KEY", "TOKEN", "App", "Options", "StoreError", "create_app"]

# Imported on first use: every pytest run loads the plugin, but only some need the server.
_MODULES = {"App": "server", "create_app": "server", "Options": "service", "StoreError": "persistence"}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
