"""Translates pip's configuration into uv's variables, so that both use the same indexes, certificates and proxies."""

import ast
from collections.abc import Mapping
from pathlib import Path

# pip's options (https://pip.pypa.io/en/stable/cli/pip_install/) and uv's variables with the same meaning
# (https://docs.astral.sh/uv/reference/environment/).
_SINGLE_VALUED = {
    "index-url": "UV_DEFAULT_INDEX",
    "cert": "SSL_CERT_FILE",
    "client-cert": "SSL_CLIENT_CERT",
    "proxy": "ALL_PROXY",
    "default-timeout": "UV_HTTP_TIMEOUT",
    "timeout": "UV_HTTP_TIMEOUT",
    "no-index": "UV_NO_INDEX",
}
# Options with several values, which pip separates by white space, and uv by the second item.
_MULTI_VALUED = {
    "extra-index-url": ("UV_INDEX", " "),
    "find-links": ("UV_FIND_LINKS", ","),
    "trusted-host": ("UV_INSECURE_HOST", " "),
}
# The sections of pip's configuration that apply to "pip install". Later ones take precedence.
_SECTIONS = ("global", "install", ":env:")


def parse(listing: str) -> dict[str, str]:
    """Parse the output of ``pip config list``, and return the value that pip would use for each option."""
    found: dict[tuple[int, str], str] = {}
    for line in listing.splitlines():
        name, equals, quoted = line.partition("=")
        section, _, option = name.rpartition(".")
        if equals and quoted and section in _SECTIONS:
            found[_SECTIONS.index(section), option] = str(ast.literal_eval(quoted))
    return {option: value for (_, option), value in sorted(found.items())}


def for_uv(options: Mapping[str, str], environment: Mapping[str, str]) -> dict[str, str]:
    """Return variables for uv, without those that the user has already set in ``environment``."""
    variables = {_SINGLE_VALUED[option]: value for option, value in options.items() if option in _SINGLE_VALUED}
    for option, (variable, separator) in _MULTI_VALUED.items():
        # A missing folder is a warning in pip, but an error in uv.
        words = [word for word in options.get(option, "").split() if not word.startswith("/") or Path(word).exists()]
        if words:
            variables[variable] = separator.join(words)
    return {name: value for name, value in variables.items() if value and name not in environment}
