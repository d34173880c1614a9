"""Timing rules: durations, backoff, retry-delay expressions, and delays requested by a destination.

Sources: https://upstash.com/docs/qstash/features/retry and .../features/delay.
"""

import ast
import contextlib
import math
import re
from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime
from typing import Any

DAY_S = 86_400.0
_UNITS_S = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": DAY_S}
_DURATION = re.compile(r"(?:\d+(?:\.\d+)?(?:ns|us|µs|ms|s|m|h|d))+")
_DURATION_PART = re.compile(r"(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h|d)")
# Headers with which a destination requests a delay, in order of precedence.
_RETRY_HEADERS = ("retry-after", "x-ratelimit-reset", "x-ratelimit-reset-requests", "x-ratelimit-reset-tokens")
_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "pow": pow,
    "sqrt": math.sqrt,
    "abs": abs,
    "exp": math.exp,
    "floor": math.floor,
    "ceil": math.ceil,
    "round": round,
    "min": min,
    "max": max,
}
_OPERATORS: dict[type[ast.AST], Callable[..., float]] = {
    ast.Add: lambda a, b: a + b,
    ast.Sub: lambda a, b: a - b,
    ast.Mult: lambda a, b: a * b,
    ast.Div: lambda a, b: a / b,
    ast.Mod: lambda a, b: a % b,
    ast.USub: lambda a: -a,
    ast.UAdd: lambda a: a,
}
MAX_EXPRESSION_LENGTH = 200
MAX_DELAY_S = 365 * DAY_S


def parse_duration(text: str) -> float:
    """Parse a Go-style duration such as ``1d10h30m`` to seconds; a bare number is seconds. Raises ValueError."""
    text = text.strip()
    if re.fullmatch(r"\d+(\.\d+)?", text):
        return float(text)
    if not _DURATION.fullmatch(text):
        raise ValueError(f"invalid duration {text!r}")
    return sum(float(number) * _UNITS_S[unit] for number, unit in _DURATION_PART.findall(text))


def backoff_s(retry: int) -> float:
    """Seconds before retry number ``retry``, counted from 1: 12 s, 2 m 28 s, 30 m 8 s, 6 h 7 m, then a day.

    >>> [int(backoff_s(n)) for n in (1, 2, 3)]
    [12, 148, 1808]
    """
    return min(DAY_S, math.exp(min(2.5 * retry, 50)))


def evaluate_delay_ms(expression: str, retried: int) -> float:
    """Evaluate an ``Upstash-Retry-Delay`` expression to milliseconds. ``retried`` is 0 for the first retry.

    Raises ValueError.

    >>> evaluate_delay_ms("min(pow(2, retried) * 1000, 60000)", 3)
    8000.0
    """
    if len(expression) > MAX_EXPRESSION_LENGTH:
        raise ValueError("the retry delay expression is too long")
    try:
        value = float(_evaluate(ast.parse(expression, mode="eval").body, retried))
    except (SyntaxError, TypeError, ArithmeticError, RecursionError) as error:
        raise ValueError(f"invalid retry delay expression: {expression!r}") from error
    if not math.isfinite(value):
        raise ValueError(f"invalid retry delay expression: {expression!r}")
    return max(0.0, value)


def _evaluate(node: ast.AST, retried: int) -> float:
    # All numbers are floats, so that pow(9, pow(9, 9)) overflows at once instead of filling the memory.
    match node:
        case ast.Constant(value=int() | float() as number) if not isinstance(number, bool):
            return float(number)
        case ast.Name(id="retried"):
            return float(retried)
        case ast.BinOp(left=left, op=operator, right=right) if type(operator) in _OPERATORS:
            return _OPERATORS[type(operator)](_evaluate(left, retried), _evaluate(right, retried))
        case ast.UnaryOp(op=operator, operand=operand) if type(operator) in _OPERATORS:
            return _OPERATORS[type(operator)](_evaluate(operand, retried))
        case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]) if name in _FUNCTIONS:
            return _FUNCTIONS[name](*(_evaluate(argument, retried) for argument in arguments))
        case _:
            raise ValueError(
                "invalid retry delay expression: allowed are numbers, retried, + - * / % and the documented functions"
            )


def requested_delay_s(headers: Mapping[str, str], now: float) -> float | None:
    """The delay that a destination requests in seconds: a number, an HTTP date or a duration.

    None if there is no such request, or if it is longer than a day.
    """
    for name in _RETRY_HEADERS:
        value = headers.get(name)
        if value is None:
            continue
        try:
            requested = parse_duration(value)
        except ValueError:
            try:
                requested = parsedate_to_datetime(value).timestamp() - now
            except ValueError:
                continue
        return max(0.0, requested) if requested <= DAY_S else None
    return None


def next_attempt_s(retry: int, headers: Mapping[str, str], expression: str | None, now: float) -> float:
    """Seconds until retry number ``retry``, counted from 1.

    A delay requested by the destination comes first, then the publisher's expression, then the default backoff.
    """
    requested = requested_delay_s(headers, now)
    if requested is not None:
        return requested
    if expression:
        # An expression that works for the first retry may fail for a later one, e.g. if it divides by (retried - 2).
        with contextlib.suppress(ValueError):
            return min(evaluate_delay_ms(expression, retry - 1) / 1000, MAX_DELAY_S)
    return backoff_s(retry)
