"""The shape of an analysis: the schema that the model is given, and the validation of its answer."""

import json
import math
from typing import Annotated, Any, Literal, NoReturn, cast

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, field_validator

from app.text import storable

CATEGORIES = ["grammar", "vocabulary", "structure"]
SEVERITIES = ["high", "medium", "low"]
MAX_INSIGHTS = 5

_TEXT = {"type": "string"}
_INSIGHT: dict[str, object] = {
    "category": {"type": "string", "enum": CATEGORIES},
    "pattern": _TEXT,
    "detail": _TEXT,
    "frequency": {"type": "integer"},
    "severity": {"type": "string", "enum": SEVERITIES},
    "examples": {"type": "array", "items": _TEXT},
    "suggestion": _TEXT,
}


def _object(properties: dict[str, object]) -> dict[str, object]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


# The model must give every field. The validation below accepts what the original accepted: four of them may be absent.
ANSWER_SCHEMA = _object(
    {"insights": {"type": "array", "items": _object(_INSIGHT)}, "focusNext": _TEXT, "summary": _TEXT}
)


class InvalidAnalysis(Exception):
    """The answer is not JSON, or does not have the expected shape. Contains none of its text."""


def _truncated(max_length: int) -> BeforeValidator:
    return BeforeValidator(lambda value: storable(value)[:max_length] if isinstance(value, str) else value)


def _clamped(value: object) -> object:
    # The column is an integer. 2.5 is truncated to 2 here, so that the profile counts 2 as well.
    if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
        return min(MAX_FREQUENCY, max(0, math.trunc(value)))
    return value


def _first_examples(value: object) -> object:
    return cast(list[object], value)[:MAX_EXAMPLES] if isinstance(value, list) else value


# Long text is truncated and numbers out of range are clamped: the answer is still useful to the learner, and refusing it would
# only mean paying for another one like it.
MAX_INSIGHT_LENGTH = 2_000
# The name of a habit, which is also its key in the profile and its label in the chart.
MAX_PATTERN_LENGTH = 200
MAX_EXAMPLES = 20
MAX_FREQUENCY = 10_000
InsightText = Annotated[str, _truncated(MAX_INSIGHT_LENGTH)]
Name = Annotated[str, _truncated(MAX_PATTERN_LENGTH)]


class Insight(BaseModel):
    """One recurring habit. ``frequency`` is how often it occurs in this transcript."""

    model_config = ConfigDict(frozen=True, strict=True, hide_input_in_errors=True)

    category: Literal["grammar", "vocabulary", "structure"]
    pattern: Name = Field(repr=False)
    detail: InsightText = Field(repr=False)
    frequency: Annotated[int, BeforeValidator(_clamped)] | None = None
    severity: Literal["high", "medium", "low"] | None = None
    examples: Annotated[list[InsightText], BeforeValidator(_first_examples)] | None = Field(None, repr=False)
    suggestion: InsightText | None = Field(None, repr=False)

    @field_validator("frequency", "severity", "examples", "suggestion", mode="before")
    @classmethod
    def _absent_or_given(cls, value: object) -> object:
        # Absent is fine, null is not: the original's rule.
        if value is None:
            raise ValueError("must not be null")
        return value


class Analysis(BaseModel):
    """A complete answer. The summary is requested and validated, but no column stores it."""

    model_config = ConfigDict(frozen=True, strict=True, hide_input_in_errors=True)

    insights: list[Insight] = Field(max_length=MAX_INSIGHTS)
    focus_next: InsightText = Field(alias="focusNext", repr=False)
    summary: InsightText = Field(repr=False)


def parse_analysis(text: str) -> Analysis:
    """The analysis in a model's answer, with or without a ```` ```json ```` fence around it. Raises InvalidAnalysis."""
    try:
        answer: Any = json.loads(_unfenced(text), parse_constant=_not_json)
        return Analysis.model_validate(answer)
    except (ValueError, ValidationError, RecursionError):
        raise InvalidAnalysis from None


def _unfenced(text: str) -> str:
    body = text.strip()
    if body.startswith("```") and body.endswith("```") and "\n" in body:
        return body[body.index("\n") : -3]
    return body


def _not_json(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")
