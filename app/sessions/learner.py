"""The signed-in learner."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Learner:
    """Who is calling, from the session cookie. ``external_id`` is the key; the rest is for the first upload."""

    external_id: str
    email: str | None
    name: str | None

    def __repr__(self) -> str:
        return "Learner(…)"
