"""Composes the answer from the findings: the three to five with the most weight, one focus, a summary."""

from local.analysis.counting import counting_findings
from local.analysis.finding import sentences, words
from local.analysis.grammar import grammar_findings

MAX_INSIGHTS = 5


def analyze(text: str) -> dict[str, object]:
    """Return the answer for a transcript: ``{"insights": […], "focusNext": …, "summary": …}``."""
    found = sorted([*grammar_findings(text), *counting_findings(text)], key=lambda finding: -finding.weight)[
        :MAX_INSIGHTS
    ]
    spoken, said = len(words(text)), len(sentences(text))
    if not found:
        return {
            "insights": [],
            "focusNext": "Speak for three minutes on one topic, so that there is enough to find patterns in.",
            "summary": f"{spoken} words in {said} sentences showed no recurring pattern.",
        }
    first = found[0]
    return {
        "insights": [finding.as_insight() for finding in found],
        "focusNext": f"{first.suggestion} Aim for {first.goal}.",
        "summary": f"{spoken} words in {said} sentences. What recurs most is: {first.pattern.lower()}. {first.detail}",
    }
