"""Faults of embedded servers: signals and limits of a process and all that carry its mark. Linux.

``fill_disk`` is RLIMIT_FSIZE (getrlimit(2)): a file that would grow beyond it gives EFBIG where a full disk
gives ENOSPC. A really full file system would hit everybody else who has files there.
"""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from toolkit.errors import EnvironmentFailed, UsageError
from toolkit.leases.store import Lease, LeaseStore
from toolkit.services import processes
from toolkit.services.faults.model import Fault
from toolkit.services.faults.throttle import family
from toolkit.services.folders import forget_shared_memory

Noted = dict[str, str]
"""What must be known to undo a fault; it is written into its lease before the fault."""

THROTTLE = Path(__file__).with_name("throttle.py")
MEGABYTE = 1 << 20
LIMITS = {"data": "Max data size", "fsize": "Max file size"}
"""Option of prlimit(1) → name in /proc/PID/limits."""

_throttles: dict[str, subprocess.Popen[bytes]] = {}
"""Lease of a server → what throttles it. It ends with this process."""


def note(server: Lease, fault: Fault) -> Noted:
    """Return what a fault will change of a server, before it is done.

    Raises:
        UsageError: this platform cannot do it.
        EnvironmentFailed: it does not run.
    """
    if sys.platform != "linux":
        raise UsageError(f"{fault.action}: faults of embedded servers need Linux", hint="use Docker")
    limits = _limits(int(server.what["pid"]))
    if not limits:
        raise EnvironmentFailed(f"{server.name}: it does not run", hint="invoke services.restart")
    return {option: limits[name] for option, name in LIMITS.items()}


def inject(store: LeaseStore, server: Lease, fault: Fault) -> None:
    """Do it to a server that runs."""
    del store
    _DOING[fault.action](server, fault)


def _kill(server: Lease, _fault: Fault) -> None:
    processes.stop(server, first="SIGKILL")


def _stop(server: Lease, _fault: Fault) -> None:
    processes.stop(server, first=processes.recipe_of(server).gentle)


def _pause(server: Lease, _fault: Fault) -> None:
    _signal_all(server, signal.SIGSTOP)


def _squeeze_cpu(server: Lease, fault: Fault) -> None:
    command = [sys.executable, "-ES", str(THROTTLE), server.what["pid"], str(fault.share)]
    child = subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True)
    _throttles[server.id] = child


def _squeeze_memory(server: Lease, fault: Fault) -> None:
    for pid in members(server):
        _limit(server, pid, {"data": str(_data_size(pid) + fault.memory * MEGABYTE)})


def _fill_disk(server: Lease, fault: Fault) -> None:
    for pid in members(server):
        _limit(server, pid, {"fsize": str(fault.size * MEGABYTE)})


_DOING: dict[str, Callable[[Lease, Fault], None]] = {
    "kill": _kill,
    "stop": _stop,
    "restart": _stop,
    "pause": _pause,
    "squeeze_cpu": _squeeze_cpu,
    "squeeze_memory": _squeeze_memory,
    "fill_disk": _fill_disk,
}


def undo(store: LeaseStore, server: Lease, noted: Mapping[str, str]) -> None:
    """Undo whatever was done to a server; one that ended is started again. Harmless when nothing was done."""
    child = _throttles.pop(server.id, None)
    if child is not None:
        child.communicate()  # its input ends, and so it lets everything go on
    _signal_all(server, signal.SIGCONT)
    for pid in members(server):
        _limit(server, pid, {option: noted[option] for option in LIMITS})
    revive(store, server)


def revive(store: LeaseStore, server: Lease) -> None:
    """Start a server again that has ended; nothing for one that runs."""
    if not processes.runs(server):
        _forget_locks(server)
        processes.restart(store, server)


def _forget_locks(server: Lease) -> None:
    """Remove the lock files of a PostgreSQL that was killed, of its data and of its socket.

    Its corpse may still be there, for whoever started it has other things to do than to wait for it; then
    PostgreSQL takes it for a server that runs.
    """
    folder = Path(processes.recipe_of(server).cwd)
    for lock in (folder / "data" / "postmaster.pid", *folder.glob(".s.PGSQL.*.lock")):
        with contextlib.suppress(OSError, IndexError):
            if lock.read_text(encoding="utf-8").splitlines()[0].strip() == server.what["pid"]:
                forget_shared_memory(lock)
                lock.unlink()


def members(server: Lease) -> set[int]:
    """Return the processes of a server: its own, their descendants, and what carries its mark.

    The mark alone is not enough: some servers (Redis) write their title over their environment.
    """
    pid = int(server.what["pid"])
    return {*(family(pid) if processes.runs(server) else ()), *processes.marked(server.id)}


def _signal_all(server: Lease, number: signal.Signals) -> None:
    for pid in members(server):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def _limits(pid: int) -> dict[str, str]:
    """Return the soft limits of a process by name; nothing when it is gone."""
    try:
        return limits_in(Path(f"/proc/{pid}/limits").read_text(encoding="ascii"))
    except OSError:
        return {}


def limits_in(text: str) -> dict[str, str]:
    """Read the soft limits out of ``/proc/PID/limits`` (proc_pid_limits(5)): names are 26 characters wide."""
    return {line[:26].strip(): line[26:].split()[0] for line in text.splitlines()[1:] if len(line) > 26}  # noqa: PLR2004


def _limit(server: Lease, pid: int, wanted: Mapping[str, str]) -> None:
    """Set soft limits: the hard ones stay, so that they can be raised again without being root.

    As the server's own user: root itself may lack the right to limit others' processes (CAP_SYS_RESOURCE).

    Raises:
        EnvironmentFailed: refused, or there is no prlimit(1).
    """
    now = _limits(pid)
    options = [f"--{name}={size}:" for name, size in wanted.items() if now and now[LIMITS[name]] != size]
    if not options:
        return
    recipe = processes.recipe_of(server)
    whom: dict[str, Any] = {} if recipe.user is None else {"user": recipe.user, "group": recipe.group}
    try:
        done = subprocess.run(
            ["prlimit", f"--pid={pid}", *options],
            check=False,
            capture_output=True,
            text=True,
            cwd="/",
            **whom,
        )
    except OSError as error:
        raise EnvironmentFailed(
            f"prlimit: {error.strerror or error}", hint="apt install util-linux"
        ) from error
    if done.returncode != 0 and _limits(pid):
        raise EnvironmentFailed(f"{server.name}: its limits cannot be changed: {done.stderr.strip()}")


def _data_size(pid: int) -> int:
    """Return the bytes of private data of a process (``VmData``, proc_pid_status(5))."""
    with contextlib.suppress(OSError, IndexError):
        status = Path(f"/proc/{pid}/status").read_bytes()
        return int(status.partition(b"VmData:")[2].split(maxsplit=1)[0]) * 1024
    return 0
