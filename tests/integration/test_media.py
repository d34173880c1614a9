"""The media process: hostile recordings use limited time and memory, and affect only their own session."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryFile

import pytest

from app.adapters.whisper import MAX_FILE_BYTES
from app.application import create_app
from app.audio import media as module
from app.audio.media import UNCUTTABLE, Media
from app.audio.recording import AudioFile
from app.errors import AudioUnreadable, Permanent, Transient
from local.migrate import ROOT
from local.ports import LOOPBACK, free_port
from tests.support.hostile import HOSTILE, SIZE_BYTES, one_byte_packets
from tests.support.recordings import packets, recording
from tests.support.serving import served
from tests.support.world import World

MEMORY_BYTES = 512 * 1024 * 1024
# Slow enough that tests can observe the process while it works.
SLOW = one_byte_packets


def stored(data: bytes) -> AudioFile:
    """A downloaded recording."""
    file = TemporaryFile()  # noqa: SIM115  # closed with the test
    file.write(data)
    file.seek(0)
    return AudioFile(file, "audio/webm", len(data), "c1")


def media(processes: int = 1, cpu_s: int = 20, memory_bytes: int = MEMORY_BYTES) -> Media:
    """A Media object like the service's."""
    return Media(processes, cpu_s, memory_bytes)


async def parts_of(data: bytes, by: Media, limit_bytes: int = MAX_FILE_BYTES) -> list[bytes]:
    """The contents of the parts."""
    audio = stored(data)
    with audio.file:
        return [part.file.read() async for part in by.parts(audio, limit_bytes)]


def processes() -> list[int]:
    """The ids of the media processes started by this process."""
    found: list[int] = []
    for task in Path("/proc/self/task").iterdir():
        # A thread of the event loop's pool may end in the meantime.
        for child in read(f"{task}/children").decode().split():
            found += [int(child)] if b"app.audio.media_process" in command_of(child) else []
    return found


async def until(condition: Callable[[], object]) -> None:
    """Wait until a condition is true."""
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110  # a process cannot set an event of ours
            await asyncio.sleep(0.02)


@pytest.mark.anyio
async def test_parts_are_what_cutting_gives() -> None:
    """The process returns all packets, in files that can be read twice, and with the same cuts every time."""
    data = recording("webm", 10)
    by = media()
    audio = stored(data)
    found = b""
    with audio.file:
        async for part in by.parts(audio, len(data) * 2 // 3):
            content = part.file.read()
            assert part.file.seek(0) == 0 and part.file.read() == content and len(content) == part.size_bytes
            assert part.content_type == "audio/webm" and part.session_id == "c1"
            found += packets(content)

    assert found == packets(data)
    first, again = [await parts_of(data, by, len(data) * 2 // 3) for _ in range(2)]
    assert [packets(part) for part in first] == [packets(part) for part in again]
    assert processes() == []


MEASURE = """
import asyncio, os, resource, sys
from app.audio.media import Media
from app.errors import Permanent
from app.audio.recording import AudioFile
async def main():
    with open(sys.argv[1], "rb") as file:
        audio = AudioFile(file, "audio/webm", os.path.getsize(sys.argv[1]), "c1")
        try:
            print(len([part async for part in Media(1, int(sys.argv[2]), 512 * 1024 * 1024).parts(audio, 25 * 1024 * 1024)]))
        except Permanent as refused:
            print(refused.message)
    # getrusage would include the memory of the parent process before exec.
    [own_kb] = [line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")]
    child = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(int(own_kb) // 1024, child.ru_maxrss // 1024, round(child.ru_utime + child.ru_stime, 1))
asyncio.run(main())
"""
SLOWEST = ("one-byte packets", "compressed header")


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.thorough if name in SLOWEST else ()) for name in HOSTILE]
)
def test_a_hostile_recording_ends_in_time_and_in_little_memory(name: str, tmp_path: Path) -> None:
    """It is refused or cut within 5 s of CPU time and 300 MB in the child, without extra memory in the parent."""
    path = tmp_path / "hostile"
    path.write_bytes(HOSTILE[name]())
    assert path.stat().st_size >= SIZE_BYTES - 16

    command = [sys.executable, "-c", MEASURE, str(path), "5"]
    printed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    print(name, printed)
    outcome, figures = printed.splitlines()
    parent_mb, child_mb, cpu_s = (float(figure) for figure in figures.split())
    assert outcome in (AudioUnreadable.message, UNCUTTABLE) or name == "many samples"
    assert parent_mb < 80 and child_mb < 300 and cpu_s < 7


@pytest.mark.anyio
async def test_a_crash_fails_only_its_recording() -> None:
    """A process that crashes on its file is a permanent failure; one that was killed from outside is not."""
    for number, failure in ((signal.SIGSEGV, Permanent), (signal.SIGKILL, Transient)):
        cutting = asyncio.create_task(parts_of(SLOW(), media()))
        await until(processes)
        os.kill(processes()[0], number)
        with pytest.raises(failure):
            await cutting
    assert processes() == []


