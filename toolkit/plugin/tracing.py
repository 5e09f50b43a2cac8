"""Traces the tests of this process: contexts for tests, shared fixtures and the collection of files."""

import os
from collections.abc import Callable, Collection, Generator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from toolkit.plugin.garbage import uncollected
from toolkit.plugin.recording import identity
from toolkit.records import NodeId, Outcome
from toolkit.tracing.context import Context
from toolkit.tracing.keeping import Keepers as KeepersOfFile
from toolkit.tracing.keeping import KeepersOf
from toolkit.tracing.session import TracedProcess

if TYPE_CHECKING:
    from toolkit.impact.state import Keepers, ParsedHere

RUNNERS = ("_pytest.", "xdist.", "toolkit.plugin.")
"""Packages that run tests and call nothing of the project between two of them."""

BOUNDARIES = ("pytest_pyfunc_call", "call_fixture_func", "pytest_runtest_protocol", "runtestprotocol")


class TestTracer:
    """The tracer's hooks. Registered only in processes that run tests with ``--impacted``.

    Args:
        config: of the session.
        folder: where trails are written.
        name: of this process: ``main``, ``gw0`` …
        keepers: functions that keep things for later calls, in the files that are known.
        known: asked once all tests are collected: those that need not be traced.
        parsed: remembers files that are parsed meanwhile; None: another process stores the trails.
    """

    __test__ = False

    def __init__(
        self,
        config: pytest.Config,
        folder: Path,
        name: str,
        keepers: "Keepers",
        known: Callable[[], Collection[NodeId]],
        *,
        parsed: "ParsedHere | None" = None,
    ) -> None:
        from toolkit.impact.state import keepers_among

        of = without_collector(keepers_among(keepers, parsed))
        self.process = TracedProcess(
            str(config.rootpath), str(folder), name, keepers_of=of, known_keepers=keepers
        )
        self.tracer = self.process.tracer
        self._known_now = known
        self._known: Collection[NodeId] = ()
        self._hook = config.hook.pytest_runtest_protocol
        self._around: Sequence[object] | None = None  # who is around tests, while only the runner is
        self._next: tuple[pytest.Item | None, NodeId] = (None, NodeId(""))
        self._config = config
        self._root = config.rootpath
        self._relative: dict[Path, str] = {}
        self._shared: dict[int, tuple[Any, Context]] = {}  # id of a fixture definition → it, its context
        self._test: Context | None = None
        self._outcome: Outcome | None = None
        self._seconds = 0.0
        self._stop_looks_at_runner()

    def _stop_looks_at_runner(self) -> None:
        from _pytest import fixtures, python, runner

        for module in (fixtures, python, runner):
            for name in BOUNDARIES:
                code = getattr(getattr(module, name, None), "__code__", None)
                if code is not None:
                    self.tracer.functions.bound(code)

    # -- collection ----------------------------------------------------------------------------------------

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_make_collect_report(self, collector: pytest.Collector) -> Generator[None, Any, Any]:
        """What runs while a file is collected belongs to the tests of the file."""
        path = getattr(collector, "path", None)
        if path is None or not path.is_file():
            return (yield)
        context = self.tracer.push("collection", self.relative(path))
        try:
            return (yield)
        finally:
            self.tracer.pop(context)

    def relative(self, path: Path) -> str:
        """Return a path as it stands in node ids."""
        found = self._relative.get(path)
        if found is None:
            found = self._relative[path] = Path(os.path.relpath(path, self._root)).as_posix()
        return found

    def pytest_collection_finish(self) -> None:
        """By now the plan is final."""
        self._known = self._known_now()
        if self._known and only_the_runner(self._config.hook, self):
            self._around = self._hook.get_hookimpls()

    # -- tests ---------------------------------------------------------------------------------------------

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(
        self, item: pytest.Item, nextitem: pytest.Item | None
    ) -> Generator[None, object, object]:
        """One test with all its phases and tries."""
        test = self._next[1] if self._next[0] is item else identity(item)
        self._outcome, self._seconds = None, 0.0
        self._test = self.process.begin_test(test, known=test in self._known)
        file = self.relative(item.path)
        if not test.startswith(f"{file}::"):
            self._test.add("own", file)
        follows = False
        try:
            result = yield
            follows = self._follows(item.session, nextitem)
            return result
        finally:
            ended: list[list[object]] = (
                [["result", test, self._outcome.value, round(self._seconds, 6)]] if self._outcome else []
            )
            self.process.end_test(self._test, *ended, follows=follows)
            self._test = None

    def _follows(self, session: pytest.Session, item: pytest.Item | None) -> bool:
        """Whether a test that is known follows, and nothing of the project runs before it begins."""
        if self._around is None or item is None or session.shouldfail or session.shouldstop:
            return False
        self._next = item, identity(item)
        return self._next[1] in self._known and self._hook.get_hookimpls() == self._around

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_teardown(self, item: pytest.Item) -> Generator[None, object, object]:
        """By now all fixtures that the test uses are known."""
        if self._test is None or self._test.traced:
            self._use_shared(getattr(item, "_request", None))
        return (yield)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """The worst of all phases and tries is the outcome."""
        if self._test is None:
            return
        self._seconds += report.duration
        new = outcome_of(report)
        if new is not None and (self._outcome is None or not self._outcome.bad):
            self._outcome = new

    # -- fixtures ------------------------------------------------------------------------------------------

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_fixture_setup(self, fixturedef: Any, request: Any) -> Generator[None, object, object]:
        """What a shared fixture executes belongs to every test that uses it."""
        if fixturedef.scope == "function":
            return (yield)
        context = self.tracer.push("fixture", f"{fixturedef.argname} ({fixturedef.scope})")
        self._shared[id(fixturedef)] = (fixturedef, context)
        fixturedef.addfinalizer(lambda: self.tracer.pop(context))  # runs last
        try:
            return (yield)
        finally:
            self._use_shared(request, but=context)
            self.tracer.pop(context)
            fixturedef.addfinalizer(lambda: self.tracer.resume(context))  # runs first

    def _use_shared(self, request: Any, but: Context | None = None) -> None:
        """The current context uses the shared fixtures of a request; all, where they cannot be told."""
        active = getattr(request, "_fixture_defs", None)
        definitions = (
            [found[0] for found in self._shared.values()] if active is None else list(active.values())
        )
        for definition in definitions:
            shared = self._shared.get(id(definition))
            if shared is not None and shared[1] is not but:
                self.tracer.use(shared[1])

    # -- the end -------------------------------------------------------------------------------------------

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self) -> None:
        """Write the rest of the trail."""
        self.process.stop()


