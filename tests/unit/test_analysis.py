"""Parsing of a model's analysis: what is accepted, corrected or refused."""

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.analysis.shape import Analysis, InvalidAnalysis, parse_analysis

INSIGHT: dict[str, Any] = {"category": "grammar", "pattern": "Articles", "detail": "Left out."}


def answer(**changes: Any) -> Analysis:
    """A parsed answer with one insight, with changes."""
    return parse_analysis(json.dumps({"insights": [{**INSIGHT, **changes}], "focusNext": "Say the.", "summary": "s"}))


# On a busy machine, generating examples is slow.
@settings(max_examples=50, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(), lambda e: st.lists(e) | st.dictionaries(st.text(), e)
    )
)
def test_any_answer_has_the_shape_or_is_refused(value: Any) -> None:
    """Whatever a model writes, only InvalidAnalysis is raised."""
    for text in (
        json.dumps(value),
        json.dumps({"insights": [{**INSIGHT, "examples": value}], "focusNext": "", "summary": ""}),
    ):
        with suppress(InvalidAnalysis):
            assert isinstance(parse_analysis(text), Analysis)


@pytest.mark.parametrize(
    ("given", "kept"), [(0, 0), (2.5, 2), (10_001, 10_000), (10**30, 10_000), (-3, 0), (-0.5, 0), (1e300, 10_000)]
)
def test_a_frequency_is_clamped(given: float, kept: int) -> None:
    """A single session can neither dominate a learner's profile nor reduce its counts."""
    assert answer(frequency=given).insights[0].frequency == kept


@pytest.mark.parametrize("given", [None, True, "3", float("inf"), float("nan"), [3]])
def test_a_non_numeric_frequency_is_refused(given: Any) -> None:
    """Like in the original."""
    with pytest.raises(InvalidAnalysis):
        answer(frequency=given)


def test_long_texts_are_cut() -> None:
    """The beginning is still useful, and another answer would cost money and be no better."""
    long = "x" * 100_000
    insight = answer(pattern=long, detail=long, suggestion=long, examples=[long] * 50).insights[0]

    assert (len(insight.pattern), len(insight.detail), len(insight.suggestion or "")) == (200, 2_000, 2_000)
    assert [len(example) for example in insight.examples or []] == [2_000] * 20


def test_a_fence_round_the_answer_is_accepted() -> None:
    """Models often write one."""
    assert (
        parse_analysis(f"```json\n{json.dumps({'insights': [], 'focusNext': '', 'summary': ''})}\n```").insights == []
    )
