"""A model of xdist's workers in virtual time, to drive real scheduler classes (xdist's own and ours).

The workers behave as ``xdist/remote.py`` does: a test starts when the next one is known or the end was
announced; a steal takes all of the wanted tests or none. The controller behaves as ``xdist/dsession.py``
does: one event at a time, shut down when the scheduler says that all tests are finished, and replace a
worker that died. Messages take ``latency`` seconds each way, every test costs ``overhead`` seconds more.
"""

import heapq
import itertools
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from types import SimpleNamespace
from typing import Any, NamedTuple

END = "end"


class Span(NamedTuple):
    """One execution of a test."""

    test: str
    worker: str
    start: float
    end: float
    killed: bool = False


class Gateway:
    """Stands for execnet's gateway, of which schedulers read the id."""

    def __init__(self, name: str) -> None:
        self.id = name


class ModelConfig:
    """The options that xdist's schedulers read."""

    def __init__(self, workers: int, **options: Any) -> None:
        self.option_values = {"tx": ["popen"] * workers, "maxschedchunk": None, "loadscopereorder": True}
        self.option_values |= options
        self.option = SimpleNamespace(**self.option_values)
        self.hook = self
        self.problems: list[str] = []

    def getvalue(self, name: str) -> Any:
        return self.option_values[name]

    def getoption(self, name: str, default: Any = None) -> Any:
        return self.option_values.get(name, default)

    def pytest_collectreport(self, report: Any) -> None:
        self.problems.append(str(report.longrepr))

    def pytest_runtest_logreport(self, report: Any) -> None:
        self.problems.append(str(report.longrepr))


class ModelWorker:
    """One worker process."""

    def __init__(self, model: "Model", name: str, ids: Sequence[str]) -> None:
        self.gateway = Gateway(name)
        self.model = model
        self.ids = list(ids)
        self.queue: deque[int | str] = deque()
        self.next: int | str | None = None
        self.running: int | None = None
        self.started = 0.0
        self.down = False
        self.shutdown_sent = False

    @property
    def shutting_down(self) -> bool:
        return self.down or self.shutdown_sent

    def send_runtest_some(self, indices: Sequence[int]) -> None:
        self.model.after(self.model.latency, self._receive, list(indices))

    def send_steal(self, indices: Sequence[int]) -> None:
        self.model.after(self.model.latency, self._steal, list(indices))

    def shutdown(self) -> None:
        self.shutdown_sent = True
        self.model.after(self.model.latency, self._receive, [END])

    def _receive(self, items: Sequence[int | str]) -> None:
        self.queue.extend(items)
        self._go_on()

    def _steal(self, indices: Sequence[int]) -> None:
        wanted = set(indices)
        stolen = [item for item in self.queue if item in wanted]
        if len(stolen) == len(wanted):
            self.queue = deque(item for item in self.queue if item not in wanted)
        else:
            stolen = []
        self.model.tell("unscheduled", self, indices=stolen)

    def _go_on(self) -> None:
        if self.down or self.running is not None:
            return
        if self.next is None and self.queue:
            self.next = self.queue.popleft()
        if self.next == END:
            self.down = True
            self.model.tell("finished", self)
        elif self.next is not None and self.queue:
            self.running = int(self.next)
            self.next = self.queue.popleft()
            self.started = self.model.now
            test = self.ids[self.running]
            pause = self.running < 0
            if not pause:
                self.model.tell("start", self, test=test)
            seconds = 0.0 if pause else self.model.seconds(test) + self.model.overhead
            if not pause and self.model.kills(test):
                self.model.after(seconds / 2, self.die)
            else:
                self.model.after(seconds, self._complete)

    def _complete(self) -> None:
        if self.down or self.running is None:
            return
        index, self.running = self.running, None
        if index >= 0:
            self.model.spans.append(Span(self.ids[index], self.gateway.id, self.started, self.model.now))
        duration = self.model.now - self.started
        self.model.tell("complete", self, item_index=index, duration=duration)
        self._go_on()

    def die(self) -> None:
        if self.down:
            return
        self.down = True
        if self.running is not None and self.running >= 0:
            test = self.ids[self.running]
            self.model.spans.append(Span(test, self.gateway.id, self.started, self.model.now, killed=True))
        self.model.tell("died", self)


