"""Do all processes collect the same tests in the same order? Parallel runs need that.

xdist stops with "Different tests were collected" when two workers differ. The usual reasons: parameters
out of a set (its order changes with the hash seed), out of a clock or chance, or out of the worker's number.
"""

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from toolkit.errors import EnvironmentFailed

NO_TESTS = 5
"""pytest's exit code when nothing was collected."""


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """How one process differs from the first."""

    process: str
    missing: tuple[str, ...] = ()
    extra: tuple[str, ...] = ()
    moved: str = ""
    """The first test that stands elsewhere, when the tests are the same."""


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """What several processes collected."""

    tests: int
    processes: int
    differences: tuple[Difference, ...] = ()


def compare_collections(
    root: Path, python: str, *, paths: Sequence[str] = (), workers: Sequence[int] = (2, 4)
) -> Comparison:
    """Collect in several processes: other hash seeds, other workers, other counts of workers, files reversed.

    Nothing is run.

    Args:
        root: of the project.
        python: the interpreter that runs its tests.
        paths: what is collected; none: what pytest finds.
        workers: counts; the first and the last worker of each are tried.

    Raises:
        EnvironmentFailed: pytest could not collect; its last lines say why.
    """
    first = collect(root, python, paths, {"PYTHONHASHSEED": "0"})
    differences: list[Difference] = []
    ways = dict(_ways(workers))
    for name, environ in ways.items():
        found = collect(root, python, paths, environ)
        differences += [_difference(name, first, found)] if found != first else []
    files = list(dict.fromkeys(test.partition("::")[0] for test in first))
    backwards = collect(root, python, files[::-1], {"PYTHONHASHSEED": "0"})
    if set(backwards) != set(first):
        differences.append(_difference("files in reverse order", first, backwards))
    return Comparison(tests=len(first), processes=len(ways) + 2, differences=tuple(differences))


def _ways(workers: Sequence[int]) -> "list[tuple[str, dict[str, str]]]":
    ways = [(f"hash seed {seed}", {"PYTHONHASHSEED": str(seed)}) for seed in (1, 2)]
    for number, count in enumerate(workers):
        for worker in (0, count - 1):
            environ = {
                "PYTEST_XDIST_WORKER": f"gw{worker}",
                "PYTEST_XDIST_WORKER_COUNT": str(count),
                "PYTHONHASHSEED": str(3 + number),
            }
            ways.append((f"worker gw{worker} of {count}", environ))
    return ways


def collect(root: Path, python: str, paths: Sequence[str], environ: Mapping[str, str]) -> list[str]:
    """Return the node ids that a process collects, in its order."""
    command = [
        python,
        "-m",
        "pytest",
        "--collect-only",
        "-q",
        "-p",
        "no:randomly",
        "-p",
        "no:cacheprovider",
        *paths,
    ]
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("TOOLKIT_RUN", "PYTEST_XDIST"))
    }
    result = subprocess.run(
        command,
        cwd=root,
        env={**kept, **environ},
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        check=False,
    )
    if result.returncode not in {0, NO_TESTS}:
        printed = "\n".join((result.stdout + result.stderr).strip().splitlines()[-15:])
        raise EnvironmentFailed(
            f"the tests could not be collected:\n{printed}", hint="mend that, or pass --python"
        )
    return [line for line in result.stdout.splitlines() if "::" in line]


def _difference(process: str, first: Sequence[str], found: Sequence[str]) -> Difference:
    missing = tuple(test for test in first if test not in set(found))
    extra = tuple(test for test in found if test not in set(first))
    pairs = zip(first, found, strict=False)
    moved = "" if missing or extra else next((one for one, other in pairs if one != other), "")
    return Difference(process=process, missing=missing, extra=extra, moved=moved)
