"""Checks of the settings on startup: each problem is a sentence with the variable and the remedy, but no value."""

import re

import pytest

from app.checks import SettingsError, load, read, warnings
from app.settings import QueueSettings, Settings

COMPLETE = {
    "DATABASE_URL": "postgresql://user:canary@host:5432/name",
    "APP_URL": "https://api.example.com",
    "AUTH_SECRET": "canary",
    "QSTASH_TOKEN": "eyJcanary",
    "QSTASH_CURRENT_SIGNING_KEY": "sig_canary",
    "QSTASH_NEXT_SIGNING_KEY": "sig_canary2",
    "R2_ENDPOINT_URL": "http://storage:8333",
    "R2_ACCESS_KEY_ID": "canary",
    "R2_SECRET_ACCESS_KEY": "canary",
    "R2_BUCKET_NAME": "recordings",
    "OPENAI_API_KEY": "sk-canary",
    "ANTHROPIC_API_KEY": "sk-ant-canary",
}


def given(monkeypatch: pytest.MonkeyPatch, **changes: str) -> None:
    """Set up an environment with only these settings."""
    for name in [*Settings.model_fields, "nextauth_secret"]:
        monkeypatch.delenv(name.upper(), raising=False)
    for name, value in {**COMPLETE, **changes}.items():
        monkeypatch.setenv(name, value)


def test_complete_settings_have_no_problem_and_no_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    """Complete settings produce no output."""
    given(monkeypatch)

    assert warnings(load()) == []


BAD = [
    ({"DATABASE_URL": "mysql://user:canary@host/name"}, "DATABASE_URL must start with postgresql://"),
    ({"DATABASE_URL": ""}, "DATABASE_URL is missing"),
    ({"APP_URL": "api.example.com"}, "APP_URL must start with http:// or https://"),
    ({"APP_URL": "https://"}, "APP_URL must start with http:// or https:// and name a host"),
    ({"QSTASH_URL": "qstash.upstash.io"}, "QSTASH_URL must start with"),
    ({"OPENAI_BASE_URL": "ftp://canary"}, "OPENAI_BASE_URL must start with"),
    ({"R2_ENDPOINT_URL": "storage:8333"}, "R2_ENDPOINT_URL must start with http:// or https://"),
    ({"R2_ENDPOINT_URL": ""}, "R2_ACCOUNT_ID and R2_ENDPOINT_URL are both missing"),
    ({"R2_ACCOUNT_ID": "https://canary.r2.cloudflarestorage.com"}, "R2_ACCOUNT_ID is not an account id"),
    ({"PROCESSING_LEASE_SECONDS": "10"}, "PROCESSING_LEASE_SECONDS (10) must be at least 20 s longer"),
    ({"PROCESSING_TIMEOUT_SECONDS": "311"}, "set it to 331 or more"),
    ({"PROCESSING_TIMEOUT_SECONDS": "soon"}, "PROCESSING_TIMEOUT_SECONDS must be a valid integer"),
    ({"CORS_ALLOWED_ORIGINS": "*"}, "CORS_ALLOWED_ORIGINS cannot be *"),
    ({"CORS_ALLOWED_ORIGINS": "https://a.example,b.example"}, "CORS_ALLOWED_ORIGINS must hold origins"),
    ({"CORS_ALLOWED_ORIGINS": "https://a.example/page"}, "CORS_ALLOWED_ORIGINS must hold origins"),
    ({"QSTASH_TOKEN": "sig_canary"}, "QSTASH_TOKEN holds a signing key"),
    ({"QSTASH_NEXT_SIGNING_KEY": "eyJcanary"}, "QSTASH_NEXT_SIGNING_KEY holds QSTASH_TOKEN"),
    ({"QSTASH_CURRENT_SIGNING_KEY": "canary"}, "QSTASH_CURRENT_SIGNING_KEY does not start with sig_"),
    ({"OPENAI_API_KEY": "sk-ant-canary"}, "OPENAI_API_KEY holds an Anthropic key"),
    ({"QSTASH_REGION": "AP_SOUTH_1"}, "QSTASH_REGION must be"),
    ({"US_EAST_1_QSTASH_URL": "qstash.upstash.io"}, "US_EAST_1_QSTASH_URL must start with"),
    ({"US_EAST_1_QSTASH_TOKEN": "sig_canary"}, "US_EAST_1_QSTASH_TOKEN holds a signing key"),
    ({"EU_CENTRAL_1_QSTASH_NEXT_SIGNING_KEY": "canary"}, "EU_CENTRAL_1_QSTASH_NEXT_SIGNING_KEY does not start"),
    ({"AUTH_SECRET": "canary\n"}, "AUTH_SECRET begins or ends with white space"),
    ({"LOG_FORMAT": "xml"}, "LOG_FORMAT must be 'json' or 'console'"),
]


