"""Several processes that run the same benchmarks in turns, round by round, so that noise hits all alike.

A round takes milliseconds. Whatever slows the machine for longer (neighbours, heat, clock) slows the rounds
of all arms, and their ratio stays. The other side is :mod:`toolkit.gates.turntaking`; both talk over a socket
of the loopback interface, with a key.
"""

import contextlib
import json
import os
import random
import secrets
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import msgspec

from toolkit.errors import EnvironmentFailed

START_TIMEOUT = 300.0
"""Seconds until a process must have begun."""
TURN_TIMEOUT = 900.0
"""Seconds for a single turn: tests between benchmarks run meanwhile."""
GREETING_TIMEOUT = 10.0
"""Seconds in which whoever connects must say who it is."""
NO_TESTS = 5
_GREETING = 1000
_STOP = 0


class Pace(msgspec.Struct, frozen=True, kw_only=True):
    """How a benchmark is measured in one block.

    Attributes:
        timer: ``wall`` or ``cpu``.
        turn: seconds of a turn, about: a short benchmark is run several times in it.
        seconds: of all turns of one arm, about.
        rounds: turns of each arm at least.
    """

    timer: str = "wall"
    turn: float = 0.005
    seconds: float = 0.1
    rounds: int = 7


class Start(msgspec.Struct, frozen=True, kw_only=True):
    """What an arm runs: a command, where, and its variables."""

    arm: str
    command: tuple[str, ...]
    folder: Path
    environ: dict[str, str]


