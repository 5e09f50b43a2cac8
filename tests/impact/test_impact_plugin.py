"""``pytest --impacted`` in real projects that are edited between runs."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

CODE = """
LIMIT = 3

def double(x):
    return 2 * x

def triple(x):
    return 3 * x
"""

TESTS = """
import code_under_test as c

def test_double():
    assert c.double(2) == 4

def test_triple():
    assert c.triple(2) == 6

def test_neither():
    assert True
"""


@pytest.fixture
def project(tmp_path: Path) -> "Project":
    return Project(tmp_path)


class Project:
    """A project on disk whose tests run in a process of their own, as a user runs them."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.write("pytest.ini", "[pytest]\npythonpath = .\n")

    def write(self, name: str, text: str) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def replace(self, name: str, old: str, new: str) -> None:
        text = (self.root / name).read_text()
        assert old in text
        self.write(name, text.replace(old, new))

    def run(self, *arguments: str, code: int = 0, impacted: str = "--impacted") -> set[str]:
        """Run pytest; return the names of the tests that ran."""
        command = [sys.executable, "-m", "pytest", "-v", "-p", "no:cacheprovider", impacted, *arguments]
        done = subprocess.run(command, cwd=self.root, capture_output=True, text=True, check=False)
        self.output = done.stdout + done.stderr
        assert done.returncode == code, self.output
        pattern = r"^(?:\[gw\d+\].*?)?\S*?::(.+?)(?: (?:PASSED|FAILED|ERROR|SKIPPED|XFAIL|XPASS).*| *)$"
        plain = re.findall(
            r"^\S+?::(\S+) (?:PASSED|FAILED|ERROR|SKIPPED|XFAIL|XPASS)", self.output, re.MULTILINE
        )
        return set(plain) | set(re.findall(r"(?:PASSED|FAILED|ERROR|SKIPPED) \S+?::(\S+)", self.output)) or (
            set(re.findall(pattern, self.output, re.MULTILINE))
            if "no tests ran" not in self.output
            else set()
        )


def test_only_the_test_of_a_changed_function_runs(project: Project) -> None:
    project.write("code_under_test.py", CODE)
    project.write("test_code.py", TESTS)
    assert project.run() == {"test_double", "test_triple", "test_neither"}
    assert project.run() == set()
    project.replace("code_under_test.py", "return 2 * x", "return x + x")
    assert project.run() == {"test_double"}
    project.replace("code_under_test.py", "LIMIT = 3", "LIMIT = 4")
    assert project.run() == {"test_double", "test_triple", "test_neither"}


def test_comments_and_layout_select_nothing(project: Project) -> None:
    project.write("code_under_test.py", CODE)
    project.write("test_code.py", TESTS)
    project.run()
    project.replace("code_under_test.py", "return 2 * x", "# twice\n    return (2\n        * x)")
    assert project.run() == set()


def test_a_failed_test_runs_until_it_passes(project: Project) -> None:
    project.write("code_under_test.py", CODE)
    project.write("test_code.py", TESTS)
    project.run()
    project.replace("code_under_test.py", "return 2 * x", "return 2 + x + 1")
    assert project.run(code=1) == {"test_double"}
    assert project.run(code=1) == {"test_double"}


def test_workers_record_and_select_the_same(project: Project) -> None:
    project.write("code_under_test.py", CODE)
    project.write("test_code.py", TESTS)
    assert project.run("-n2") == {"test_double", "test_triple", "test_neither"}
    assert project.run("-n2") == set()
    project.replace("code_under_test.py", "return 3 * x", "return x * 3")
    assert project.run("-n2") == {"test_triple"}


def test_a_path_behind_the_option_is_a_path(project: Project) -> None:
    project.write("code_under_test.py", CODE)
    project.write("test_code.py", TESTS)
    project.write("test_other.py", "def test_other(): pass")
    assert project.run("test_other.py") == {"test_other"}
    assert project.run("test_code.py::test_double") == {"test_double"}
    assert project.run() == {"test_triple", "test_neither"}