@pytest.mark.parametrize(("changes", "sentence"), BAD, ids=[sentence[:40] for _, sentence in BAD])
def test_an_invalid_setting_is_reported_in_one_sentence(
    monkeypatch: pytest.MonkeyPatch, changes: dict[str, str], sentence: str
) -> None:
    """Each problem is one sentence that never contains a secret's value."""
    given(monkeypatch, **changes)
    with pytest.raises(SettingsError) as caught:
        load()

    assert len(caught.value.problems) == 1
    assert sentence in caught.value.problems[0]
    assert "canary" not in str(caught.value)


def test_all_problems_are_reported_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that nobody has to start the service ten times."""
    given(monkeypatch, **dict.fromkeys(COMPLETE, ""))
    with pytest.raises(SettingsError) as caught:
        load()

    assert len(caught.value.problems) == 9


def test_missing_signing_keys_are_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    """The service starts, refuses every delivery, and warns about it on startup."""
    given(monkeypatch, QSTASH_CURRENT_SIGNING_KEY="")

    assert [re.split(" is missing", sentence)[0] for sentence in warnings(load())] == ["QSTASH_CURRENT_SIGNING_KEY"]


US = {
    "US_EAST_1_QSTASH_URL": "https://us",
    "US_EAST_1_QSTASH_TOKEN": "eyJus",
    "US_EAST_1_QSTASH_CURRENT_SIGNING_KEY": "sig_us",
    "US_EAST_1_QSTASH_NEXT_SIGNING_KEY": "sig_us2",
}


@pytest.mark.parametrize("region", ["US_EAST_1", "us-east-1"])
def test_a_region_replaces_address_and_token_and_adds_its_keys(monkeypatch: pytest.MonkeyPatch, region: str) -> None:
    """Like in the JavaScript SDK. If the region's settings are missing, the plain ones are used with a warning."""
    given(monkeypatch, **US, QSTASH_REGION=region)
    s = load()
    assert (s.qstash_url, s.qstash_token.get_secret_value(), warnings(s)) == ("https://us", "eyJus", [])
    assert s.signing_keys == {"": ("sig_canary", "sig_canary2"), "US_EAST_1": ("sig_us", "sig_us2")}

    for name in US:
        given(monkeypatch, **{**US, name: ""}, QSTASH_REGION=region)
        s = load()
        published = (
            ("https://qstash.upstash.io", "eyJcanary") if name[-3:] in ("URL", "KEN") else ("https://us", "eyJus")
        )
        assert (s.qstash_url, s.qstash_token.get_secret_value()) == published
        assert ("US_EAST_1" in s.signing_keys) == name.endswith(("URL", "TOKEN"))
        assert [sentence.split(" missing")[0] for sentence in warnings(s)] == [f"{name} is"]


def test_without_a_region_its_settings_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without QSTASH_REGION, only the four plain settings are used."""
    given(monkeypatch, **US)

    assert load().qstash_url == "https://qstash.upstash.io"
    assert load().signing_keys == {"": ("sig_canary", "sig_canary2")}


def test_a_region_alone_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    """Like in QStash's console, without plain settings. Deliveries without the header use the region's keys."""
    plain = ("QSTASH_TOKEN", "QSTASH_CURRENT_SIGNING_KEY", "QSTASH_NEXT_SIGNING_KEY")
    given(monkeypatch, **US, **dict.fromkeys(plain, ""), QSTASH_REGION="US_EAST_1")

    assert warnings(load()) == [] and load().signing_keys[""] == ("sig_us", "sig_us2")


def test_the_schedule_needs_no_keys_of_models(monkeypatch: pytest.MonkeyPatch) -> None:
    """A deployment pipeline that installs it needs only QStash's token."""
    given(monkeypatch, **dict.fromkeys(COMPLETE, ""))
    monkeypatch.setenv("APP_URL", "https://api.example.com/")
    monkeypatch.setenv("QSTASH_TOKEN", "eyJ")

    assert read(QueueSettings).sweep_url == "https://api.example.com/api/internal/sweep"