class Player:
    """One process that takes turns."""

    def __init__(self, start: Start, process: "subprocess.Popen[bytes]", output: Path) -> None:
        self.arm = start.arm
        self.process = process
        self.modules: dict[str, str] = {}
        self._start = start
        self._output = output
        self._socket: socket.socket | None = None
        self._stream: IO[str] | None = None

    def attach(self, connection: socket.socket, stream: IO[str]) -> None:
        """Talk over this connection from now on."""
        connection.settimeout(TURN_TIMEOUT)
        self._socket, self._stream = connection, stream

    def begins(self) -> str | None:
        """Return the benchmark that it is about to run; None: it has come to its end."""
        message = self.hear()
        if message is None or "modules" in message:
            self.modules = (message or {}).get("modules", {})
            return None
        return str(message["begin"])

    def run(self, loops: int) -> float:
        """Let it run its benchmark so many times; return the seconds."""
        self.say(loops)
        message = self.hear()
        if message is None or "seconds" not in message:
            raise self.failed("ended in the middle of a benchmark")
        return max(float(message["seconds"]), 1e-9)

    def stop(self) -> None:
        """Let it go on to its next benchmark."""
        self.say(_STOP)

    def say(self, loops: int) -> None:
        """Send one number."""
        if self._stream is not None:
            with contextlib.suppress(OSError):  # its end is noticed when it is heard
                self._stream.write(f"{loops}\n")
                self._stream.flush()

    def hear(self) -> dict[str, Any] | None:
        """Receive one message; None: there will be no more."""
        try:
            line = self._stream.readline() if self._stream is not None else ""
            message: dict[str, Any] | None = json.loads(line) if line else None
        except (OSError, ValueError) as error:
            raise self.failed(f"does not answer: {error}") from error
        return message

    def end(self) -> int:
        """Wait for its end and return its exit code."""
        return self.process.wait(timeout=TURN_TIMEOUT)

    def failed(self, what: str) -> EnvironmentFailed:
        """Return the error that says what it printed last."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(timeout=1)
        lines = self._output.read_text(encoding="utf-8", errors="backslashreplace").strip().splitlines()
        shown = "\n".join(lines[-25:])
        return EnvironmentFailed(
            f"the benchmarks of {self.arm} ({self._start.folder}): {what}\n{shown}",
            hint="make them pass first; name another Python with --python if packages are missing",
        )

    def close(self) -> None:
        """End it, whatever it does."""
        for closing in (self._stream, self._socket):
            if closing is not None:
                with contextlib.suppress(OSError):
                    closing.close()
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()


@contextlib.contextmanager
def playing(starts: Sequence[Start], pace: Pace, scratch: Path) -> Iterator[list[Player]]:
    """Start processes and yield them when all are connected; none outlives the block.

    Raises:
        EnvironmentFailed: one ended before, or did not connect in time.
    """
    key = secrets.token_hex(16)
    with socket.create_server(("127.0.0.1", 0)) as server, contextlib.ExitStack() as stack:
        server.settimeout(0.2)
        turns = {
            "TOOLKIT_TURN_PORT": str(server.getsockname()[1]),
            "TOOLKIT_TURN_KEY": key,
            "TOOLKIT_TURN_TIMER": pace.timer,
        }
        players = [_started(start, turns, scratch, stack) for start in starts]
        _connect(server, players, key)
        yield players


def _started(start: Start, turns: Mapping[str, str], scratch: Path, stack: contextlib.ExitStack) -> Player:
    output = scratch / f"{start.arm}.log"
    with output.open("wb") as log:
        process = subprocess.Popen(
            start.command,
            cwd=start.folder,
            env={**start.environ, **turns, "TOOLKIT_TURN_ARM": start.arm},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    player = Player(start, process, output)
    stack.callback(player.close)
    return player


def _connect(server: socket.socket, players: Sequence[Player], key: str) -> None:
    waiting = {player.arm: player for player in players}
    deadline = time.monotonic() + START_TIMEOUT
    while waiting:
        with contextlib.suppress(TimeoutError):
            _greet(server.accept()[0], waiting, key)
            continue
        for player in waiting.values():
            if player.process.poll() is not None:
                raise player.failed(f"ended with exit code {player.process.returncode} before any benchmark")
            if time.monotonic() > deadline:
                raise player.failed(f"did not begin within {START_TIMEOUT:g} s")


def _greet(connection: socket.socket, waiting: dict[str, Player], key: str) -> None:
    """Attach who knows the key, and turn away everybody else."""
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.settimeout(GREETING_TIMEOUT)
    stream = connection.makefile("rw", encoding="utf-8", newline="\n")
    with contextlib.suppress(OSError, ValueError, AttributeError):
        hello = json.loads(stream.readline(_GREETING))
        known = secrets.compare_digest(str(hello.get("key", "")).encode(), key.encode())
        if known and hello.get("arm") in waiting:
            waiting.pop(hello["arm"]).attach(connection, stream)
            return
    stream.close()
    connection.close()


def names_of(player: Player) -> tuple[str, ...]:
    """Let a process run every benchmark once, and return their names."""
    found = []
    while (name := player.begins()) is not None:
        found.append(name)
        player.stop()
    return tuple(found)


def take_turns(
    players: Sequence[Player], names: Sequence[str], pace: Pace, chance: random.Random
) -> dict[str, dict[str, list[float]]]:
    """Measure benchmarks that all processes run in the same order.

    Args:
        players: connected, the first of them says how often a short benchmark is run in a turn.
        names: of the benchmarks, in their order.
        pace: how much.
        chance: decides the order within a round.

    Returns:
        Benchmark → arm → seconds of each of its turns.

    Raises:
        EnvironmentFailed: a process failed, or they got out of step.
    """
    found = {}
    for name in names:
        for player in players:
            begun = player.begins()
            if begun != name:
                raise player.failed(f"out of step: it runs {begun}, and the others run {name}")
        found[name] = _measure(players, pace, chance)
        for player in players:
            player.stop()
    for player in players:
        while player.begins() is not None:
            player.stop()
    return found


def _measure(players: Sequence[Player], pace: Pace, chance: random.Random) -> dict[str, list[float]]:
    loops, taken = 1, players[0].run(1)
    while taken < pace.turn and loops < 2**24:
        loops = max(loops + 1, min(loops * 10, int(loops * pace.turn / taken) + 1))
        taken = players[0].run(loops)
    rounds = max(pace.rounds, int(pace.seconds / max(taken, pace.turn)))
    times: dict[str, list[float]] = {player.arm: [] for player in players}
    for _ in range(rounds):
        for player in chance.sample(players, len(players)):
            times[player.arm].append(player.run(loops) / loops)
    return times


def inherited(environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return this environment without what an outer run or measurement has set."""
    outer = ("TOOLKIT_RUN", "TOOLKIT_TURN", "PYTEST_XDIST", "COV_CORE", "COVERAGE_PROCESS")
    environ = os.environ if environ is None else environ
    return {name: value for name, value in environ.items() if not name.startswith(outer)}
