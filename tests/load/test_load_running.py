"""The generator as a process: what it is told, what it tells, and that it measures a real server truly."""

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from toolkit.errors import EnvironmentFailed, MissingExtra, UsageError
from toolkit.load.running import command_of, environment_of, run_load, worker_command
from toolkit.load.scenarios import Action, Expected, LoadScenario

Invoke = Callable[..., tuple[int, str, str]]


class Server:
    """An HTTP server that answers at once, with an error now and then, and can stall."""

    def __init__(self) -> None:
        self.requests: list[str] = []
        self.stall_at = 0
        self.acts: dict[int, Callable[[], object]] = {}
        """What happens just before the answer to the n-th request."""
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        self._server = asyncio.run_coroutine_threadsafe(
            asyncio.start_server(self._serve, "127.0.0.1", 0), self._loop
        ).result(30)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                if len(self.requests) + 1 == self.stall_at:
                    time.sleep(1.0)  # noqa: ASYNC251 - all connections wait, as in a stalled server
                self.acts.get(len(self.requests) + 1, lambda: None)()
                path = head.split()[1].decode()
                self.requests.append(path)
                status = b"500 No" if path == "/bad" else b"200 OK"
                writer.write(b"HTTP/1.1 " + status + b"\r\nContent-Length: 2\r\n\r\nok")
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    def close(self) -> None:
        async def end() -> None:
            self._server.close()
            for task in asyncio.all_tasks():
                if task is not asyncio.current_task():
                    task.cancel()
            await asyncio.sleep(0)

        asyncio.run_coroutine_threadsafe(end(), self._loop).result(30)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    yield made
    made.close()


def scenario(**changed: Any) -> LoadScenario:
    given: dict[str, Any] = {
        "actions": (Action(name="good", path="/good", weight=4), Action(name="bad", path="/bad")),
        "rate": 40,
        "ramp": 0.5,
        "duration": 2,
        "expect": Expected(error_rate=0.5, throughput=None),
    }
    return LoadScenario(**{**given, **changed})


@pytest.mark.slow
def test_what_is_sent_arrives_and_is_counted(server: Server, tmp_path: Path) -> None:
    """By locust on a real server: every request, by weight, wrong answers as errors; with its page."""
    said: list[str] = []
    html = tmp_path / "page.html"
    result = run_load(scenario(), server.url, html=html, say=said.append)
    assert result.all.requests == pytest.approx(80, abs=2)
    assert len(server.requests) == pytest.approx(90, abs=3)
    assert {each.name for each in result.actions} == {"good", "bad"}
    assert (
        result.errors == {"bad: status 500": server.requests.count("/bad")}
        or result.errors["bad: status 500"] > 0
    )
    assert result.processes == 1
    assert 0 < result.all.p50_ms <= result.all.p99_ms <= result.all.max_ms
    assert any("of 40 requests per second" in line for line in said)
    assert "<html" in html.read_text(encoding="utf-8")


@pytest.mark.slow
def test_a_stall_is_seen_by_all_requests_that_were_due_in_it(server: Server) -> None:
    """One second without answers at 40 per second: about 40 requests wait, on average half of it.

    A generator that waits for answers would have sent one, and shown one slow request of 80.
    """
    server.stall_at = 80
    actions = (Action(name="good", path="/good"),)
    result = run_load(scenario(actions=actions, duration=5), server.url)
    assert result.all.p95_ms > 300
    assert result.all.max_ms > 900