def without_collector(of: KeepersOf) -> KeepersOf:
    """Pause the garbage collector while a file is parsed: of a syntax tree, all becomes garbage at once."""

    def paused(content: bytes, among: Collection[int]) -> KeepersOfFile:
        with uncollected():
            return of(content, among)

    return paused


def only_the_runner(hook: Any, plugin: object) -> bool:
    """Whether nothing but pytest, xdist and we ourselves run between two tests.

    Args:
        hook: what calls the hooks.
        plugin: within whose part of ``pytest_runtest_protocol`` everything belongs to the test.
    """
    around = hook.pytest_runtest_protocol.get_hookimpls()  # the outermost last
    inner = [number for number, found in enumerate(around) if found.plugin is plugin]
    loops = [found for found in hook.pytest_runtestloop.get_hookimpls() if not is_wrapper(found)]
    between = [*around[inner[-1] + 1 :], *loops] if inner else around
    return all(found.function.__module__.startswith(RUNNERS) for found in between)


def is_wrapper(found: Any) -> bool:
    """Whether an implementation of a hook is called around the others."""
    return bool(found.wrapper or found.hookwrapper)


def outcome_of(report: pytest.TestReport) -> Outcome | None:
    """Return what a phase says about the outcome; None when it says nothing."""
    if report.outcome == "passed" and report.when != "call":  # nearly always, and asked three times a test
        return None
    expected = hasattr(report, "wasxfail")
    if report.failed or report.outcome not in {"passed", "failed", "skipped"}:  # "rerun" of other plugins
        return Outcome.FAILED if report.when == "call" else Outcome.ERROR
    if report.skipped:
        return Outcome.XFAILED if expected else Outcome.SKIPPED
    if report.when == "call":
        return Outcome.XPASSED if expected else Outcome.PASSED
    return None
