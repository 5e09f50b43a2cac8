"""Third-party projects, unchanged but for two files and a table, count the same as with plain pytest.

Every project with workers and each Python at least once; ``benchmarks/third_party.py`` runs the whole matrix.
"""

import re
import sys
from pathlib import Path

import pytest

from benchmarks import third_party

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]

MATRIX = (
    ("click", "3.12", ("2",)),
    ("jinja2", "3.13", ("0", "2")),
    ("tomlkit", "3.12", ("auto",)),
    ("itsdangerous", "3.11", ("0", "auto")),
)


@pytest.mark.parametrize(("name", "python", "workers"), MATRIX, ids=str)
def test_counts_are_those_of_pytest(tmp_path: Path, name: str, python: str, workers: tuple[str, ...]) -> None:
    for proof in third_party.prove(third_party.PROJECTS[name], tmp_path, python, workers):
        assert proof.counted == proof.plain, proof
        assert proof.plain["passed"] > 100, "the tests of the project did run"


def test_every_python_and_project_is_in_the_matrix() -> None:
    """Two are left to the whole matrix: packaging has 62,000 tests, more-itertools computes for a minute."""
    assert {python for _, python, _ in MATRIX} == set(third_party.PYTHONS)
    assert {name for name, _, _ in MATRIX} == set(third_party.PROJECTS) - {"packaging", "more-itertools"}


@pytest.mark.parametrize(
    ("last", "expected"),
    [
        ("==== 1 failed, 6 passed, 1 skipped, 1 xfailed in 0.33s ====", (6, 1, 1, 1, 0, 0)),
        ("62423 passed, 427 deselected, 3 warnings in 104.26s (0:01:44)", (62423, 0, 0, 0, 0, 0)),
        ("=== 2 xpassed, 1 error in 1s ===", (0, 0, 0, 0, 2, 1)),
    ],
)
def test_the_last_line_of_pytest_is_read(last: str, expected: tuple[int, ...]) -> None:
    counts = third_party.printed_counts(f"tests in 3.2s are not it\n{last}\n")
    assert tuple(counts[word] for word in third_party.WORDS) == expected


def test_help_says_what_it_does() -> None:
    script = Path(third_party.__file__)
    output = third_party.run([sys.executable, str(script), "--help"], script.parent)
    assert re.search(r"--project.*packaging", output, re.DOTALL)
