"""What vendors' packages raise. Not among the unit tests, for the packages take seconds to import."""

import anthropic
import botocore.exceptions
import openai


def test_what_the_sdks_raise_is_caught_by_a_base_we_catch() -> None:
    """The adapters catch bases; a new kind of error of an SDK's is a subclass of one of them."""
    for module in (openai, anthropic):
        errors = [
            value for value in list(vars(module).values()) if isinstance(value, type) and issubclass(value, Exception)
        ]
        base = next(error for error in errors if error.__name__ in ("OpenAIError", "AnthropicError"))
        # What verifies OpenAI's own webhooks is of no use here.
        stray = [error for error in errors if not issubclass(error, base | Warning) and "Webhook" not in error.__name__]
        assert stray == []
    bases = botocore.exceptions.BotoCoreError | botocore.exceptions.ClientError | ValueError
    # A gap in boto3's own data files is no answer of a storage.
    bases |= Warning | botocore.exceptions.UndefinedModelAttributeError
    stray = [
        value
        for value in vars(botocore.exceptions).values()
        if isinstance(value, type) and issubclass(value, Exception) and value.__module__ == "botocore.exceptions"
        if not issubclass(value, bases)
    ]
    assert stray == []
