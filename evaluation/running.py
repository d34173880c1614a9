"""Calls a model for many items, a few at a time, and shows the progress."""

import asyncio
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from app.adapters.models import Usage
from app.errors import Misconfigured, StepFailed
from evaluation.services import LOCAL

# Few enough for the lowest rate limit of a provider.
AT_ONCE = 4

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass
class Run(Generic[Result]):
    """The answers of one model: a result for each item, in order; None if the call failed."""

    model: str
    results: list[Result | None]
    usage: list[Usage]
    # How often each (safe) failure message occurred.
    failures: Counter[str] = field(default_factory=Counter[str])
    seconds: float = 0.0

    @property
    def cost_usd(self) -> float:
        """The cost of the answers by the service's price table. Failures are not included; a stand-in costs nothing."""
        return 0.0 if self.model == LOCAL else sum(usage.cost_usd for usage in self.usage)


async def run(model: str, items: Sequence[Item], ask: Callable[[Item], Awaitable[tuple[Result, Usage]]]) -> Run[Result]:
    """Call ``ask`` for each item. Raises Misconfigured, because every other call would fail too."""
    found: Run[Result] = Run(model, [None] * len(items), [])
    numbers, started, done = iter(range(len(items))), time.monotonic(), 0

    async def work() -> None:
        nonlocal done
        for number in numbers:
            try:
                found.results[number], usage = await ask(items[number])
                found.usage.append(usage)
            except Misconfigured:
                raise
            except StepFailed as failure:
                found.failures[failure.message] += 1
            done += 1
            _progress(model, done, len(items))

    _progress(model, 0, len(items))
    try:
        async with asyncio.TaskGroup() as workers:
            for _ in range(min(AT_ONCE, len(items))):
                workers.create_task(work())
    except* Misconfigured as group:
        raise group.exceptions[0] from None
    found.seconds = time.monotonic() - started
    return found


def _progress(model: str, done: int, total: int) -> None:
    if sys.stderr.isatty():
        print(f"\r{model}: {done} of {total}", end="\n" if done == total else "", file=sys.stderr, flush=True)
    elif done % 20 == 0 or done == total:
        print(f"{model}: {done} of {total}", file=sys.stderr, flush=True)
