"""Owners of leases: which process on which machine, and whether it still lives.

An owner is dead only when that is proven: on this machine, no process with its id *and* its start time (ids
are used again); in another container of the same kernel, where ids say nothing, a lock that it dropped. An
owner on another machine is unknown, and what is unknown is kept.
"""

import functools
import getpass
import os
import platform
import secrets
import subprocess
import sys
from pathlib import Path
from typing import Literal

import msgspec

from toolkit.leases.locks import is_locked

OwnerKind = Literal["process", "session", "user"]
State = Literal["alive", "dead", "kept", "unknown"]


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """Where process ids mean something: a host, its current boot and the namespace of process ids."""

    host: str
    boot: str
    namespace: str


class Owner(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Who answers for a lease.

    ``process``: dies with the process that made it. ``session``: dies with another process, as a rule the
    shell of the terminal. ``user``: never dies; it is kept until it is released by hand.
    """

    id: str
    kind: OwnerKind
    machine: Machine
    pid: int
    started: str
    """Start time of the process in the unit of the platform; only compared."""
    run: str = ""
    user: str = ""

    def described(self) -> str:
        """Say who this is in a few words."""
        run = f", run {self.run}" if self.run else ""
        return f"{self.kind} {self.pid} of {self.user or 'somebody'} on {self.machine.host}{run}"


class Verdict(msgspec.Struct, frozen=True):
    """Whether an owner lives, and how we know."""

    state: State
    why: str


@functools.cache
def this_machine() -> Machine:
    """Identify the machine, its boot and the namespace of process ids."""
    return Machine(host=platform.node(), boot=_boot_id(), namespace=_namespace())


def _boot_id() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return _asked("sysctl", "-n", "kern.bootsessionuuid")


def _namespace() -> str:
    try:
        return str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        return ""


def _asked(*command: str) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=5, check=False).stdout.strip()
    except (OSError, subprocess.TimeoutExpired):
        return ""


def process_start(pid: int) -> str | None:
    """Return when a process started, in the platform's unit; None: no such process, or only its corpse.

    Linux: field 22 of ``/proc/PID/stat`` (proc_pid_stat(5)). Elsewhere: what ``ps`` says.
    """
    if sys.platform != "linux":
        return _asked("ps", "-o", "lstart=", "-p", str(pid)) or None
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    state, *fields = text.rpartition(")")[2].split()  # the name before it may hold spaces and brackets
    return None if state in {"Z", "X"} else fields[18]


def new_owner(kind: OwnerKind, *, pid: int | None = None, run: str = "") -> Owner:
    """Describe a process (None: this one) as the owner of leases."""
    number = os.getpid() if pid is None else pid
    return Owner(
        id=secrets.token_hex(6),
        kind=kind,
        machine=this_machine(),
        pid=number,
        started=process_start(number) or "",
        run=run,
        user=_user(),
    )


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container may run with a uid that has no name
        return str(os.getuid())


def session_leader() -> int | None:
    """Return the process whose end is the end of this terminal or CI job; None: there is none but us."""
    if sys.platform == "win32":
        return None
    for pid in (os.getsid(0), os.getppid()):
        if pid not in {0, 1, os.getpid()} and process_start(pid) is not None:
            return pid
    return None


def judge(owner: Owner, lock: Path, *, machine: Machine | None = None) -> Verdict:
    """Tell whether an owner lives. Any sign of life is enough; death must be proven.

    Args:
        owner: whom to judge.
        lock: the file that an owner of kind "process" keeps locked while it lives.
        machine: where we are; None: found out.
    """
    here = this_machine() if machine is None else machine
    if owner.kind == "user":
        return Verdict("kept", f"kept on purpose by {owner.user or 'its user'}")
    if not (owner.machine.boot and owner.machine.boot == here.boot):
        return _judge_elsewhere(owner, here)
    if owner.machine.namespace == here.namespace:
        # Not by the lock: a child that was forked and not yet executed holds it a moment longer.
        return _judge_process(owner)
    locked = is_locked(lock) if owner.kind == "process" else None
    if locked is None:
        return Verdict("unknown", f"{owner.described()} is in another container; its process id says nothing")
    if locked:
        return Verdict("alive", f"{owner.described()} holds its lock")
    return Verdict("dead", f"{owner.described()} dropped its lock")


def _judge_elsewhere(owner: Owner, here: Machine) -> Verdict:
    if owner.machine.host != here.host:
        return Verdict("unknown", f"{owner.described()} cannot be asked from {here.host}")
    if owner.machine.boot and here.boot:
        return Verdict("dead", f"{here.host} was started again since {owner.described()}")
    return _judge_process(owner)


def _judge_process(owner: Owner) -> Verdict:
    started = process_start(owner.pid)
    if started is None:
        return Verdict("dead", f"{owner.described()} is gone")
    if owner.started and started != owner.started:
        return Verdict("dead", f"{owner.described()} is gone (its process id was used again)")
    return Verdict("alive", f"{owner.described()} is running")
