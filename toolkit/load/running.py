"""Starting the generator, listening to it, and reading what it wrote."""

import importlib.util
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from toolkit.errors import EnvironmentFailed, MissingExtra, UsageError
from toolkit.load.scenarios import LoadScenario
from toolkit.load.verdicts import LoadResult, judge

LOCUSTFILE = Path(__file__).with_name("locustfile.py")
LOOPBACK = "127.0.0.1"
WAIT = 300
"""Seconds that a master waits for processes on other machines."""
TAIL = 1500
"""Characters of the generator's own messages that an error shows."""


def require_generator() -> None:
    """Claim that locust is installed, without importing it: it would change how this process waits.

    Raises:
        MissingExtra: it is not.
    """
    if importlib.util.find_spec("locust") is None:
        raise MissingExtra("load", extra="load", package="locust")


def command_of(
    scenario: LoadScenario, url: str, html: Path | None, *,
    remote: int = 0, listen: str = "", python: str = sys.executable,
) -> list[str]:  # fmt: skip
    """Return the command line of the generator.

    Args:
        scenario: what to do.
        url: base address.
        html: where its own page goes.
        remote: processes on other machines to wait for, which were started by :func:`worker_command`.
        listen: where they reach this one, as ADDRESS or ADDRESS:PORT; without an address only from this
            machine, because whoever reaches it takes part, unencrypted and unasked; port 5557.
        python: the interpreter that has locust.
    """
    users = remote or scenario.processes
    command = [python, "-m", "locust", "-f", str(LOCUSTFILE), "--headless", "--only-summary"]
    command += [
        "--host",
        url,
        "-u",
        str(users),
        "-r",
        str(users),
        "--stop-timeout",
        "0",
        "--loglevel",
        "WARNING",
    ]
    command += ["--html", str(html)] if html is not None else []
    if remote:
        command += ["--master", "--expect-workers", str(remote)]
        command += [
            "--expect-workers-max-wait",
            str(WAIT),
            *_at("--master-bind-host", "--master-bind-port", _own_address(listen)),
        ]
    elif scenario.processes > 1:
        command += ["--processes", str(scenario.processes), "--master-bind-host", LOOPBACK]
    seconds = int(scenario.ramp + scenario.duration + scenario.timeout) + 10
    return [*command, "--run-time", str(seconds)]


def _own_address(listen: str) -> str:
    return f"{LOOPBACK}{listen}" if not listen or listen.startswith(":") else listen


def worker_command(master: str) -> list[str]:
    """Return the command line of a process on another machine that sends its part of the requests."""
    command = [sys.executable, "-m", "locust", "-f", str(LOCUSTFILE), "--worker"]
    return [*command, *_at("--master-host", "--master-port", master), "--loglevel", "WARNING"]


def _at(host: str, port: str, place: str) -> list[str]:
    """Return the options for ADDRESS or ADDRESS:PORT; nothing for an empty one.

    Raises:
        UsageError: the port is no number; an IPv6 address stands in brackets.
    """
    found = re.fullmatch(r"(\[[^\]]+\]|[^:]*)(?::(\d+))?", place)
    if found is None:
        raise UsageError(f"{place!r}: expected ADDRESS or ADDRESS:PORT")
    address = [host, found[1].strip("[]")] if found[1] else []
    return [*address, *([port, found[2]] if found[2] else [])]


def environment_of(scenario: LoadScenario, processes: int, environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of a process of the generator."""
    return {
        **environ,
        "TOOLKIT_LOAD": msgspec.json.encode(scenario).decode(),
        "TOOLKIT_LOAD_PROCESSES": str(processes),
        "PYTHONDONTWRITEBYTECODE": "1",
    }


def run_load(
    scenario: LoadScenario,
    url: str,
    *,
    html: Path | None = None,
    remote: int = 0,
    listen: str = "",
    python: str = sys.executable,
    environ: Mapping[str, str] | None = None,
    say: Callable[[str], None] = lambda _line: None,
) -> LoadResult:
    """Send the requests of a scenario and judge the answers.

    Args:
        scenario: what to send, and what to expect.
        url: base address of the running API.
        html: where locust's own page goes; None: nowhere.
        remote: processes on other machines that take part; 0: those of the scenario, here.
        listen: where they reach this one, see :func:`command_of`.
        python: the interpreter that has locust.
        environ: environment variables; None: this process's own.
        say: takes a line of progress once a second.

    Raises:
        MissingExtra: locust is not installed.
        EnvironmentFailed: it ended without figures; shows what it said.
    """
    if python == sys.executable:
        require_generator()
    with tempfile.TemporaryDirectory(prefix="toolkit-load-") as folder:
        result, errors = Path(folder) / "result.json", Path(folder) / "errors.txt"
        env = environment_of(
            scenario, remote or scenario.processes, os.environ if environ is None else environ
        )
        env["TOOLKIT_LOAD_RESULT"] = str(result)
        command = command_of(scenario, url, html, remote=remote, listen=listen, python=python)
        code = _followed(command, env, errors, say, scenario.rate)
        try:
            told: dict[str, Any] = json.loads(result.read_bytes())
        except (OSError, ValueError) as error:
            text = errors.read_text(encoding="utf-8", errors="replace")[-TAIL:]
            raise EnvironmentFailed(f"locust ended with {code} and without figures:\n{text}") from error
    return judge(scenario, told)


def _followed(
    command: list[str], env: Mapping[str, str], errors: Path, say: Callable[[str], None], rate: float
) -> int:
    """Run the generator, tell its progress, and end it whatever happens to us."""
    with errors.open("wb") as stream:
        child = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=stream, env=dict(env), cwd=errors.parent, text=True
        )
    with child:
        try:
            assert child.stdout is not None  # noqa: S101 - it is a pipe
            for line in child.stdout:
                _tell(line, rate, say)
        except BaseException:
            child.terminate()
            raise
    return child.returncode


def _tell(line: str, rate: float, say: Callable[[str], None]) -> None:
    if line.startswith("{"):
        now = json.loads(line)
        wanted = f"{now['rate']:g} of {rate:g} requests per second"
        say(f"{wanted}, {now['requests']} answers, {now['errors']} errors")
