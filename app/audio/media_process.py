"""The process that opens one learner's file: ``python -m app.audio.media_process JOB``, started by app/audio/media.py.

It limits itself before it loads the media library, does one job, and prints one line of JSON: the result, or ``refused``. A
crash, or the CPU limit, counts against the file. Any failure that is not the file's fault ends with a non-zero exit status.
"""

import errno
import json
import os
import sys
import threading
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from shutil import copyfileobj
from typing import Any, TypedDict

# A few for Python and for the current part.
MAX_OPEN_FILES = 64
# What containers may add to the parts of a recording, on top of its own size.
OVERHEAD_BYTES = 16 * 1024 * 1024
# A lower priority than the service, whose polls and uploads come first.
NICE = 5


class Job(TypedDict):
    """``do`` is ``cut`` or ``loudness``. ``recording`` and ``output`` are file descriptors; parts are appended to ``output``."""

    do: str
    recording: int
    output: int
    limit_bytes: int
    limit_s: float
    cpu_s: int
    memory_bytes: int


def main() -> None:
    """Do the job in ``argv``."""
    job: Job = json.loads(sys.argv[1])
    threading.Thread(target=_die_with_the_parent, daemon=True).start()
    _limit(job)
    print(json.dumps(_result(job)), flush=True)


def _die_with_the_parent() -> None:
    # The parent keeps standard input open and never writes to it, so this read returns when the parent ends, however it ends.
    os.read(0, 1)
    os._exit(1)


def _limit(job: Job) -> None:
    import resource  # noqa: PLC0415  # Unix only, and only in the child process

    os.nice(NICE)
    with suppress(OSError):
        # If the machine runs out of memory, this process goes first. Linux only.
        Path("/proc/self/oom_score_adj").write_text("1000")
    file_bytes = os.fstat(job["recording"]).st_size + OVERHEAD_BYTES
    limits = {
        # SIGXCPU tells the parent why the process ended. If it does not end, SIGKILL follows a second later.
        resource.RLIMIT_CPU: (job["cpu_s"], job["cpu_s"] + 1),
        resource.RLIMIT_AS: (job["memory_bytes"], job["memory_bytes"]),
        resource.RLIMIT_FSIZE: (file_bytes, file_bytes),
        resource.RLIMIT_NOFILE: (MAX_OPEN_FILES, MAX_OPEN_FILES),
        # A core dump would contain the learner's voice.
        resource.RLIMIT_CORE: (0, 0),
    }
    for limit, soft_and_hard in limits.items():
        # Not every system has all of them; Linux does.
        with suppress(OSError, ValueError):
            resource.setrlimit(limit, soft_and_hard)


def _result(job: Job) -> dict[str, Any]:
    from app.audio.cutting import Uncuttable, cut  # noqa: PLC0415  # PyAV takes 73 ms, and is loaded under the limits
    from app.audio.sound import UnknownContainer  # noqa: PLC0415  # PyAV again

    try:
        with os.fdopen(job["recording"], "rb") as recording:
            if job["do"] == "loudness":
                from app.audio.loudness import loudness  # noqa: PLC0415  # 3 ms that a cut need not take

                return asdict(loudness(recording))
            result: dict[str, Any] = {"sizes": []}
            with os.fdopen(job["output"], "wb") as output:
                for part, size_bytes, content_type in cut(recording, job["limit_bytes"], job["limit_s"]):
                    copyfileobj(part.file, output)
                    result["sizes"].append(size_bytes)
                    result["content_type"] = content_type
            return result
    except (UnknownContainer, Uncuttable):
        return {"refused": "uncuttable"}
    except OSError as error:
        if error.errno == errno.EFBIG:
            return {"refused": "uncuttable"}
        raise
    except Exception:
        # Whatever the media library raises on hostile bytes, the file is to blame.
        return {"refused": "not_audio"}


if __name__ == "__main__":
    main()
