"""Reads the settings and cross-checks them. Each problem is a sentence that names the variable and the remedy."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from pydantic import SecretStr, ValidationError

from app.settings import REGIONS, QueueSettings, Settings

Read = TypeVar("Read", bound=QueueSettings)
# After its time-out a worker still has to record the failure before another may claim its session.
MARGIN_S = 20
SIGNING_KEYS = ("QSTASH_CURRENT_SIGNING_KEY", "QSTASH_NEXT_SIGNING_KEY")


class SettingsError(Exception):
    """The service cannot start with these settings; ``problems`` has a sentence for each, without values of secrets."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(f"- {problem}" for problem in problems))
        self.problems = problems


def load() -> Settings:
    """The settings of the environment. Raises SettingsError."""
    settings = read(Settings)
    if found := problems(settings):
        raise SettingsError(found)
    return settings


def read(kind: type[Read]) -> Read:
    """Settings of that class from the environment, each validated on its own. Raises SettingsError."""
    try:
        return kind()  # pyright: ignore[reportCallIssue]  # its values come from the environment
    except ValidationError as error:
        found = error.errors(include_input=False, include_url=False)
        raise SettingsError([_sentence(each) for each in found]) from None


def problems(settings: Settings) -> list[str]:
    """Conflicts between settings that are each valid on their own."""
    s = settings
    found: list[str] = []
    if not (s.r2_account_id or s.r2_endpoint_url):
        found.append(
            "R2_ACCOUNT_ID and R2_ENDPOINT_URL are both missing: set the first for Cloudflare R2, "
            "the second for another S3 store"
        )
    if s.processing_lease_seconds < s.processing_timeout_seconds + MARGIN_S:
        found.append(
            f"PROCESSING_LEASE_SECONDS ({s.processing_lease_seconds}) must be at least {MARGIN_S} s longer than "
            f"PROCESSING_TIMEOUT_SECONDS ({s.processing_timeout_seconds}), or two workers process one session: "
            f"set it to {s.processing_timeout_seconds + MARGIN_S} or more"
        )
    return found + _mixed_up_keys(s)


def warnings(settings: Settings) -> list[str]:
    """Problems that do not prevent the start, but disable a part of the service."""
    found: list[str] = []
    region = settings.qstash_region
    if not all(settings.signing_keys[""]):
        asked = (
            "" if any(settings.signing_keys[""]) or region else "python -m app serve asks QStash for them; otherwise "
        )
        found.append(
            f"{_missing(settings, SIGNING_KEYS)} missing: {asked}every delivery is refused until both are set; "
            "QStash's console has them"
        )
    names = [f"{region}_{name}" for name in ("QSTASH_URL", "QSTASH_TOKEN", *SIGNING_KEYS)] if region else []
    if missing := _missing(settings, names):
        found.append(
            f"{missing} missing: QSTASH_REGION needs all four; without them, the settings without a region are used"
        )
    return found


def _missing(settings: Settings, names: Sequence[str]) -> str:
    missing = [name for name in names if not getattr(settings, name.lower())]
    return f"{' and '.join(missing)} {'is' if len(missing) == 1 else 'are'}" if missing else ""


def _mixed_up_keys(s: Settings) -> list[str]:
    # Shapes: signing keys start with sig_ (https://upstash.com/docs/qstash/howto/signature), Anthropic's keys with sk-ant-.
    secrets = {name.upper(): value.get_secret_value() for name, value in s if isinstance(value, SecretStr)}
    prefixes = ("", *(f"{region}_" for region in REGIONS))
    # Keyed by value: with QSTASH_REGION, the plain token is the same as that region's.
    tokens = {secrets[f"{prefix}QSTASH_TOKEN"]: f"{prefix}QSTASH_TOKEN" for prefix in prefixes}
    found = [
        f"{name} holds a signing key (sig_…): copy {name} from QStash's console"
        for token, name in tokens.items()
        if token.startswith("sig_")
    ]
    for name in (f"{prefix}{key}" for prefix in prefixes for key in SIGNING_KEYS):
        if secrets[name] and not secrets[name].startswith("sig_"):
            held = f"holds {tokens[secrets[name]]}" if secrets[name] in tokens else "does not start with sig_"
            found.append(f"{name} {held}: copy {name} from QStash's console")
    if s.openai_api_key.get_secret_value().startswith("sk-ant-"):
        found.append("OPENAI_API_KEY holds an Anthropic key (sk-ant-…): create one at platform.openai.com")
    return found


def _sentence(error: Mapping[str, Any]) -> str:
    name = str(error["loc"][0]).upper()
    if error["type"] in ("missing", "string_too_short", "too_short"):
        return f"{name} is missing: set it; .env.example says what it is"
    if error["type"] == "value_error":
        return f"{name} {error['ctx']['error']}"
    reason = str(error["msg"]).removeprefix("Input should be ")
    return f"{name} must be {reason}"
