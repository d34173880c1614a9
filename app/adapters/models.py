"""Shared by the adapters of OpenAI and Anthropic, whose SDKs are alike: the choice of a model, and what a refusal means."""

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

import structlog

from app.adapters.retry_after import retry_after_s
from app.errors import Misconfigured, StepFailed, Transient

log = structlog.get_logger()

# The default of both SDKs: three attempts within seconds. A Retry-After of up to a minute is honored if it fits the delivery's
# deadline (retry_after.py).
SDK_RETRIES = 2
# How long a retired model is skipped, in seconds. Not forever, because the provider's answer may be a mistake.
SKIPPED_FOR_S = 3600

# Providers answer 404 with one of these for a retired model, and just the same for one that the key may not use.
# https://developers.openai.com/api/docs/deprecations, https://platform.claude.com/docs/en/about-claude/model-deprecations
_GONE = {"model_not_found", "not_found_error", "model_deprecated", "deprecated_model"}
_SAID_TO_BE_GONE = re.compile(
    r"\bmodel\b.{0,200}\b(deprecated|retired|shut ?down|discontinued|no longer)\b", re.IGNORECASE | re.DOTALL
)
# https://developers.openai.com/api/docs/guides/error-codes, https://platform.claude.com/docs/en/api/errors
_NO_CREDIT = {"insufficient_quota", "billing_hard_limit_reached", "billing_not_active", "billing_error"}


@dataclass(frozen=True)
class Usage:
    """What a call used: seconds of audio or tokens, and their cost in US dollars at the prices in MODELS."""

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
    """The models named in ``setting``, in its order of preference: ``all``, of which retired ones are skipped."""

    def __init__(self, setting: str, names: str, row: Callable[[str], Model]) -> None:
        self._setting = setting
        self.all = [row(name.strip()) for name in names.split(",") if name.strip()]
        self._gone_until: dict[str, float] = {}

    def first(self) -> Model:
        """The first that is not retired. Raises Misconfigured if none is left."""
        now = time.monotonic()
        for model in self.all:
            if self._gone_until.get(model.name, 0) <= now:
                return model
        raise Misconfigured(self._setting)

    def skip(self, model: Model) -> None:
        """Skip a model that its provider says is retired. Logged at most once an hour per model."""
        now = time.monotonic()
        if self._gone_until.get(model.name, 0) <= now:
            self._gone_until[model.name] = now + SKIPPED_FOR_S
            log.error("model_gone", model=model.name, setting=self._setting)


@dataclass(frozen=True)
class ProviderError:
    """An error response of a provider. ``kinds`` are its machine-readable codes; none of its text is kept."""

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


def provider_error(
    status: int, body: object, headers: Mapping[str, str], request_headers: Mapping[str, str]
) -> ProviderError:
    """Parse an error response. ``body`` is what the SDK exposes: for OpenAI the inner error object, for Anthropic the whole."""
    error = _mapping(_mapping(body).get("error")) or _mapping(body)
    kinds = frozenset(str(error[name]) for name in ("code", "type") if error.get(name))
    # The SDK counts its attempts here, unless ANTHROPIC_CUSTOM_HEADERS replaces the header.
    count = request_headers.get("x-stainless-retry-count", "0")
    said = _SAID_TO_BE_GONE.search(str(error.get("message", ""))[:1000])
    gone = (status in (400, 404) and bool(kinds & _GONE)) or (status == 400 and said is not None)
    return ProviderError(
        status,
        kinds,
        str(error["param"]) if error.get("param") else None,
        gone,
        retry_after_s(headers),
        int(count) + 1 if count.isdecimal() else 1,
    )


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}  # pyright: ignore[reportUnknownVariableType]
