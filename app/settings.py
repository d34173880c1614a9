"""The settings: read once from the environment, checked, frozen, handed down."""

import re
from typing import Annotated, Literal, TypeVar

from pydantic import AfterValidator, AliasChoices, Field, PositiveInt, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

Text = TypeVar("Text", str, SecretStr)
# Cloudflare's account ids: https://developers.cloudflare.com/fundamentals/account/find-account-and-zone-ids/
ACCOUNT_ID = re.compile(r"[0-9a-f]{32}", re.ASCII)
ORIGIN = re.compile(r"https?://[^/?#@\s]+", re.ASCII)


def _web_address(value: str) -> str:
    if not ORIGIN.match(value) or any(mark in value for mark in "?#"):
        raise ValueError("must start with http:// or https:// and name a host, as in https://api.example.com")
    return value.rstrip("/")


def _web_address_or_none(value: str) -> str:
    return _web_address(value) if value else ""


def _postgresql(value: SecretStr) -> SecretStr:
    if not value.get_secret_value().startswith(("postgresql://", "postgres://")):
        raise ValueError("must start with postgresql://: no other database will do")
    return value


def _no_white_space(value: Text) -> Text:
    text = value.get_secret_value() if isinstance(value, SecretStr) else value
    if text != text.strip() or "\n" in text:
        raise ValueError("begins or ends with white space, or has a line break in it: copy it anew")
    return value


def _account_id(value: str) -> str:
    if value and not ACCOUNT_ID.fullmatch(value):
        raise ValueError("is not an account id (32 digits from 0 to f): a whole address belongs in R2_ENDPOINT_URL")
    return value


def _origins(value: str) -> str:
    for origin in filter(None, (each.strip() for each in value.split(","))):
        if origin == "*":
            raise ValueError("cannot be *, for a cookie is sent: name each origin, as in https://app.example.com")
        if not ORIGIN.fullmatch(origin.rstrip("/")):
            raise ValueError("must hold origins separated by commas, each without a path: https://app.example.com")
    return value


Required = Annotated[str, Field(min_length=1), AfterValidator(_no_white_space)]
Secret = Annotated[SecretStr, AfterValidator(_no_white_space)]
RequiredSecret = Annotated[Secret, Field(min_length=1)]
Url = Annotated[str, AfterValidator(_web_address)]


class QueueSettings(BaseSettings):
    """What the sweep's schedule needs. Raises ``ValidationError``, without values, on a bad one."""

    model_config = SettingsConfigDict(frozen=True, env_ignore_empty=True, hide_input_in_errors=True, extra="ignore")

    app_url: Url
    qstash_url: Url = "https://qstash.upstash.io"
    qstash_token: RequiredSecret

    @property
    def sweep_url(self) -> str:
        """Where the QStash schedule calls the sweep."""
        return f"{self.app_url}/api/internal/sweep"


class Settings(QueueSettings):
    """Every setting of the service; ``.env.example`` documents each. Raises ``ValidationError``, without values, on a bad one."""

    database_url: Annotated[RequiredSecret, AfterValidator(_postgresql)]
    auth_secret: RequiredSecret = Field(validation_alias=AliasChoices("AUTH_SECRET", "NEXTAUTH_SECRET"))

    # Without both keys the service starts, and refuses every delivery.
    qstash_current_signing_key: Secret = SecretStr("")
    qstash_next_signing_key: Secret = SecretStr("")
    qstash_flow_control_key: str = ""
    qstash_flow_control_parallelism: PositiveInt = 10

    r2_account_id: Annotated[str, AfterValidator(_account_id)] = ""
    r2_endpoint_url: Annotated[str, AfterValidator(_web_address_or_none)] = ""
    r2_access_key_id: Required
    r2_secret_access_key: RequiredSecret
    r2_bucket_name: Required

    openai_api_key: RequiredSecret
    openai_base_url: Url = "https://api.openai.com/v1"
    anthropic_api_key: RequiredSecret
    anthropic_base_url: Url = "https://api.anthropic.com"
    # In order of preference: a model that its provider has retired is skipped (docs/models.md).
    transcription_models: Required = "whisper-1,gpt-transcribe"
    analysis_models: Required = "claude-haiku-4-5,claude-haiku-5-5"

    # Longer than the platform lets a request run (300 s on Vercel), so that a lease ends only when its worker is dead.
    processing_lease_seconds: PositiveInt = 330
    # How long a delivery may work, and QStash waits for it: a little less than the platform's own limit.
    processing_timeout_seconds: PositiveInt = 290
    # Minimum age of an object without a session before the sweep deletes it.
    orphan_grace_seconds: PositiveInt = 3600
    # Maximum number of direct uploads of one learner that are not completed yet.
    open_uploads_per_learner: PositiveInt = 10
    # Child processes that open learners' recordings, for each worker: an hour of speech takes some three seconds of one core.
    media_processes: PositiveInt = 1
    media_cpu_seconds: PositiveInt = 20
    # Address space, 140 MB of which are Python and FFmpeg; an hour of speech takes 40 MB of real memory in all.
    media_memory_mb: PositiveInt = 512
    # Origins whose pages may call with the learner's cookie, comma-separated; empty: only our own.
    cors_allowed_origins: Annotated[str, AfterValidator(_origins)] = ""
    # A request body is refused when nothing arrives for the first, or when it is incomplete after the second.
    body_idle_seconds: PositiveInt = 30
    body_timeout_seconds: PositiveInt = 900
    # Maximum number of concurrent uploads of one learner, in each process. A browser sends one.
    max_uploads_per_learner: PositiveInt = 40
    log_format: Literal["json", "console"] = "json"

    @property
    def allowed_origins(self) -> frozenset[str]:
        """The origins of ``cors_allowed_origins``, as browsers write them."""
        named = (origin.strip().rstrip("/").lower() for origin in self.cors_allowed_origins.split(","))
        return frozenset(origin for origin in named if origin)

    @property
    def process_url(self) -> str:
        """Where QStash delivers, and so the ``sub`` of every delivery's signature."""
        return f"{self.app_url}/api/internal/process"

    @property
    def process_failed_url(self) -> str:
        """Where QStash calls once a message has used up its attempts."""
        return f"{self.app_url}/api/internal/process-failed"

    @property
    def storage_url(self) -> str:
        """The S3 address: the one given, or Cloudflare's for the account."""
        return self.r2_endpoint_url or f"https://{self.r2_account_id}.r2.cloudflarestorage.com"
