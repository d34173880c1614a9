"""The perfect analysis of a session: the answer of an ideal model."""

from typing import Any

from evaluation.golden import GoldenSession


def perfect_answer(session: GoldenSession) -> dict[str, Any]:
    """An answer in the format that the service expects."""
    insights = [
        {
            "category": pattern.category,
            "pattern": pattern.habit.label,
            "detail": f"{pattern.habit.label} recur.",
            "frequency": sum(pattern.frequency) // 2,
            "severity": "medium",
            "examples": list(pattern.quotes[:3]),
            "suggestion": "Listen for it in the next session.",
        }
        for pattern in session.patterns
    ]
    return {"insights": insights, "focusNext": "Listen for it.", "summary": f"{len(insights)} habits."}
