"""The pattern profile's arithmetic: how often a learner showed each habit, added up over all sessions.

A profile is a JSON object ``{"grammar:Missing articles": 12, …}``. What a session adds is tallied here; the sum itself is
done by PostgreSQL on the locked row (``sessions/checkpoints.py``), so that sessions that finish together lose nothing.
"""

from collections.abc import Iterable

from app.analysis.shape import Insight


def tally(insights: Iterable[Insight]) -> dict[str, int]:
    """What these insights add to the profile: ``category:pattern`` to its frequency, 1 where none is given.

    >>> from types import SimpleNamespace as Insight
    >>> tally([Insight(category="grammar", pattern="Tenses", frequency=None)])
    {'grammar:Tenses': 1}
    """
    counts: dict[str, int] = {}
    for insight in insights:
        key = f"{insight.category}:{insight.pattern}"
        counts[key] = counts.get(key, 0) + (1 if insight.frequency is None else insight.frequency)
    return counts