class Model:
    """A whole run.

    Args:
        collections: what each worker collects; a replacement collects what the first one did.
        durations: seconds per test.
        make: builds the scheduler from a config.
        kills: whether a test kills the worker that runs it (asked once per execution).
        retry: whether a test that killed its worker is tried again, as pytest_handlecrashitem may ask.
    """

    def __init__(
        self,
        collections: Sequence[Sequence[str]],
        durations: Mapping[str, float],
        make: Callable[[Any], Any],
        *,
        latency: float = 0.0005,
        overhead: float = 0.0,
        kills: Callable[[str], bool] = lambda _test: False,
        retry: Callable[[str], bool] = lambda _test: False,
        prepare: Callable[["ModelWorker"], None] = lambda _worker: None,
    ) -> None:
        self.now = 0.0
        self.latency = latency
        self.overhead = overhead
        self.durations = durations
        self.kills = kills
        self.retry = retry
        self.prepare = prepare
        self.collections = collections
        self.spans: list[Span] = []
        self.crashed: list[str] = []
        self.events = 0
        self.config = ModelConfig(len(collections))
        self.scheduler = make(self.config)
        self.active: set[ModelWorker] = set()
        self.shutting_down = False
        self._agenda: list[tuple[float, int, Callable[..., None], tuple[Any, ...]]] = []
        self._count = itertools.count()
        self._names = itertools.count()

    def seconds(self, test: str) -> float:
        return self.durations[test]

    def after(self, delay: float, call: Callable[..., None], *args: Any) -> None:
        heapq.heappush(self._agenda, (self.now + delay, next(self._count), call, args))

    def tell(self, event: str, worker: ModelWorker, **details: Any) -> None:
        self.after(self.latency, self._controller, event, worker, details)

    def run(self) -> float:
        """Run to the end; returns the makespan in seconds (virtual)."""
        for ids in self.collections:
            self._start(ids)
        while self._agenda:
            self.now, _, call, args = heapq.heappop(self._agenda)
            call(*args)
        if self.active:
            names = sorted(worker.gateway.id for worker in self.active)
            raise RuntimeError(f"deadlock: {names} wait for ever")
        return max((span.end for span in self.spans), default=0.0)

    @property
    def makespan(self) -> float:
        """Seconds from the first start to the last end."""
        first = min((span.start for span in self.spans), default=0.0)
        return max((span.end for span in self.spans), default=0.0) - first

    def kill_at(self, when: float, number: int) -> None:
        """Kill the worker of this number at a time, whatever it does."""

        def kill() -> None:
            for worker in list(self.active):
                if worker.gateway.id == f"gw{number}":
                    worker.die()

        self.after(when, kill)

    def _start(self, ids: Sequence[str]) -> None:
        worker = ModelWorker(self, f"gw{next(self._names)}", ids)
        self.active.add(worker)
        self.tell("ready", worker)
        self.tell("collected", worker)

    def _controller(self, event: str, worker: ModelWorker, details: dict[str, Any]) -> None:
        self.events += 1
        getattr(self, f"_on_{event}")(worker, **details)
        if self.scheduler.tests_finished:
            self._shut_down()

    def _shut_down(self) -> None:
        if not self.shutting_down:
            self.shutting_down = True
            for worker in self.scheduler.nodes:
                worker.shutdown()

    def _on_ready(self, worker: ModelWorker) -> None:
        if worker.down and worker not in self.active:
            return
        if self.shutting_down:
            worker.shutdown()
        else:
            self.scheduler.add_node(worker)

    def _on_collected(self, worker: ModelWorker) -> None:
        if self.shutting_down or worker not in self.active:
            return
        self.prepare(worker)
        self.scheduler.add_node_collection(worker, worker.ids)
        if self.scheduler.collection_is_completed:
            self.scheduler.schedule()

    def _on_start(self, worker: ModelWorker, test: str) -> None:  # noqa: ARG002
        watch = getattr(self.scheduler, "started", None)
        if watch is not None:
            watch.add(test)

    def _on_complete(self, worker: ModelWorker, item_index: int, duration: float) -> None:
        self.scheduler.mark_test_complete(worker, item_index, duration)

    def _on_unscheduled(self, worker: ModelWorker, indices: Sequence[int]) -> None:
        self.scheduler.remove_pending_tests_from_node(worker, indices)

    def _on_finished(self, worker: ModelWorker) -> None:
        if worker in self.scheduler.nodes:
            crashed = self.scheduler.remove_node(worker)
            if crashed:
                raise AssertionError(f"{worker.gateway.id} ended by itself, yet {crashed} is missing")
        self.active.remove(worker)

    def _on_died(self, worker: ModelWorker) -> None:
        try:
            crashed = self.scheduler.remove_node(worker)
        except (KeyError, ValueError):
            crashed = None
        if crashed:
            self.crashed.append(crashed)
            if self.retry(crashed):
                self.scheduler.mark_test_pending(crashed)
        self.shutting_down = False
        self._start(self.collections[0])
        self.active.remove(worker)
