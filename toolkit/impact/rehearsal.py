"""What modules run while they are imported, for those that were imported before tracing could begin.

pytest imports some modules very early, such as those that ``filterwarnings`` names. They are imported once
more in a process of their own, traced from the start. What cannot be imported there counts as a whole file.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import msgspec

from toolkit.impact.dependencies import ProcessInputs
from toolkit.impact.fingerprints import Source, digest
from toolkit.impact.inputs import Input
from toolkit.impact.state import Cache, ProjectState
from toolkit.impact.touching import Interner
from toolkit.impact.trails import ProcessTrail, read_process
from toolkit.tracing.audit import TOKEN
from toolkit.tracing.trail import SUFFIX

SCRIPT = """
import importlib, sys
from toolkit.impact.looking import keepers_of
from toolkit.tracing.session import TracedProcess
traced = TracedProcess(sys.argv[1], sys.argv[2], "rehearsal", children=False, keepers_of=keepers_of)
for name in sys.argv[3:]:
    try:
        importlib.import_module(name)
    except BaseException:
        pass
traced.stop()
"""
TIME_LIMIT = 120
"""Seconds; imports that take longer count as whole files."""

Rehearsed = dict[str, tuple[Input, ...]]
"""Path of a module → what its import depends on."""


def rehearse(root: Path, early: Sequence[tuple[str, str]], state: ProjectState, cache: Cache) -> Rehearsed:
    """Return what the imports of some modules depend on.

    Args:
        root: of the project.
        early: name and path of modules, in the order of their import.
        state: of the project.
        cache: where the answer is kept while the modules stay the same.
    """
    if not early:
        return {}
    contents = "\0".join(f"{name}={path}={state.content(path)}" for name, path in sorted(set(early)))
    key = "rehearsal:" + digest(sys.version + contents)
    kept = cache.get(key)
    if kept is not None:
        return msgspec.json.decode(kept, type=Rehearsed)
    found = _inputs(_run(root, [name for name, _path in early]), state.source)
    cache.put(key, msgspec.json.encode(found))
    return found


def _run(root: Path, names: Iterable[str]) -> ProcessTrail | None:
    environ = {key: value for key, value in os.environ.items() if key != TOKEN}
    environ["PYTHONPATH"] = os.pathsep.join(entry for entry in sys.path if entry)
    with tempfile.TemporaryDirectory(prefix="toolkit-rehearsal-") as folder:
        command = [sys.executable, "-c", SCRIPT, str(root), folder, *dict.fromkeys(names)]
        try:
            subprocess.run(
                command, cwd=root, env=environ, capture_output=True, timeout=TIME_LIMIT, check=False
            )
        except (OSError, subprocess.TimeoutExpired):
            return None
        path = Path(folder, "rehearsal" + SUFFIX)
        return read_process(path) if path.exists() else None


def _inputs(trail: ProcessTrail | None, sources: Callable[[str], Source | None]) -> Rehearsed:
    if trail is None or not trail.by_functions:
        return {}
    intern = Interner()
    process = ProcessInputs(trail, (), sources, intern, frozenset())
    return {
        path: tuple(intern.inputs[number] for number in process.inputs_of_module(path))
        for _name, path, _context in trail.modules
    }