@pytest.mark.anyio
async def test_a_cancelled_delivery_leaves_no_process() -> None:
    """Neither does a delivery that times out; each process is reaped, and its slot is freed."""
    by = media()
    cutting = asyncio.create_task(parts_of(SLOW(), by))
    await until(processes)
    cutting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await cutting
    assert processes() == []
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(1):
            await parts_of(SLOW(), by)
    assert processes() == []

    assert len(await parts_of(recording("webm", 1), by)) == 1


@pytest.mark.anyio
async def test_concurrent_media_processes_are_limited() -> None:
    """Only the allowed number of processes runs, and waiting callers can be cancelled."""
    by = media(processes=2)
    tasks = [asyncio.create_task(parts_of(SLOW(), by)) for _ in range(3)]
    await until(lambda: len(processes()) == 2)
    # When the first is cancelled, the third one takes its slot.
    tasks[0].cancel()
    await until(lambda: tasks[0].done() and len(processes()) == 2)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)

    assert processes() == []


def test_the_media_process_dies_with_its_worker(tmp_path: Path) -> None:
    """After a SIGKILL of the worker nobody can clean up, so the process must notice by itself."""
    path = tmp_path / "slow"
    path.write_bytes(SLOW())
    # With a high CPU limit, so that the limit does not end the process.
    command = [sys.executable, "-c", MEASURE, str(path), "600"]
    worker = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
    children = Path(f"/proc/{worker.pid}/task/{worker.pid}/children")
    while not (child := children.read_text().strip()) or b"media_process" not in command_of(child):
        time.sleep(0.02)
    worker.kill()
    worker.wait()

    # Its new parent may not reap it, so check the command line.
    deadline = time.monotonic() + 30
    while command_of(child):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def command_of(pid: str) -> bytes:
    """The command line of a process; empty if it has exited."""
    return read(f"/proc/{pid}/cmdline")


def read(path: str) -> bytes:
    """Read a file in /proc; empty if the process has exited."""
    try:
        return Path(path).read_bytes()
    except OSError:
        return b""


@pytest.mark.anyio
async def test_the_process_knows_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its environment contains only what Python itself needs."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-canary")
    cutting = asyncio.create_task(parts_of(SLOW(), media()))
    await until(processes)
    await until(lambda: command_of(str(processes()[0])).count(b"media_process"))
    environment = read(f"/proc/{processes()[0]}/environ").split(b"\0")
    cutting.cancel()
    await asyncio.gather(cutting, return_exceptions=True)

    names = {entry.partition(b"=")[0].decode() for entry in environment if entry}
    assert names <= {"PYTHONPATH", "LD_LIBRARY_PATH", "PYTHONHOME", "TMPDIR"}


@pytest.mark.anyio
async def test_a_broken_installation_is_not_blamed_on_the_recording(monkeypatch: pytest.MonkeyPatch) -> None:
    """A broken installation is a transient failure, so no recording is deleted because of it."""
    monkeypatch.setattr(module.sys, "path", ["/nowhere"])

    with pytest.raises(Transient):
        await parts_of(recording("webm", 1), media())


@pytest.fixture
def short_cpu_world(world: World) -> Generator[World, None, None]:
    """Another application on the same database and storage, with a CPU limit of three seconds for media processes."""
    port = free_port()
    settings = world.settings.model_copy(update={"app_url": f"http://{LOOPBACK}:{port}", "media_cpu_seconds": 3})
    with served(create_app(settings), port) as url:
        yield replace(world, url=url, settings=settings)


@pytest.mark.thorough
def test_polls_are_answered_while_hostile_recordings_are_cut(short_cpu_world: World) -> None:
    """Three concurrent recordings of one-byte packets fail, while polls and another session work normally."""
    world = short_cpu_world
    hostile = [world.upload(content=one_byte_packets()) for _ in range(3)]
    good = world.upload()
    answers: list[int] = []

    def deliver(session_id: str) -> None:
        answers.append(world.deliver(session_id).status_code)

    threads = [threading.Thread(target=deliver, args=(each,)) for each in hostile]
    for thread in threads:
        thread.start()
    waits: list[float] = []
    with world.client() as client:
        while not processes():
            time.sleep(0.02)
        assert world.deliver(good).status_code == 200
        while any(thread.is_alive() for thread in threads):
            begun = time.monotonic()
            assert client.get(f"/api/sessions/{good}").status_code == 200
            waits.append(time.monotonic() - begun)
            time.sleep(0.05)

    print(f"{len(waits)} polls, median {sorted(waits)[len(waits) // 2]:.3f} s, longest {max(waits):.3f} s")
    assert answers == [489, 489, 489] and processes() == []
    assert sorted(waits)[len(waits) // 2] < 0.5
    assert {world.database.session(each)["errorMessage"].split(".")[0] for each in hostile} == {
        AudioUnreadable.message.split(".")[0]
    }
