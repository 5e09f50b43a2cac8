"""``pytest --impacted`` in real projects that are edited between runs."""

from typing import Any

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


def test_only_the_test_of_a_changed_function_runs(project: Any) -> None:
    project.write("code_under_test.py", CODE)
    project.write("test_code.py", TESTS)
    assert project.run() == {"test_double", "test_triple", "test_neither"}
    assert project.run() == set()
    project.replace("code_under_test.py", "return 2 * x", "return x + x")
    assert project.run() == {"test_double"}
    project.replace("code_under_test.py", "LIMIT = 3", "LIMIT = 4")
    assert project.run() == {"test_double", "test_triple", "test_neither"}


def test_comments_and_layout_select_nothing(project: Any) -> None:
    project.write("code_under_test.py", CODE)
    project.write("test_code.py", TESTS)
    project.run()
    project.replace("code_under_test.py", "return 2 * x", "# twice\n    return (2\n        * x)")
    assert project.run() == set()


def test_a_failed_test_runs_until_it_passes(project: Any) -> None:
    project.write("code_under_test.py", CODE)
    project.write("test_code.py", TESTS)
    project.run()
    project.replace("code_under_test.py", "return 2 * x", "return 2 + x + 1")
    assert project.run(code=1) == {"test_double"}
    assert project.run(code=1) == {"test_double"}


def test_workers_record_and_select_the_same(project: Any) -> None:
    project.write("code_under_test.py", CODE)
    project.write("test_code.py", TESTS)
    assert project.run("-n2") == {"test_double", "test_triple", "test_neither"}
    assert project.run("-n2") == set()
    project.replace("code_under_test.py", "return 3 * x", "return x * 3")
    assert project.run("-n2") == {"test_triple"}


def test_a_path_behind_the_option_is_a_path(project: Any) -> None:
    project.write("code_under_test.py", CODE)
    project.write("test_code.py", TESTS)
    project.write("test_other.py", "def test_other(): pass")
    assert project.run("test_other.py") == {"test_other"}
    assert project.run("test_code.py::test_double") == {"test_double"}
    assert project.run() == {"test_triple", "test_neither"}
