"""``pytest --impacted`` in real projects that are edited between runs."""

import sys
from typing import Any

import pytest

needs_monitoring = pytest.mark.skipif(sys.version_info < (3, 12), reason="functions are traced from 3.12 on")

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


@needs_monitoring
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


@needs_monitoring
def test_a_failed_test_runs_until_it_passes(project: Any) -> None:
    project.write("code_under_test.py", CODE)
    project.write("test_code.py", TESTS)
    project.run()
    project.replace("code_under_test.py", "return 2 * x", "return 2 + x + 1")
    assert project.run(code=1) == {"test_double"}
    assert project.run(code=1) == {"test_double"}


@needs_monitoring
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


def test_modules_decide_on_every_python(project: Any) -> None:
    project.write("lib.py", "import lower\ndef f():\n    return 1\n")
    project.write("lower.py", "def g():\n    return 1\n")
    project.write("lazy.py", "def h():\n    return 1\n")
    project.write("test_lib.py", "import lib, lower\ndef test_lib(): lib.f(); lower.g()\n")
    project.write("test_lazy.py", "def test_lazy():\n    import lazy\n    lazy.h()\n")
    project.write("test_free.py", "def test_free(): pass\n")
    assert len(project.run("-n2")) == 3
    assert project.run() == set()
    for name, test in (("lib.py", "test_lib"), ("lower.py", "test_lib"), ("lazy.py", "test_lazy")):
        project.replace(name, "return 1", "return 1 + 0")
        assert project.run() == {test}


def test_what_was_loaded_or_read_once_counts_for_all_on_every_python(project: Any) -> None:
    project.write("plugin.py", "def p():\n    return 1\n")
    project.write("late.py", "def h():\n    return 1\n")
    project.write("words.txt", "one")
    project.write(
        "lib.py",
        "import functools, importlib\n"
        "def load():\n    return importlib.import_module('plugin').p()\n"
        "def use():\n    from late import h\n    return h()\n"
        "@functools.lru_cache\ndef words():\n    return open('words.txt').read()\n",
    )
    for n in (1, 2):
        calls = "lib.load(); lib.use(); assert lib.words()"
        project.write(f"test_{n}.py", f"import lib\ndef test_{n}(): {calls}\n")
    assert len(project.run()) == 2
    assert project.run() == set()
    project.write("words.txt", "two")
    assert project.run() == {"test_1", "test_2"}
    for name in ("plugin.py", "late.py"):
        project.replace(name, "return 1", "return 1 + 0")
        assert project.run() == {"test_1", "test_2"}, name
