"""The shape of an analysis: what is asked of the model, and what of its answer is accepted."""

import json
import math
from typing import Annotated, Any, Literal, NoReturn

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, field_validator

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


# Every field is asked for; what is accepted (below) is what the original accepted, which lets four of them be absent.
ANSWER_SCHEMA = _object(
    {"insights": {"type": "array", "items": _object(_INSIGHT)}, "focusNext": _TEXT, "summary": _TEXT}
)


class InvalidAnalysis(Exception):
    """The answer is not JSON, or not of the shape. Carries nothing of the answer."""


def _storable(value: object) -> object:
    # PostgreSQL stores no NUL, UTF-8 no lone surrogate; a model may write either as an escape.
    if isinstance(value, str):
        return value.replace("\x00", "").encode("utf-8", "replace").decode()
    return value


def _whole(value: object) -> object:
    # The column holds whole numbers: 2.5 is cut to 2, here, so that the profile counts 2 as well.
    if isinstance(value, float) and math.isfinite(value):
        return math.trunc(value)
    return value


Text = Annotated[str, BeforeValidator(_storable)]
_INT4 = 2**31 - 1


class Insight(BaseModel):
    """One recurring habit. ``frequency`` is how often it occurs in this transcript."""

    model_config = ConfigDict(frozen=True, strict=True, hide_input_in_errors=True)

    category: Literal["grammar", "vocabulary", "structure"]
    pattern: Text = Field(repr=False)
    detail: Text = Field(repr=False)
    frequency: Annotated[int, BeforeValidator(_whole), Field(ge=-_INT4, le=_INT4)] | None = None
    severity: Literal["high", "medium", "low"] | None = None
    examples: list[Text] | None = Field(None, repr=False)
    suggestion: Text | None = Field(None, repr=False)

    @field_validator("frequency", "severity", "examples", "suggestion", mode="before")
    @classmethod
    def _absent_or_given(cls, value: object) -> object:
        # Absent is fine, null is not: the original's rule.
        if value is None:
            raise ValueError("must not be null")
        return value


class Analysis(BaseModel):
    """A whole answer. The summary is asked for and checked, but no column stores it."""

    model_config = ConfigDict(frozen=True, strict=True, hide_input_in_errors=True)

    insights: list[Insight] = Field(max_length=MAX_INSIGHTS)
    focus_next: Text = Field(alias="focusNext", repr=False)
    summary: Text = Field(repr=False)


def parse_analysis(text: str) -> Analysis:
    """The analysis in a model's answer, with or without a ```` ```json ```` fence round it. Raises InvalidAnalysis."""
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
