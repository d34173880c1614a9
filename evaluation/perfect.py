"""The golden set's own analysis of a session: what the best of models would answer."""

from typing import Any

from evaluation.golden import Session


def perfect_answer(session: Session) -> dict[str, Any]:
    """An answer in the shape that the service asks for."""
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
