"""The program that locust runs: sends requests when they are due, whatever became of those before.

Locust's own users wait for each answer. Here each process has one user, which starts a greenlet for each
request at its time; times count from when it was due. The scenario comes in TOOLKIT_LOAD, the figures go to
TOOLKIT_LOAD_RESULT (by the master, when there are several processes), progress to standard output.
"""

import json
import os
import random
import resource
import sys
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

sys.path.insert(0, str(Path(__file__).parent))

import gevent
from arrivals import Chooser, due_times
from geventhttpclient import HTTPClient
from histogram import Histogram, from_json
from locust import User, constant, events, task
from locust.runners import STATE_MISSING, MasterRunner, WorkerRunner

SCENARIO: dict[str, Any] = json.loads(os.environ["TOOLKIT_LOAD"])
PROCESSES = int(os.environ.get("TOOLKIT_LOAD_PROCESSES", "1"))
"""Of all machines together: each sends its part of the rate."""


class Figures:
    """What one process saw, and how busy it was itself."""

    def __init__(self) -> None:
        self.times: dict[str, Histogram] = {}
        self.errors: dict[str, int] = {}
        self.late = Histogram()
        self.right = self.sent = 0
        self.cpu = self.wall = 0.0
        self.finished = False

    def note(self, name: str, seconds: float, error: str) -> None:
        """Count one request."""
        self.times.setdefault(name, Histogram()).add(seconds)
        self.right += not error
        if error:
            self.errors[f"{name}: {error}"] = self.errors.get(f"{name}: {error}", 0) + 1

    def as_json(self) -> dict[str, Any]:
        """Return what goes to the master."""
        return {
            "times": {name: each.as_json() for name, each in self.times.items()},
            "errors": self.errors,
            "late": self.late.as_json(),
            "right": self.right,
            "sent": self.sent,
            "finished": self.finished,
            "shares": [self.cpu / self.wall] if self.wall else [],
        }


FIGURES = Figures()
RUNNERS: list[Any] = []
FROM_OTHERS: dict[str, dict[str, Any]] = {}
CONNECTED: set[str] = set()
"""Processes that the master knows, or knew."""
BEGUN: list[bool] = []
"""Whether the user of this process was there: a master that loses a worker would give its user to another."""


def joined() -> dict[str, Any]:
    """Return the figures of all processes."""
    all_figures = list(FROM_OTHERS.values()) or [FIGURES.as_json()]
    times: dict[str, Histogram] = {}
    errors: dict[str, int] = {}
    late = Histogram()
    for each in all_figures:
        for name, found in each["times"].items():
            times.setdefault(name, Histogram()).merge([from_json(found)])
        for name, count in each["errors"].items():
            errors[name] = errors.get(name, 0) + count
        late.merge([from_json(each["late"])])
    return {
        "times": {name: each.as_json() for name, each in times.items()},
        "errors": errors,
        "late": late.as_json(),
        "right": sum(each["right"] for each in all_figures),
        "sent": sum(each["sent"] for each in all_figures),
        "shares": [share for each in all_figures for share in each["shares"]],
        "processes": len(all_figures),
        "lost": sorted(lost()),
    }


def lost() -> set[str]:
    """Return the processes that ended, or are not heard of, before they had sent everything."""
    if not CONNECTED:
        return set()
    clients = RUNNERS[0].clients
    there = {name for name in CONNECTED if name in clients and clients[name].state != STATE_MISSING}
    return {name for name in CONNECTED - there if not FROM_OTHERS.get(name, {}).get("finished")}


def end_when_over(runner: Any) -> None:
    """End the master when each process has sent everything or is lost."""
    while True:
        gevent.sleep(0.5)
        done = sum(each["finished"] for each in FROM_OTHERS.values())
        if CONNECTED and done + len(lost()) >= PROCESSES:
            runner.quit()
            return


@events.worker_connect.add_listener
def note_worker(client_id: str, **_: Any) -> None:
    """Remember who took part."""
    CONNECTED.add(client_id)


@events.report_to_master.add_listener
def tell_master(client_id: str, data: dict[str, Any]) -> None:  # noqa: ARG001 - by locust
    """Send what this process saw so far."""
    data["toolkit"] = FIGURES.as_json()


@events.worker_report.add_listener
def hear_worker(client_id: str, data: dict[str, Any]) -> None:
    """Keep what a process saw so far."""
    FROM_OTHERS[client_id] = data["toolkit"]


