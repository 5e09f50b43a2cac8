"""What it costs to have the plugin installed: its import over bare pytest's, and the start of whole sessions.

Every setting runs in a process of its own, in turn and in random order, so that a busy machine disturbs all
alike. Import: wall time inside the process of ``import toolkit.plugin``, all of an inert plugin, and of
every module that an active one registers, after pytest and xdist have been imported. Session: CPU seconds of
``pytest --collect-only`` in an empty project without the plugin, with it inert, and with it active.

    uv run benchmarks/plugin_import.py [--repeat N] [--limit MILLISECONDS] [--json]
"""

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

LIMIT = 60.0
"""Milliseconds that the import of the inert plugin may take over bare pytest."""

IMPORT = """
import sys, time, pytest, _pytest.config, xdist.plugin
before = set(sys.modules)
start = time.perf_counter()
import toolkit.plugin
if {active}:
    import importlib
    for name in toolkit.plugin.MODULES:
        importlib.import_module(f"toolkit.plugin.{{name}}")
print((time.perf_counter() - start) * 1000, len(set(sys.modules) - before))
"""


def import_cost(*, active: bool) -> tuple[float, int]:
    """Return milliseconds of the import, and how many modules it adds to pytest's."""
    command = [sys.executable, "-c", IMPORT.format(active=active)]
    took, modules = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    return float(took), int(modules)


def session_cost(root: Path, *arguments: str) -> float:
    """Return the CPU milliseconds of a whole session that collects nothing."""
    environ = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    environ = {name: value for name, value in environ.items() if not name.startswith("TOOLKIT_")}
    command = [sys.executable, "-m", "pytest", "-q", "--collect-only", "-p", "xdist", *arguments]
    before = os.times()
    subprocess.run(command, cwd=root, env=environ, check=False, capture_output=True)
    after = os.times()
    spent = after.children_user + after.children_system - before.children_user - before.children_system
    return spent * 1000


def measure(repeat: int) -> dict[str, float]:
    """Return the median of every setting, and what the plugin adds to a session."""
    with tempfile.TemporaryDirectory() as folder:
        inert, active = Path(folder) / "inert", Path(folder) / "active"
        for root, text in ((inert, ""), (active, "[tool.toolkit]\n")):
            root.mkdir()
            (root / "pyproject.toml").write_text(f"[tool.pytest.ini_options]\n{text}", encoding="utf-8")
        asked: dict[str, Callable[[], float]] = {
            "import_inert_ms": lambda: import_cost(active=False)[0],
            "import_active_ms": lambda: import_cost(active=True)[0],
            "session_bare_cpu_ms": lambda: session_cost(inert),
            "session_inert_cpu_ms": lambda: session_cost(inert, "-p", "toolkit"),
            "session_active_cpu_ms": lambda: session_cost(active, "-p", "toolkit"),
        }
        seen: dict[str, list[float]] = {name: [] for name in asked}
        for _ in range(repeat):
            for name in random.sample(list(asked), len(asked)):
                seen[name].append(asked[name]())
    found = {name: round(statistics.median(values), 1) for name, values in seen.items()}
    found["modules_inert"] = import_cost(active=False)[1]
    found["modules_active"] = import_cost(active=True)[1]
    found["inert_adds_cpu_ms"] = round(found["session_inert_cpu_ms"] - found["session_bare_cpu_ms"], 1)
    found["active_adds_cpu_ms"] = round(found["session_active_cpu_ms"] - found["session_bare_cpu_ms"], 1)
    return found


def main() -> int:
    """Measure and print; exit code 1 when the inert import is slower than the limit."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeat", type=int, default=15)
    parser.add_argument("--limit", type=float, default=LIMIT, help="milliseconds of the inert import")
    parser.add_argument("--json", action="store_true", help="print JSON only")
    options = parser.parse_args()
    found = measure(options.repeat)
    if options.json:
        print(json.dumps(found))
    else:
        for name, value in found.items():
            print(f"{name:22} {value:8.1f}")
    return int(found["import_inert_ms"] > options.limit)


if __name__ == "__main__":
    sys.exit(main())
