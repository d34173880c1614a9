"""The settings: read once from the environment, validated, frozen and passed on."""

from typing import Any, Literal

from pydantic import AliasChoices, Field, PositiveInt, SecretStr, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from app.setting_types import (
    AccountId,
    ApiKey,
    DatabaseUrl,
    Origins,
    Region,
    Required,
    RequiredSecret,
    Secret,
    Url,
    region_name,
)

REGIONS = ("EU_CENTRAL_1", "US_EAST_1")
SigningKeys = dict[str, tuple[str, str]]


class QueueSettings(BaseSettings):
    """What the sweep's schedule needs. Raises ``ValidationError``, without the values, if one is invalid.

    If ``qstash_region`` is set and that region's URL and token are too, they replace ``qstash_url`` and ``qstash_token``, as in
    QStash's JavaScript SDK (https://upstash.com/docs/qstash/howto/multi-region).
    """

    model_config = SettingsConfigDict(frozen=True, env_ignore_empty=True, hide_input_in_errors=True, extra="ignore")

    app_url: Url
    qstash_url: Url = "https://qstash.upstash.io"
    qstash_token: ApiKey
    # For a move between QStash's regions: publish in this one, accept deliveries from both (docs/operations.md).
    qstash_region: Region = ""
    eu_central_1_qstash_url: Url = ""
    eu_central_1_qstash_token: Secret = SecretStr("")
    us_east_1_qstash_url: Url = ""
    us_east_1_qstash_token: Secret = SecretStr("")

    @model_validator(mode="before")
    @classmethod
    def _publish_in_region(cls, values: dict[str, Any]) -> dict[str, Any]:
        prefix = region_name(str(values.get("qstash_region", ""))).lower()
        regional = {name: values.get(f"{prefix}_{name}") for name in ("qstash_url", "qstash_token")}
        return {**values, **regional} if all(regional.values()) else values

    @property
    def sweep_url(self) -> str:
        """Where the QStash schedule calls the sweep."""
        return f"{self.app_url}/api/internal/sweep"


class Settings(QueueSettings):
    """Every setting; ``.env.example`` documents each. Raises ``ValidationError``, without the values, if one is invalid."""

    database_url: DatabaseUrl
    auth_secret: RequiredSecret = Field(validation_alias=AliasChoices("AUTH_SECRET", "NEXTAUTH_SECRET"))

    # Unless both keys are set, the service starts but refuses every delivery.
    qstash_current_signing_key: Secret = SecretStr("")
    qstash_next_signing_key: Secret = SecretStr("")
    eu_central_1_qstash_current_signing_key: Secret = SecretStr("")
    eu_central_1_qstash_next_signing_key: Secret = SecretStr("")
    us_east_1_qstash_current_signing_key: Secret = SecretStr("")
    us_east_1_qstash_next_signing_key: Secret = SecretStr("")
    qstash_flow_control_key: str = ""
    qstash_flow_control_parallelism: PositiveInt = 10

    r2_account_id: AccountId = ""
    r2_endpoint_url: Url = ""
    r2_access_key_id: Required
    r2_secret_access_key: RequiredSecret
    r2_bucket_name: Required

    openai_api_key: ApiKey
    openai_base_url: Url = "https://api.openai.com/v1"
    anthropic_api_key: ApiKey
    anthropic_base_url: Url = "https://api.anthropic.com"
    # In order of preference: a model that its provider has retired is skipped (docs/models.md).
    transcription_models: Required = "whisper-1,gpt-transcribe"
    analysis_models: Required = "claude-haiku-4-5,claude-haiku-5-5"

    # Longer than the platform lets a request run (300 s on Vercel), so that a lease only expires once its worker is dead.
    processing_lease_seconds: PositiveInt = 330
    # How long a delivery may run, and how long QStash waits for it: a little less than the platform's own limit.
    processing_timeout_seconds: PositiveInt = 290
    # Minimum age of an object without a session before the sweep deletes it.
    orphan_grace_seconds: PositiveInt = 3600
    # Maximum number of direct uploads of one learner that are not completed yet.
    open_uploads_per_learner: PositiveInt = 10
    # Child processes per worker that open learners' recordings. An hour of speech takes about three seconds on one core.
    media_processes: PositiveInt = 1
    media_cpu_seconds: PositiveInt = 20
    # Limit on address space, 140 MB of which are Python and FFmpeg. Resident memory for an hour of speech is 40 MB in total.
    media_memory_mb: PositiveInt = 512
    # Comma-separated origins whose pages may send requests with the learner's cookie. Empty: only our own.
    cors_allowed_origins: Origins = ""
    # A request body is refused if no data arrives for this long. Less than Next.js's proxyTimeout (30 s by default), which
    # answers in plain text.
    body_idle_seconds: PositiveInt = 25
    # A request body is refused if it is not complete after this long.
    body_timeout_seconds: PositiveInt = 900
    # Maximum number of concurrent uploads of one learner, in each process. A browser sends one.
    max_uploads_per_learner: PositiveInt = 40
    log_format: Literal["json", "console"] = "json"

    @property
    def signing_keys(self) -> SigningKeys:
        """The current and next key of each region that has both. The key ``""`` holds the default pair.

        The default pair verifies every other delivery. It comes from the settings without a region or, if one of those is
        missing, from those of ``qstash_region``.
        """
        regional = {region: self._keys(f"{region.lower()}_") for region in REGIONS if self.qstash_region}
        plain = self._keys("")
        default = plain if all(plain) else regional.get(self.qstash_region, plain)
        return {"": default, **{region: keys for region, keys in regional.items() if all(keys)}}

    def regional_account(self, region: str) -> tuple[str, str]:
        """The QStash URL and token of a region, each empty if not set."""
        if not region:
            return "", ""
        token: SecretStr = getattr(self, f"{region.lower()}_qstash_token")
        return getattr(self, f"{region.lower()}_qstash_url"), token.get_secret_value()

    def _keys(self, prefix: str) -> tuple[str, str]:
        secrets: list[SecretStr] = [
            getattr(self, f"{prefix}qstash_{which}_signing_key") for which in ("current", "next")
        ]
        return secrets[0].get_secret_value(), secrets[1].get_secret_value()

    @property
    def allowed_origins(self) -> frozenset[str]:
        """The origins of ``cors_allowed_origins``, spelled as browsers send them."""
        origins = (origin.strip().rstrip("/").lower() for origin in self.cors_allowed_origins.split(","))
        return frozenset(origin for origin in origins if origin)

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
        """The S3 endpoint: the configured one, or Cloudflare's for the account."""
        return self.r2_endpoint_url or f"https://{self.r2_account_id}.r2.cloudflarestorage.com"