@events.quitting.add_listener
def write_result(environment: Any, **_: Any) -> None:
    """Write the figures of all."""
    if not isinstance(environment.runner, WorkerRunner):
        Path(os.environ["TOOLKIT_LOAD_RESULT"]).write_text(json.dumps(joined()), encoding="utf-8")


@events.init.add_listener
def tell_progress(environment: Any, **_: Any) -> None:
    """Say once a second how far it is."""

    def tell() -> None:
        before = 0
        while True:
            gevent.sleep(1)
            total = environment.stats.total
            sent = total.num_requests
            line = {"requests": sent, "rate": sent - before, "errors": total.num_failures}
            print(json.dumps(line), flush=True)  # noqa: T201 - a program that talks to its starter
            before = sent

    RUNNERS.append(environment.runner)
    if not isinstance(environment.runner, WorkerRunner):
        gevent.spawn(tell)
    if isinstance(environment.runner, MasterRunner):
        gevent.spawn(end_when_over, environment.runner)


class Arrivals(User):
    """All requests of one process."""

    wait_time = constant(0)

    def on_start(self) -> None:
        """Open the pool of connections."""
        parts = urlsplit(self.host)
        self.prefix = parts.path.rstrip("/")
        self.client = HTTPClient(
            parts.hostname,
            parts.port,
            ssl=parts.scheme == "https",
            concurrency=SCENARIO["most_open"],
            connection_timeout=SCENARIO["timeout"],
            network_timeout=SCENARIO["timeout"],
        )

    @task
    def send_all(self) -> None:
        """Send each request when it is due, once in this process."""
        if BEGUN:
            gevent.sleep(3600)
        BEGUN.append(True)
        dice = random.Random()  # noqa: S311 - no secret
        chooser = Chooser(SCENARIO["actions"], dice)
        ramp, rate = SCENARIO["ramp"], SCENARIO["rate"] / PROCESSES
        dues = due_times(
            rate=rate,
            ramp=ramp,
            duration=SCENARIO["duration"],
            poisson=SCENARIO["arrivals"] == "poisson",
            dice=dice,
            first=dice.random() - 1,
        )
        begun, busy = time.perf_counter(), None
        under_way: set[Any] = set()
        for due in dues:
            pause = begun + due - time.perf_counter()
            gevent.sleep(max(pause, 0))
            counted = due >= ramp
            if counted and busy is None:
                busy = (time.perf_counter(), cpu())
            action, path, body = chooser.draw()
            if len(under_way) >= SCENARIO["most_open"]:
                self.note(action, time.perf_counter(), 0.0, "not sent: too many requests are open", counted)
                continue
            greenlet = gevent.spawn(self.send, action, path, body, begun + due, counted)
            under_way.add(greenlet)
            greenlet.rawlink(under_way.discard)
        if busy is not None:
            FIGURES.wall, FIGURES.cpu = time.perf_counter() - busy[0], cpu() - busy[1]
        gevent.joinall(list(under_way), timeout=SCENARIO["timeout"])
        FIGURES.finished = True
        if not isinstance(self.environment.runner, WorkerRunner):
            self.environment.runner.quit()
        gevent.sleep(600)  # a worker reports every three seconds; its master ends it

    def send(self, action: dict[str, Any], path: str, body: bytes, due: float, counted: bool) -> None:
        """Send one request and take its time from when it was due."""
        started = time.perf_counter()
        headers = {"Content-Type": "application/json", **action["headers"]} if body else action["headers"]
        error = ""
        try:
            response = self.client.request(action["method"], self.prefix + path, body, headers)
            response.read()
            if response.status_code not in action["status"]:
                error = f"status {response.status_code}"
        except Exception as problem:  # noqa: BLE001 - whatever it is, it is no answer
            error = type(problem).__name__
        self.note(action, due, started - due, error, counted)

    def note(self, action: dict[str, Any], due: float, late: float, error: str, counted: bool) -> None:
        """Count one request."""
        seconds = time.perf_counter() - due
        if counted:
            FIGURES.sent += 1
            FIGURES.late.add(late)
            FIGURES.note(action["name"], seconds, error)
        self.environment.events.request.fire(
            request_type=action["method"],
            name=action["name"],
            response_time=seconds * 1000,
            response_length=0,
            exception=RuntimeError(error) if error else None,
            context={},
        )


def cpu() -> float:
    """Return the CPU seconds of this process."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime
