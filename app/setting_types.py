"""The types of settings. A validator's message completes a sentence that starts with the setting's name."""

import re
from typing import Annotated, Literal, TypeVar
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr

StrOrSecret = TypeVar("StrOrSecret", str, SecretStr)
# Cloudflare's account ids: https://developers.cloudflare.com/fundamentals/account/find-account-and-zone-ids/
ACCOUNT_ID = re.compile(r"[0-9a-f]{32}", re.ASCII)
ORIGIN = re.compile(r"https?://[^/?#@\s]+", re.ASCII)


def _web_address(value: str) -> str:
    # An optional address may be empty. A required one is missing then: empty variables are ignored.
    if value and (not ORIGIN.match(value) or any(mark in value for mark in "?#")):
        raise ValueError("must start with http:// or https:// and name a host, as in https://api.example.com")
    try:
        _ = urlsplit(value).port
    except ValueError:
        raise ValueError("names a port that is not a number up to 65535") from None
    return value.rstrip("/")


def _postgresql(value: SecretStr) -> SecretStr:
    if not value.get_secret_value().startswith(("postgresql://", "postgres://")):
        raise ValueError("must start with postgresql://: no other database is supported")
    return value


def _no_white_space(value: StrOrSecret) -> StrOrSecret:
    text = value.get_secret_value() if isinstance(value, SecretStr) else value
    if text != text.strip() or "\n" in text:
        raise ValueError("begins or ends with white space, or has a line break in it: copy it again")
    return value


def _ascii(value: SecretStr) -> SecretStr:
    if not value.get_secret_value().isascii():
        raise ValueError("contains a character that no key has: copy it again")
    return value


def _account_id(value: str) -> str:
    if value and not ACCOUNT_ID.fullmatch(value):
        raise ValueError("is not an account id (32 digits from 0 to f): a whole address belongs in R2_ENDPOINT_URL")
    return value


def _origins(value: str) -> str:
    for origin in filter(None, (each.strip() for each in value.split(","))):
        if origin == "*":
            raise ValueError(
                "cannot be *, because requests carry a cookie: name each origin, as in https://app.example.com"
            )
        if not ORIGIN.fullmatch(origin.rstrip("/")):
            raise ValueError("must hold origins separated by commas, each without a path: https://app.example.com")
    return value


def region_name(value: str) -> str:
    """A region as it is spelled in settings. Like the JavaScript SDK, it also accepts the spelling of deliveries, US-EAST-1."""
    return value.replace("-", "_").upper()


Required = Annotated[str, Field(min_length=1), AfterValidator(_no_white_space)]
Secret = Annotated[SecretStr, AfterValidator(_no_white_space)]
RequiredSecret = Annotated[Secret, Field(min_length=1)]
ApiKey = Annotated[RequiredSecret, AfterValidator(_ascii)]
Url = Annotated[str, AfterValidator(_web_address)]
DatabaseUrl = Annotated[RequiredSecret, AfterValidator(_postgresql)]
AccountId = Annotated[str, AfterValidator(_account_id)]
Origins = Annotated[str, AfterValidator(_origins)]
Region = Annotated[Literal["", "EU_CENTRAL_1", "US_EAST_1"], BeforeValidator(region_name)]
