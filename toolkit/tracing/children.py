"""Python processes that tests start: each traces itself into a trail of its own.

A child finds the token in its environment and our folder on its PYTHONPATH. Everything it touches is credited
to the context in which it was started, and to every test that ran while it lived.
"""

import atexit
import os
import time
from pathlib import Path

from toolkit.tracing.audit import TOKEN


def start_from_environment() -> bool:
    """Start tracing if this process was started by a traced one; tell whether it was."""
    token = os.environ.get(TOKEN, "").split(os.pathsep)
    if len(token) != 3 or not os.path.isdir(token[1]):  # noqa: PLR2004 - root, folder, parent
        return False
    from toolkit.tracing.session import TracedProcess

    root, folder, parent = token
    number = read_now(folder, parent)
    name = child_name(parent, number, "child")
    traced = TracedProcess(root, folder, name, immediate=True, parent=(parent, number))
    atexit.register(end, traced, folder, parent)
    return True


def child_name(parent: str, number: int, kind: str) -> str:
    """Name the trail of a child: unique, and sorted behind its parent's."""
    return f"{parent}.{number}-{kind}-{os.getpid()}-{time.monotonic_ns()}"


def read_now(folder: str, process: str) -> int:
    """Return the number of the context that a traced process is in; 0 when unknown."""
    try:
        return int(Path(folder, process + ".now").read_bytes() or b"0")
    except (OSError, ValueError):
        return 0


def end(traced: object, folder: str, parent: str) -> None:
    """At exit of a child: note until which of its parent's contexts it lived."""
    from toolkit.tracing.session import TracedProcess

    if isinstance(traced, TracedProcess) and traced.tracer.process == os.getpid():
        traced.tracer.trail.write(["until", read_now(folder, parent)])
        traced.stop()


def is_running(pid: int) -> bool:
    """Whether a process still runs; a zombie does not. When in doubt: yes."""
    try:
        return (
            Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2][1]
            != "Z"
        )
    except (OSError, IndexError):
        return not os.path.isdir("/proc/self")
