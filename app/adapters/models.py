"""What the adapters of OpenAI and Anthropic share: models in order, and what a refusal means. Their SDKs are built alike."""

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

import structlog

from app.adapters.retry_after import retry_after_s
from app.errors import Misconfigured, StepFailed, Transient

log = structlog.get_logger()

# The default of both SDKs: three attempts within seconds, a Retry-After of up to a minute obeyed while it fits the delivery's
# deadline (retry_after.py).
SDK_RETRIES = 2
# How long a retired model is skipped, in seconds. Not for ever: the provider may have answered so by mistake.
SKIPPED_FOR_S = 3600

# Models that the providers have switched off are answered 404 with one of these; whether the key may not use it, they do not
# say. https://developers.openai.com/api/docs/deprecations, https://platform.claude.com/docs/en/about-claude/model-deprecations
_GONE = {"model_not_found", "not_found_error", "model_deprecated", "deprecated_model"}
_SAID_TO_BE_GONE = re.compile(
    r"\bmodel\b.{0,200}\b(deprecated|retired|shut ?down|discontinued|no longer)\b", re.IGNORECASE | re.DOTALL
)
# https://developers.openai.com/api/docs/guides/error-codes, https://platform.claude.com/docs/en/api/errors
_NO_CREDIT = {"insufficient_quota", "billing_hard_limit_reached", "billing_not_active", "billing_error"}


@dataclass(frozen=True)
class Usage:
    """What a call cost: ``audio_s`` seconds of sound or tokens, US dollars by the prices in the table of models."""

    model: str
    attempts: int
    audio_s: float = 0.0
    tokens_in: int = 0
    tokens_out: int = 0
    cost_usd: float = 0.0

    @property
    def logged(self) -> dict[str, str | float]:
        """The figures for a log line."""
        return {name: value for name, value in vars(self).items() if value}


class Named(Protocol):
    """A row of a table of models."""

    @property
    def name(self) -> str: ...


Model = TypeVar("Model", bound=Named)


class Models(Generic[Model]):
    """The models that the ``setting`` names, in its order, without those that are gone."""

    def __init__(self, setting: str, names: str, row: Callable[[str], Model]) -> None:
        self._setting = setting
        self._models = [row(name.strip()) for name in names.split(",") if name.strip()]
        self._gone_until: dict[str, float] = {}

    @property
    def all(self) -> list[Model]:
        """Every model of the setting, gone or not."""
        return self._models

    def first(self) -> Model:
        """The first that is not gone. Raises Misconfigured if none is left."""
        now = time.monotonic()
        for model in self._models:
            if self._gone_until.get(model.name, 0) <= now:
                return model
        raise Misconfigured(self._setting)

    def forget(self) -> None:
        """Ask for every model again."""
        self._gone_until.clear()

    def skip(self, model: Model) -> None:
        """Skip a model that its provider says is gone. Logged once an hour, however many calls find out."""
        now = time.monotonic()
        if self._gone_until.get(model.name, 0) <= now:
            self._gone_until[model.name] = now + SKIPPED_FOR_S
            log.error("model_gone", model=model.name, setting=self._setting)


@dataclass(frozen=True)
class Refusal:
    """An answer of a provider that is no success. ``kind`` is its machine code; nothing of its text is kept."""

    status: int
    kinds: frozenset[str]
    parameter: str | None
    model_gone: bool
    retry_after_s: int | None
    attempts: int

    def failure(self, service: str, key_setting: str) -> StepFailed:
        """Misconfigured if the key or the account is refused, otherwise Transient."""
        if self.status in (401, 402, 403) or self.kinds & _NO_CREDIT:
            return Misconfigured(key_setting)
        return Transient(f"The {service} service could not answer", self.retry_after_s)


def refusal(status: int, body: object, headers: Mapping[str, str], request_headers: Mapping[str, str]) -> Refusal:
    """Read an error answer. ``body`` is what the SDK made of it: the inner error of OpenAI's, the outer of Anthropic's."""
    error = _mapping(_mapping(body).get("error")) or _mapping(body)
    kinds = frozenset(str(error[name]) for name in ("code", "type") if error.get(name))
    gone = (status == 404 and bool(kinds & _GONE)) or (status == 400 and _says_gone(error, kinds))
    return Refusal(
        status,
        kinds,
        str(error["param"]) if error.get("param") else None,
        gone,
        retry_after_s(headers),
        attempts(request_headers),
    )


def _says_gone(error: Mapping[str, Any], kinds: frozenset[str]) -> bool:
    return bool(kinds & _GONE) or _SAID_TO_BE_GONE.search(str(error.get("message", ""))[:1000]) is not None


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}  # pyright: ignore[reportUnknownVariableType]


def attempts(request_headers: Mapping[str, str]) -> int:
    """How many attempts were made when the last request had these headers."""
    count = request_headers.get("x-stainless-retry-count", "0")
    return int(count) + 1 if count.isdecimal() else 1
