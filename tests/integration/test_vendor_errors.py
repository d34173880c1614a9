"""Exceptions of vendor packages. Not a unit test, because the packages take seconds to import."""

import anthropic
import botocore.exceptions
import openai


def test_sdk_errors_derive_from_the_bases_we_catch() -> None:
    """The adapters catch base classes, so a new kind of SDK error must derive from one of them."""
    for module in (openai, anthropic):
        errors = [
            value for value in list(vars(module).values()) if isinstance(value, type) and issubclass(value, Exception)
        ]
        base = next(error for error in errors if error.__name__ in ("OpenAIError", "AnthropicError"))
        # Errors of OpenAI's webhook verification are not used here.
        stray = [error for error in errors if not issubclass(error, base | Warning) and "Webhook" not in error.__name__]
        assert stray == []
    bases = botocore.exceptions.BotoCoreError | botocore.exceptions.ClientError | ValueError
    # An error in boto3's own data files is not an answer of the storage.
    bases |= Warning | botocore.exceptions.UndefinedModelAttributeError
    stray = [
        value
        for value in vars(botocore.exceptions).values()
        if isinstance(value, type) and issubclass(value, Exception) and value.__module__ == "botocore.exceptions"
        if not issubclass(value, bases)
    ]
    assert stray == []
