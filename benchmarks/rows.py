"""The measurements: each runs one kind of work and returns what it cost."""

import asyncio
import json
import statistics
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial

import aiohttp

from benchmarks.processes import cpu_s, memory_mb, peak_mb, reset_peak, resident_mb
from benchmarks.table import Results
from benchmarks.testbed import Target

KB, MB = 1024, 1024 * 1024


@dataclass(frozen=True)
class Sizes:
    """The amount of work in each measurement."""

    warm_up: int = 100
    webhooks: int = 150
    reads: int = 600
    uploads_1mb: int = 60
    uploads_25mb: int = 4
    polls: int = 10_000
    turns: int = 12


QUICK = Sizes(warm_up=20, webhooks=30, reads=150, uploads_1mb=20, uploads_25mb=2, polls=2_000, turns=2)


class Load:
    """Sends requests to the target over persistent connections."""

    def __init__(self, target: Target, http: aiohttp.ClientSession) -> None:
        self.target, self._http = target, http

    async def upload(self, user: str, size_bytes: int) -> str:
        """Upload a recording of ``size_bytes``, and return its session's id."""
        form = aiohttp.FormData()
        form.add_field(
            "audio", b"\x1aE\xdf\xa3" + bytes(size_bytes - 4), filename="a.webm", content_type="audio/webm;codecs=opus"
        )
        form.add_field("duration", "12.5")
        form.add_field("language", "en")
        url = f"{self.target.url}/api/sessions"
        async with self._http.post(url, data=form, headers=self.target.cookie(user)) as answer:
            body = await answer.json()
            assert answer.status == 201, body
            session_id: str = body["id"]
            return session_id

    async def deliver(self, session_id: str) -> None:
        """Deliver a session's message as QStash does."""
        body = json.dumps({"sessionId": session_id}).encode()
        path = "/api/internal/process"
        signature = self.target.keys.sign(self.target.app_url + path, body)
        headers = {"upstash-signature": signature, "upstash-retried": "0", "content-type": "application/json"}
        async with self._http.post(self.target.url + path, data=body, headers=headers) as answer:
            assert answer.status == 200, await answer.text()

    async def get(self, path: str, headers: dict[str, str]) -> None:
        """Send a GET request and read the answer."""
        async with self._http.get(self.target.url + path, headers=headers) as answer:
            assert answer.status == 200, await answer.text()
            await answer.read()


async def measure(target: Target, sizes: Sizes, progress: Callable[[str], None]) -> Results:
    """Measure every row except start-up. Names end in their unit."""
    results: Results = {"idle memory MB": memory_mb(target.pid)}
    timeout = aiohttp.ClientTimeout(total=120)
    async with aiohttp.ClientSession(timeout=timeout, connector=aiohttp.TCPConnector(limit=64)) as http:
        load = Load(target, http)
        # The first request of each kind pays for imports and connections.
        warm = await load.upload("warm", 100 * KB)
        await load.deliver(warm)
        await load.get(f"/api/sessions/{warm}", target.cookie("warm"))
        results["idle memory, SDKs loaded MB"] = memory_mb(target.pid)
        await _warm_up(load, sizes)
        for row in (_webhook, _detail, _list, _upload_1mb, _upload_25mb, _peak, _polls):
            progress(row.__name__.strip("_"))
            results |= await row(load, sizes)
        results["memory after load MB"] = memory_mb(target.pid)
    return results


