"""A selection, and what becomes of it: the parts of this package put together for one run of pytest."""

import os
import sys
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec

from toolkit.impact.distributions import Installed, installed
from toolkit.impact.fingerprints import GONE, digest
from toolkit.impact.inputs import CaseInputs, Input, Traced
from toolkit.impact.selection import Selection, select
from toolkit.impact.state import ProjectState, fingerprints
from toolkit.impact.store import DependencyStore
from toolkit.impact.trails import Interner, ProcessInputs, first_uses, offspring, read_trails
from toolkit.records import NodeId, Outcome

STALE = "changed while the tests ran"
"""The fingerprint of what was not the same at the beginning and at the end of a run: it never matches."""


def environment_name() -> str:
    """Name of the records to use: dependencies differ between Pythons and platforms."""
    major, minor = sys.version_info[:2]
    return f"{sys.implementation.name}-{major}.{minor}-{sys.platform}"


def pytest_settings(root: Path, options: Iterable[str] = ()) -> dict[str, str]:
    """Return what configures all tests of a project: Python, the configuration of pytest, options.

    Args:
        root: the project.
        options: of the command line that change what tests do.
    """
    return {
        "python": sys.version,
        "pytest": digest("\0".join(_configuration_texts(root))),
        "options": digest("\0".join(options)),
    }


def _configuration_texts(root: Path) -> Iterable[str]:
    for name in ("pytest.ini", ".pytest.ini", "pytest.toml", ".pytest.toml"):
        yield _text(root / name)
    for name in ("tox.ini", "setup.cfg"):
        text = _text(root / name)
        yield text if "pytest" in text else ""
    try:
        document = tomllib.loads(_text(root / "pyproject.toml"))
        yield repr(document.get("tool", {}).get("pytest", {}))
    except tomllib.TOMLDecodeError:
        yield _text(root / "pyproject.toml")


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


class ImpactSession:
    """Plans a run and records it.

    Args:
        root: the project.
        store: where dependencies are kept.
        environ: environment variables at the start of the run.
        options: of the command line that change what tests do.
    """

    def __init__(
        self,
        root: Path,
        store: DependencyStore,
        *,
        environ: Mapping[str, str] | None = None,
        options: Iterable[str] = (),
    ) -> None:
        self.root = root
        self.store = store
        self.environment = environment_name()
        self._environ = dict(os.environ if environ is None else environ)
        self._settings = pytest_settings(root, options)
        self._installed: Installed | None = None

    def state(self, modules: Iterable[str]) -> ProjectState:
        """Return the project as it is now.

        Args:
            modules: top-level modules that tests are known to import.
        """
        if self._installed is None:
            self._installed = installed(self.store, self.root)
        settings = {**self._settings, "packages": self._installed.others(modules)}
        return ProjectState(
            self.root,
            self.store,
            environ=self._environ,
            settings=settings,
            distributions=self._installed.fingerprint,
        )

    # -- before the run ------------------------------------------------------------------------------------

    def changed(self) -> tuple[dict[int, Input], dict[NodeId, str]]:
        """Return the recorded inputs that are not as they were, and the tests that depend on one of them."""
        rows = list(self.store.inputs())
        state = self.state({item.name for _number, item, _fingerprint in rows if item.kind == "distribution"})
        now: dict[Input, str] = {}
        changed: dict[int, Input] = {}
        with self.store.transaction():  # parsed files are kept
            for number, item, fingerprint in rows:
                if item not in now:
                    now[item] = state.fingerprint(item)
                if now[item] != fingerprint:
                    changed[number] = item
        tests = self.store.dependents(self.environment, changed)
        return changed, {test: str(changed[number]) for test, number in tests.items()}

    def plan(self, *, full: str = "", since_reference: Mapping[NodeId, str] | None = None) -> Selection:
        """Decide which of the known tests to leave out."""
        known = self.store.tests(self.environment)
        if full or not known:
            return select(known, {}, full=full or "nothing is recorded yet")
        _inputs, changed = self.changed()
        return select(known, changed, since_reference)

    # -- after the run -------------------------------------------------------------------------------------

    def traced(self, folder: Path, results: Mapping[NodeId, tuple[Outcome, float]]) -> Traced:
        """Turn the trails of a run into the dependencies of its tests.

        Args:
            folder: of the trails.
            results: outcome and seconds of every test that ended.
        """
        trails = read_trails(folder)
        intern = Interner()
        state = self.state(())
        test_files = frozenset(test.partition("::")[0] for test in results)
        inputs: dict[NodeId, frozenset[int]] = {}
        for trail in trails:
            if not trail.parent:
                process = ProcessInputs(trail, offspring(trail, trails), state.source, intern, test_files)
                for name, numbers in process.tests():
                    test = NodeId(name)
                    inputs[test] = inputs.get(test, frozenset()) | numbers
        settings = frozenset(intern("setting", name) for name in ("python", "pytest", "options", "packages"))
        cases = tuple(
            CaseInputs(test=test, inputs=inputs[test] | settings, outcome=outcome, duration=seconds)
            for test, (outcome, seconds) in results.items()
            if test in inputs
        )
        tops = {item.name for item in intern.inputs if item.kind == "distribution"}
        state = self.state(tops)
        stamps = first_uses(trails)
        found = [
            STALE if self._moved(item, stamps) else fingerprint
            for item, fingerprint in zip(intern.inputs, fingerprints(state, intern.inputs), strict=True)
        ]
        return Traced(inputs=tuple(intern.inputs), fingerprints=tuple(found), cases=cases)

    def _moved(self, item: Input, stamps: Mapping[str, set[tuple[int, int]]]) -> bool:
        """Whether a file is no longer as it was when the run first used it."""
        if item.kind not in {"function", "module", "tests", "source", "file"} or item.name not in stamps:
            return False
        try:
            found = (self.root / item.name).stat()
        except OSError:
            return True
        return stamps[item.name] != {(found.st_mtime_ns, found.st_size)}

    def record(self, traced: Traced) -> None:
        """Store the dependencies of a run."""
        with self.store.transaction():
            self.store.record(self.environment, traced)


class RunPlan(msgspec.Struct, frozen=True, kw_only=True):
    """The file by which the controller tells its workers what to leave out."""

    folder: str
    left_out: frozenset[NodeId] = frozenset()
    deselect: bool = True


__all__ = ["GONE", "ImpactSession", "RunPlan", "environment_name", "pytest_settings"]
