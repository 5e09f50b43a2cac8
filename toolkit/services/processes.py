"""Server processes that leave a trace before they run, and that are stopped only with proof.

A server is started behind a gate: a shell that waits for one line and then becomes the server. Its process id
is written into the lease before the gate opens; if we die before, the shell reads end-of-file and exits. So
there is no moment in which a server runs and nobody knows.
"""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec

from toolkit.errors import EnvironmentFailed, RuntimeUnavailable
from toolkit.leases.owners import process_start, this_machine
from toolkit.leases.store import Lease, LeaseStore, write_private

MARK = "TOOLKIT_LEASE"
"""Environment variable that each server and its children carry: the id of the lease."""

RECIPE = "recipe.json"
"""Name of the file, in the data folder of a server, in which its recipe is kept."""

GATE = """trap '' XFSZ; read -r go || exit 0; exec "$@" </dev/null"""
"""A file that may not grow is then an error (EFBIG), as on a full disk, and not the end of a server that does
not ignore SIGXFSZ (setrlimit(2)): RabbitMQ, Redis."""

_children: dict[int, subprocess.Popen[bytes]] = {}
"""Servers that this process started: somebody must collect their exit status."""


class Recipe(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How a server is started; kept in a private file, so that it can be started again."""

    command: tuple[str, ...]
    """No secrets: others can read the process list."""
    env: dict[str, str]
    cwd: str
    log: str
    gentle: str = "SIGTERM"
    """Signal to end it before it is started again."""
    user: int | None = None
    group: int | None = None


def start(store: LeaseStore, lease: Lease, recipe: Recipe) -> Lease:
    """Start a server in a session of its own and write its process id into its lease.

    Args:
        store: where the lease is.
        lease: of kind "process", written beforehand. If it names a ``recipe`` file, the recipe is kept there.
        recipe: what to run.

    Raises:
        RuntimeUnavailable: the program cannot be started.
    """
    if "recipe" in lease.what:
        write_private(Path(lease.what["recipe"]), msgspec.json.encode(recipe))
    command = recipe.command
    gated = list(command) if sys.platform == "win32" else ["/bin/sh", "-c", GATE, "sh", *command]
    identity: dict[str, object] = {}
    if recipe.user is not None:
        identity = {"user": recipe.user, "group": recipe.group, "extra_groups": []}
    with Path(recipe.log).open("ab") as output:
        try:
            child = subprocess.Popen(
                gated,
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**recipe.env, MARK: lease.id},
                cwd=recipe.cwd,
                start_new_session=True,
                **identity,  # type: ignore[call-overload]  # three options that go together
            )
        except OSError as error:
            message = f"{command[0]} cannot be started: {error.strerror or error}"
            raise RuntimeUnavailable(message) from error
    _children[child.pid] = child
    lease = store.update(lease, pid=str(child.pid), started=process_start(child.pid) or "")
    with contextlib.suppress(OSError), child.stdin:  # it may have died: the probe will tell
        child.stdin.write(b"go\n")
    return lease


def restart(store: LeaseStore, lease: Lease) -> Lease:
    """Stop the server of a lease and start it again as before.

    Raises:
        EnvironmentFailed: nobody wrote down how it was started.
    """
    recipe = recipe_of(lease)
    stop(lease, first=recipe.gentle)
    return start(store, lease, recipe)


def recipe_of(lease: Lease) -> Recipe:
    """Return how the server of a lease was started.

    Raises:
        EnvironmentFailed: nobody wrote it down.
    """
    try:
        return _read_recipe(Path(lease.what["recipe"]))
    except (KeyError, OSError, msgspec.MsgspecError) as error:
        raise EnvironmentFailed(f"{lease.name}: how it was started is not known") from error


def _read_recipe(file: Path) -> Recipe:
    return msgspec.json.decode(file.read_bytes(), type=Recipe)


def has_ended(lease: Lease) -> str | None:
    """Say how the process of a lease ended; None: it runs."""
    pid = int(lease.what.get("pid", "0"))
    alive = runs(lease)  # asked first: then a child that is gone has an exit code
    child = _children.get(pid)
    code = None if child is None else child.poll()
    if code is not None:
        return f"the server ended with {_exit(code)}"
    return None if alive else "the server is gone"


def _exit(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    with contextlib.suppress(ValueError):
        return signal.Signals(-code).name
    return f"signal {-code}"


def runs(lease: Lease) -> bool:
    """Tell whether the process of a lease runs: same machine, same id, same start time."""
    pid = lease.what.get("pid", "")
    if not pid or lease.owner.machine.boot != this_machine().boot:
        return False
    started = process_start(int(pid))
    return started is not None and started == lease.what.get("started")


def stop(lease: Lease, *, patience: float = 5.0, first: str = "") -> None:
    """Stop the server of a lease and every process that carries its mark. Nothing else is touched.

    First the signal ``first`` (empty: the one that the lease names, else SIGTERM), after ``patience`` seconds
    SIGKILL.

    Raises:
        OSError: it may not be stopped by us.
    """
    wanted = getattr(signal, first or lease.what.get("signal", "SIGTERM"), signal.SIGTERM)
    pid = int(lease.what.get("pid", "0"))
    if runs(lease):
        _signal_group(pid, wanted)
        if not _gone_within(lease, patience):
            _signal_group(pid, signal.SIGKILL if sys.platform != "win32" else signal.SIGTERM)
            _gone_within(lease, patience)
    for left in marked(lease.id):
        with contextlib.suppress(ProcessLookupError):
            os.kill(left, signal.SIGKILL if sys.platform != "win32" else signal.SIGTERM)
    child = _children.pop(pid, None)
    if child is not None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(patience)


def kill(lease: Lease) -> None:
    """Kill the server of a lease by force; a :func:`stop` that waits for it elsewhere then goes on."""
    if runs(lease):
        _signal_group(int(lease.what["pid"]), signal.SIGKILL if sys.platform != "win32" else signal.SIGTERM)


def _signal_group(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        if sys.platform == "win32":
            os.kill(pid, number)
        else:
            os.killpg(pid, number)


def _gone_within(lease: Lease, patience: float) -> bool:
    end = time.monotonic() + patience
    while time.monotonic() < end:
        _collect(int(lease.what["pid"]))
        if not runs(lease):
            return True
        time.sleep(0.005)
    return False


def _collect(pid: int) -> None:
    child = _children.get(pid)
    if child is not None and child.poll() is not None:
        del _children[pid]


def marked(lease_id: str) -> Iterator[int]:
    """Yield the processes whose environment carries the mark of a lease (Linux; elsewhere none)."""
    needle = f"{MARK}={lease_id}".encode()
    for folder in Path("/proc").glob("[0-9]*") if sys.platform == "linux" else ():
        try:
            if needle in (folder / "environ").read_bytes().split(b"\0"):
                yield int(folder.name)
        except OSError:  # gone, or another user's: then it is not ours
            continue


def inside(folder: Path) -> Iterator[int]:
    """Yield the processes whose working directory is in a folder (Linux; elsewhere none)."""
    for link in Path("/proc").glob("[0-9]*/cwd") if sys.platform == "linux" else ():
        with contextlib.suppress(OSError):  # gone, or another user's
            if link.readlink().is_relative_to(folder):
                yield int(link.parent.name)


def servers_inside(folder: Path) -> Iterator[int]:
    """Yield the servers of ours that work in a folder, not the shell of somebody who looks around there.

    They carry a mark, or run the program of the recipe in that folder: Redis writes its title over its mark.
    """
    try:
        command = _read_recipe(folder / RECIPE).command
    except (OSError, msgspec.MsgspecError):
        command = ()
    named = [Path(word) for word in command]  # one program may start another: setpriv, PostgreSQL
    programs = {str(path.resolve()) for path in named if path.is_absolute()}
    for pid in inside(folder):
        with contextlib.suppress(OSError):  # gone meanwhile
            process = Path("/proc", str(pid))
            words = (process / "environ").read_bytes().split(b"\0")
            running = str((process / "exe").readlink()).removesuffix(" (deleted)")
            if running in programs or any(word.startswith(f"{MARK}=".encode()) for word in words):
                yield pid


def end_inside(folder: Path, patience: float = 3.0) -> bool:
    """End the servers of ours that work in a folder, at last by force; whether they are gone.

    Args:
        folder: of a server that nobody owns any more.
        patience: seconds to wait for each of the two signals.
    """
    numbers = (signal.SIGTERM,) if sys.platform == "win32" else (signal.SIGQUIT, signal.SIGKILL)
    for number in numbers:
        for pid in servers_inside(folder):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
        end = time.monotonic() + patience
        while any(True for _ in servers_inside(folder)):
            if time.monotonic() > end:
                break
            time.sleep(0.01)
        else:
            return True
    return False


def collect_ended() -> None:
    """Take the exit status of servers that somebody else stopped, so that no corpse of theirs stays."""
    for pid in list(_children):
        _collect(pid)


def let_go() -> None:
    """Forget the servers that this process started: they outlive it on purpose."""
    while _children:
        child = _children.popitem()[1]
        if child.poll() is None:
            child.returncode = 0  # else the interpreter warns about a child that still runs


def last_lines(log: Path, lines: int) -> str:
    """Return the last lines of a log; empty when there are none."""
    try:
        with log.open("rb") as stream:
            stream.seek(max(0, stream.seek(0, os.SEEK_END) - 400 * lines))
            text = stream.read().decode(errors="replace")
    except OSError:
        return ""
    return "\n".join(text.splitlines()[-lines:])


def tail(log: Path, lines: int = 15) -> str:
    """Return the last lines of a log, indented, for a message."""
    return "\n".join(f"    {line}" for line in last_lines(log, lines).splitlines())


def exit_code(lease: Lease) -> int | None:
    """Return the exit code of a process that we started; negative: the signal; None: it runs."""
    child = _children.get(int(lease.what.get("pid", "0")))
    return None if child is None else child.poll()