async def measure_telemetry(off: Target, on: Target, sizes: Sizes) -> Results:
    """Measure what exporting telemetry adds to a webhook. Two applications take turns, so that noise affects both."""
    async with aiohttp.ClientSession() as http:
        loads = (Load(off, http), Load(on, http))
        for load in loads:
            await _warm_up(load, sizes)
        added: list[float] = []
        for number in range(sizes.turns):
            cost: dict[Load, float] = {}
            for load in loads if number % 2 else reversed(loads):
                ids = [await load.upload("traced", 100 * KB) for _ in range(sizes.webhooks // 2)]
                cost[load] = await _cpu_ms(load.target, len(ids), partial(_deliver, load, ids))
            added.append(cost[loads[1]] - cost[loads[0]])
        return {"webhook CPU ms, telemetry adds": statistics.median(added)}


async def _deliver(load: Load, ids: list[str], number: int) -> None:
    await load.deliver(ids[number])


async def _warm_up(load: Load, sizes: Sizes) -> None:
    # The engine's WebAssembly is compiled on first use. That is a one-time cost, not the cost of a delivery.
    for _ in range(sizes.warm_up):
        await load.deliver(await load.upload("warm", 100 * KB))


async def _cpu_ms(target: Target, count: int, work: Callable[[int], Awaitable[object]], at_once: int = 1) -> float:
    """Average CPU time of ``work`` in ms, over ``count`` calls with ``at_once`` of them concurrently."""
    before = cpu_s(target.pid)
    for start in range(0, count, at_once):
        await asyncio.gather(*(work(n) for n in range(start, min(count, start + at_once))))
    return (cpu_s(target.pid) - before) / count * 1000


async def _webhook(load: Load, sizes: Sizes) -> Results:
    target = load.target
    ids = [await load.upload(f"learner-{n % 10}", 100 * KB) for n in range(2 * sizes.webhooks)]
    ids, together = ids[: sizes.webhooks], ids[sizes.webhooks :]
    engine, storage = target.engine_counts(), target.storage_counts()
    results = {"webhook CPU ms": await _cpu_ms(target, len(ids), lambda n: load.deliver(ids[n]))}
    for name, count in target.engine_counts().items():
        results[f"webhook {name}"] = (count - engine[name]) / len(ids)
    for name, count in target.storage_counts().items():
        results[f"webhook storage {name}"] = (count - storage.get(name, 0)) / len(ids)
    started = time.perf_counter()
    together_ms = await _cpu_ms(target, len(together), lambda n: load.deliver(together[n]), at_once=8)
    results["webhook, 8 at once, CPU ms"] = together_ms
    results["webhooks a second, 8 at once"] = len(together) / (time.perf_counter() - started)
    return results


async def _detail(load: Load, sizes: Sizes) -> Results:
    target = load.target
    session_id = await load.upload("reader", 100 * KB)
    await load.deliver(session_id)
    headers, engine = target.cookie("reader"), target.engine_counts()
    cost = await _cpu_ms(target, sizes.reads, lambda _: load.get(f"/api/sessions/{session_id}", headers))
    after = target.engine_counts()
    return {"detail CPU ms": cost} | {f"detail {name}": (after[name] - engine[name]) / sizes.reads for name in engine}


async def _list(load: Load, sizes: Sizes) -> Results:
    headers = load.target.cookie("learner-1")
    return {"list CPU ms": await _cpu_ms(load.target, sizes.reads, lambda _: load.get("/api/sessions", headers))}


async def _upload_1mb(load: Load, sizes: Sizes) -> Results:
    count, before = sizes.uploads_1mb, load.target.engine_counts()
    cost = await _cpu_ms(load.target, count, lambda n: load.upload("up", MB))
    after = load.target.engine_counts()
    return {"upload 1 MB CPU ms": cost} | {f"upload {name}": (after[name] - before[name]) / count for name in before}


async def _upload_25mb(load: Load, sizes: Sizes) -> Results:
    return {"upload 25 MB CPU ms": await _cpu_ms(load.target, sizes.uploads_25mb, lambda n: load.upload("up", 25 * MB))}


async def _peak(load: Load, sizes: Sizes) -> Results:
    pid = load.target.pid
    idle = resident_mb(pid)
    reset_peak(pid)
    await asyncio.gather(*(load.upload("big", 50 * MB) for _ in range(8)))
    return {"8 uploads of 50 MB, peak above idle MB": peak_mb(pid) - idle}


async def _polls(load: Load, sizes: Sizes) -> Results:
    session_id = await load.upload("poller", 100 * KB)
    await load.deliver(session_id)
    headers, took = load.target.cookie("poller"), list[float]()

    async def poll(count: int) -> None:
        for _ in range(count):
            started = time.perf_counter()
            await load.get(f"/api/sessions/{session_id}", headers)
            took.append(time.perf_counter() - started)

    # The first round lets the engine's heap grow to its working size.
    await asyncio.gather(*(poll(sizes.polls // 32) for _ in range(32)))
    took.clear()
    before = memory_mb(load.target.pid)
    await asyncio.gather(*(poll(sizes.polls // 32) for _ in range(32)))
    cuts = statistics.quantiles(took, n=100)
    return {
        "32 polls at once p99/p50": cuts[98] / cuts[49],
        "growth over 10,000 more polls MB": memory_mb(load.target.pid) - before,
    }
