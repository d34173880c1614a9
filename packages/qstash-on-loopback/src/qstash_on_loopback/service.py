"""Assembles the server's components."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from starlette.requests import Request

from qstash_on_loopback.clock import Clock
from qstash_on_loopback.delivery import DEFAULT_PARALLELISM, Dispatcher
from qstash_on_loopback.flow_control import FlowControls
from qstash_on_loopback.persistence import Persistence, SqlitePersistence
from qstash_on_loopback.publishing import Publisher
from qstash_on_loopback.queues import Queues
from qstash_on_loopback.schedules import Schedules
from qstash_on_loopback.sender import Sender
from qstash_on_loopback.signing import TOKEN, Keys
from qstash_on_loopback.store import Store
from qstash_on_loopback.timers import Timers
from qstash_on_loopback.url_groups import UrlGroups


@dataclass(frozen=True)
class Options:
    """Options of the server.

    ``time_scale`` multiplies every wait. ``hosts`` maps the host of a destination to an address on this machine.
    ``any_destination`` allows destinations on other machines. ``store`` is a SQLite file that keeps the server's state.
    ``ca_file`` contains additional certificate authorities for destinations. ``parallelism`` is the maximum number of
    concurrent deliveries. ``region`` is the value of the Upstash-Region header. ``allowed_hosts`` are additional host
    names that clients may use, besides the loopback names.
    """

    time_scale: float = 1.0
    any_destination: bool = False
    hosts: Mapping[str, str] = field(default_factory=dict[str, str])
    token: str = TOKEN
    store: Path | None = None
    ca_file: Path | None = None
    parallelism: int = DEFAULT_PARALLELISM
    region: str = "EU-CENTRAL-1"
    allowed_hosts: frozenset[str] = frozenset()


class Service:
    """The server's components. Raises StoreError or OSError if a file named in the options cannot be used."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.clock = Clock(options.time_scale)
        self.timers = Timers(self.clock)
        self.persistence = SqlitePersistence(options.store) if options.store else Persistence()
        self.keys = Keys(self.persistence)
        self.store = Store(self.clock, self.persistence)
        self.queues = Queues(self.clock, self.persistence)
        self.flow_controls = FlowControls(self.clock, self.timers, self.persistence)
        self.url_groups = UrlGroups(self.clock, self.persistence)
        self.dispatcher = Dispatcher(
            self.clock,
            self.timers,
            self.store,
            Sender(self.keys, options.hosts, options.ca_file, options.region),
            self.flow_controls,
            self.queues,
            options.parallelism,
        )
        self.publisher = Publisher(
            self.store, self.dispatcher, self.url_groups, self.queues,
            hosts=options.hosts, any_destination=options.any_destination,
        )  # fmt: skip
        self.schedules = Schedules(self.clock, self.timers, self.persistence, self.publisher.publish_scheduled)
        self._advancing = asyncio.Lock()
        self._started = False

    def start(self) -> None:
        """Start delivering on the running event loop. Idempotent."""
        if not self._started:
            self._started = True
            self.dispatcher.resume()
            self.schedules.resume()
            self.timers.start(asyncio.get_running_loop())

    async def aclose(self) -> None:
        """Stop delivering, and close the store."""
        self.timers.stop()
        await self.dispatcher.aclose()
        self.persistence.close()

    async def advance(self, seconds: float) -> None:
        """Move the clock forward as if the time had passed: everything due runs in order, and each attempt finishes."""
        async with self._advancing:
            target = self.clock.now() + seconds
            # Running attempts finish first, because they may set the next timer.
            await self.dispatcher.until_idle()
            while (due := self.timers.next_due()) is not None and due <= target:
                self.clock.move(due - self.clock.now())
                self.timers.run_due()
                await asyncio.sleep(0)
                await self.dispatcher.until_idle()
            self.clock.move(target - self.clock.now())


def service(request: Request) -> Service:
    """The server's components, from the state of the application."""
    found: Service = request.app.state.service
    return found
