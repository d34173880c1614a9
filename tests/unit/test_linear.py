"""No parser takes quadratic time, because a single caller could then block the whole server."""

import time
from collections.abc import Callable
from contextlib import suppress

import pytest
from python_multipart.multipart import parse_options_header

from app.adapters.authjs import AuthJs
from app.adapters.retry_after import retry_after_s
from app.analysis.shape import InvalidAnalysis, parse_analysis
from app.analysis.words import count_words
from app.errors import AppError
from app.text import storable
from app.web.fields import parse_duration, parse_text, require_audio_type
from app.web.signed import parse_session_id

AUTHJS = AuthJs("secret", "http://a.example")
COOKIE = "authjs.session-token="
PARSERS: dict[str, Callable[[int], object]] = {
    "duration, nines": lambda n: parse_duration("9" * n),
    "duration, then garbage": lambda n: parse_duration("9" * n + "x"),
    "duration, spaces": lambda n: parse_duration(" " * n + "x"),
    "cookie, backslashes": lambda n: AUTHJS.learner([COOKIE + '"' + "\\" * n + '"']),
    "cookie, other cookies": lambda n: AUTHJS.learner(["a=b;" * n]),
    "cookie, separators": lambda n: AUTHJS.learner([";=" * n]),
    "cookie, chunks": lambda n: AUTHJS.learner(["".join(f"authjs.session-token.{i % 1000}=x;" for i in range(n))]),
    "cookie, points": lambda n: AUTHJS.learner([COOKIE + "." * n]),
    "cookie, token": lambda n: AUTHJS.learner([COOKIE + "e30." + "A" * n + ".a.a.a"]),
    "retry-after, digits": lambda n: retry_after_s({"retry-after": "9" * n}),
    "retry-after, date": lambda n: retry_after_s({"retry-after": "Mon, " + "0" * n}),
    "type": lambda n: require_audio_type("audio/" + "x" * n),
    "text": lambda n: parse_text("topic", "t\x00" * n),
    "storable": lambda n: storable("\x00\u2028\ud800" * n),
    "message": lambda n: parse_session_id(b"[" * n),
    "message, digits": lambda n: parse_session_id(b'{"sessionId":' + b"9" * n + b"}"),
    "content type, quotes": lambda n: parse_options_header("multipart/form-data; a=" + '"\\' * n),
    "content type, parameters": lambda n: parse_options_header("multipart/form-data" + ';a="b"' * n),
    "words": lambda n: count_words("1,a'-" * n),
    "words, one": lambda n: count_words("a-" * n),
    "analysis, fences": lambda n: parse_analysis("```" * n),
    "analysis, digits": lambda n: parse_analysis("9" * n),
}
SIZES = (300, 30_000)
# For a hundred times the input, the ratio is about 100 if the time is linear, and 10,000 if it is quadratic.
MOST = 1500
# Times below this are dominated by noise on a busy machine.
FLOOR_S = 20e-6


def cpu_s(parse: Callable[[int], object], size: int) -> float:
    """CPU seconds of one call, as the minimum of five."""
    spent: list[float] = []
    for _ in range(5):
        started = time.process_time()
        with suppress(AppError, InvalidAnalysis):
            parse(size)
        spent.append(time.process_time() - started)
    return min(spent)


@pytest.mark.parametrize("name", PARSERS)
def test_a_hundred_times_the_input_takes_about_a_hundred_times_the_time(name: str) -> None:
    """For every parser of data from a caller or a provider."""
    small, large = (cpu_s(PARSERS[name], size) for size in SIZES)

    assert large < MOST * max(small, FLOOR_S), (name, small, large)