@contextlib.contextmanager
def elsewhere(wanted: LoadScenario, count: int, master: str) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Processes as other machines would start them, ended afterwards."""
    env = environment_of(wanted, count, os.environ)
    made = [subprocess.Popen(worker_command(master), env=env) for _ in range(count)]
    try:
        yield made
    finally:
        for each in made:
            each.kill()
            each.wait()


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


@pytest.mark.slow
def test_processes_of_several_machines_share_the_rate(server: Server) -> None:
    """A master and two workers over TCP: together they send what one would, and the figures are of all."""
    listen = f"127.0.0.1:{free_port()}"
    with elsewhere(scenario(), 2, listen):
        result = run_load(scenario(), server.url, remote=2, listen=listen)
    assert (result.processes, result.lost) == (2, ())
    assert result.all.requests == pytest.approx(80, abs=3)
    assert len(server.requests) == pytest.approx(90, abs=4)


@pytest.mark.slow
def test_a_lost_process_is_said_and_there_is_no_verdict(server: Server) -> None:
    """Killed while it sends: the others end as usual, the missing requests are not blamed on the server."""
    listen = f"127.0.0.1:{free_port()}"
    wanted = scenario(duration=4, expect=Expected(error_rate=None))
    with elsewhere(wanted, 2, listen) as workers:
        server.acts[20] = workers[0].kill
        result = run_load(wanted, server.url, remote=2, listen=listen)
        assert [each.wait(60) for each in workers] == [-signal.SIGKILL, 0]
    assert len(result.lost) == 1
    assert result.verdict == "refused"
    assert result.saturated.startswith("1 processes of the generator were lost")
    assert 76 <= result.all.requests < 110  # the half of the other, and what the first told before its end
    assert len(server.requests) < 140  # nobody sent the lost half in its place


def test_the_generator_is_told_where_and_how_many(tmp_path: Path) -> None:
    command = command_of(scenario(), "http://x", tmp_path / "p.html", python="/py")
    assert command[:3] == ["/py", "-m", "locust"]
    assert command[command.index("--html") + 1] == str(tmp_path / "p.html")
    assert "--processes" not in command
    many = command_of(scenario(processes=3), "http://x", None)
    assert many[many.index("--processes") + 1] == "3"
    assert "127.0.0.1" in many
    remote = command_of(scenario(), "http://x", None, remote=4)
    assert remote[remote.index("--expect-workers") + 1] == "4"
    assert remote[remote.index("-u") + 1] == "4"
    assert worker_command("10.0.0.1")[-3:] == ["10.0.0.1", "--loglevel", "WARNING"]
    assert worker_command("[::1]:7000")[-6:-2] == ["--master-host", "::1", "--master-port", "7000"]
    here = command_of(scenario(), "http://x", None, remote=1, listen="127.0.0.1:7001")
    assert here[here.index("--master-bind-host") + 1] == "127.0.0.1"
    assert here[here.index("--master-bind-port") + 1] == "7001"
    for nowhere in ("", ":7001"):
        closed = command_of(scenario(), "http://x", None, remote=1, listen=nowhere)
        assert closed[closed.index("--master-bind-host") + 1] == "127.0.0.1", (
            "others only when they are named"
        )
    with pytest.raises(UsageError, match="expected ADDRESS or ADDRESS:PORT"):
        worker_command("10.0.0.1:http")


def fake(tmp_path: Path, body: str) -> str:
    """Make an interpreter that does something else than locust."""
    program = tmp_path / "python"
    program.write_text(f"#!{sys.executable}\nimport os, sys, time, json\n{body}\n", encoding="utf-8")
    program.chmod(0o755)
    return str(program)


TOLD = {
    "times": {}, "late": {"counts": {}, "total": 0, "most": 0}, "errors": {}, "sent": 0, "right": 0,
    "shares": [], "processes": 1,
}  # fmt: skip


def test_progress_is_told_and_other_lines_are_not(tmp_path: Path) -> None:
    said: list[str] = []
    body = (
        "print('noise')\n"
        "print(json.dumps({'rate': 7, 'requests': 9, 'errors': 1}), flush=True)\n"
        f"open(os.environ['TOOLKIT_LOAD_RESULT'], 'w').write(json.dumps({TOLD}))"
    )
    result = run_load(scenario(), "http://x", python=fake(tmp_path, body), say=said.append)
    assert result.error_rate == 1.0
    assert said == ["7 of 40 requests per second, 9 answers, 1 errors"]


def test_a_generator_that_fails_is_told_with_its_words(tmp_path: Path) -> None:
    python = fake(tmp_path, "sys.exit('cannot resolve host')")
    with pytest.raises(
        EnvironmentFailed, match=r"(?s)ended with 1 and without figures:\ncannot resolve host"
    ):
        run_load(scenario(), "http://x", python=python)


def test_an_interrupt_ends_the_generator(tmp_path: Path) -> None:
    """Nothing goes on sending after Ctrl-C."""
    pid_file = tmp_path / "pid"
    line = json.dumps({"rate": 1, "requests": 1, "errors": 0})
    body = (
        f"open({str(pid_file)!r}, 'w').write(str(os.getpid()))\nprint({line!r}, flush=True)\ntime.sleep(600)"
    )

    def interrupted(_line: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_load(scenario(), "http://x", python=fake(tmp_path, body), say=interrupted)
    pid = int(pid_file.read_text(encoding="utf-8"))
    assert not Path(f"/proc/{pid}").exists()


def test_locust_is_asked_for_without_importing_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Importing it would patch how this process waits; missing, it is named."""
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(MissingExtra, match="locust"):
        run_load(scenario(), "http://x")
    program = "import toolkit.load.running, sys; print('gevent' in sys.modules or 'locust' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
