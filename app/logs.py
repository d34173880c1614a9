"""Structured logging that leaks nothing private: only known keys pass, and of an exception only its type is logged."""

import logging
import os
import sys
import threading
from collections.abc import Collection, Mapping
from typing import TextIO, TypeVar

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

# Any other key is dropped, so that a careless log call cannot leak. None of these contains text from
# outside, except ids that match a strict pattern.
ALLOWED_KEYS = frozenset(
    [
        *("event", "level", "timestamp", "logger", "error", "code", "reason", "retryable", "dropped_keys"),
        *("request_id", "method", "route", "status", "took_ms", "session_id", "message_id", "attempt"),
        *("audio_bytes", "words", "insights", "parts", "published", "audio_deleted", "counts", "setting", "attempts"),
        *("region", "model", "audio_s", "tokens_in", "tokens_out", "cost_usd"),
        *("orphans_deleted", "orphans_kept", "abandoned", "not_published"),
    ]
)
# The same for the attributes of spans and metrics (app/telemetry/__init__.py); a metric has only those that it declares.
ALLOWED_ATTRIBUTES = frozenset(
    [
        *("http.request.method", "http.route", "http.response.status_code", "error.type", "messaging.system"),
        *("messaging.operation.name", "messaging.operation.type", "gen_ai.operation.name", "gen_ai.provider.name"),
        *("gen_ai.request.model", "gen_ai.token.type", "gen_ai.usage.input_tokens", "gen_ai.usage.output_tokens"),
        *("speaking_coach.session_id", "speaking_coach.attempt", "step", "outcome", "reason", "result"),
    ]
)

Value = TypeVar("Value")


def configure_logging(log_format: str, stream: TextIO | None = None) -> None:
    """Set up logging to standard output, or to ``stream``: ``json``, or ``console`` for a reader at a terminal. Idempotent."""
    renderer: Processor = structlog.processors.JSONRenderer()
    if log_format == "console":
        renderer = structlog.dev.ConsoleRenderer(colors=(stream or sys.stdout).isatty())
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            drop_unknown_keys,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.WriteLoggerFactory(file=stream),
    )
    _quieten_libraries()


def drop_unknown_keys(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Keep the allowed keys; say how many were dropped."""
    kept = {key: value for key, value in event.items() if key in ALLOWED_KEYS}
    if len(kept) < len(event):
        kept["dropped_keys"] = len(event) - len(kept)
    return kept


def allowed_attributes(
    attributes: Mapping[str, Value], allowed: Collection[str] = ALLOWED_ATTRIBUTES
) -> dict[str, Value]:
    """The attributes that a span, or a metric with these ``allowed`` ones, may have."""
    return {name: value for name, value in attributes.items() if name in allowed}


def name_uncaught_exceptions() -> None:
    """Log the type of an uncaught exception instead of printing a traceback, whose last line quotes the message."""
    sys.excepthook = lambda kind, _error, _traceback: _log_uncaught(kind)
    sys.unraisablehook = lambda unraisable: _log_uncaught(unraisable.exc_type)
    threading.excepthook = lambda args: _log_uncaught(args.exc_type)


def _log_uncaught(kind: type[BaseException] | None) -> None:
    structlog.get_logger().error("exception_not_caught", error=kind.__name__ if kind else None)


def _quieten_libraries() -> None:
    # Libraries log requests, headers and exception messages. Of their records only the logger, level and error type are kept.
    root = logging.getLogger()
    root.handlers[:] = [_NameOnly(logging.WARNING)]
    root.setLevel(logging.WARNING)
    # uvicorn installs its own handlers, which print tracebacks ("Exception in ASGI application") and query strings.
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access", "uvicorn.asgi"):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
    # web/middleware.py logs the requests.
    logging.getLogger("uvicorn.access").disabled = True
    logging.captureWarnings(True)


class _NameOnly(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        kind = record.exc_info[0] if record.exc_info else None
        # The operating system's message, such as "Address already in use" when uvicorn cannot bind.
        reason = os.strerror(record.msg.errno) if isinstance(record.msg, OSError) and record.msg.errno else None
        structlog.get_logger().warning(
            "library_logged",
            logger=record.name,
            error=kind.__name__ if kind else None,
            code=record.levelname,
            **({"reason": reason} if reason else {}),
        )
