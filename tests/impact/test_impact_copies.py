"""A project that is imported from a copy in site-packages, as ``pip install .`` makes one."""

import os
import shutil
from typing import Any

import pytest

from toolkit.tracing.borders import Borders
from toolkit.tracing.copies import installed_copies

pytestmark = [
    pytest.mark.usefixtures("unmeasured"),
    pytest.mark.slow,  # what it shows does not depend on the Python
]

LIB = "def double(x):\n    return 2 * x\n\ndef triple(x):\n    return 3 * x\n"
TESTS = (
    "from shop_under_test import lib\n"
    "def test_double(): assert lib.double(2) == 4\n"
    "def test_triple(): assert lib.triple(2) == 6\n"
)


def install(project: Any) -> str:
    """Copy the package as an installer does; return the folder for PYTHONPATH."""
    target = project.root.parent / "env" / "site-packages"
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(project.root / "src", target, ignore=shutil.ignore_patterns("__pycache__"))
    return os.pathsep.join([str(target), str(project.root.parent)])


def test_a_change_of_a_project_that_is_installed_as_a_copy_is_not_missed(project: Any) -> None:
    """Installed anew or not: the tests of what changed run until they have run with the change."""
    project.write("src/shop_under_test/__init__.py", "")
    project.write("src/shop_under_test/lib.py", LIB)
    project.write("test_lib.py", TESTS)
    project.write("test_free.py", "def test_free(): pass\n")
    path = install(project)
    assert len(project.run(PYTHONPATH=path)) == 3
    assert "src/shop_under_test is imported from a copy" in project.output
    assert project.run(PYTHONPATH=path) == set()
    project.replace("src/shop_under_test/lib.py", "2 * x", "x * 2")
    assert "test_double" in project.run(PYTHONPATH=path)
    again = project.run(PYTHONPATH=path)
    assert "test_double" in again, "it ran with the old copy: the change has not been tried yet"
    assert "test_free" not in again
    path = install(project)
    assert "test_double" in project.run(PYTHONPATH=path)
    assert project.run(PYTHONPATH=path) == set()


def test_a_copy_that_was_imported_before_tracing_began_counts_as_what_it_is(project: Any) -> None:
    """The change is not in the copy: tests that ran with it have not tried the change."""
    project.write("src/shop_under_test/__init__.py", "")
    project.write("src/shop_under_test/lib.py", LIB)
    project.write("test_lib.py", TESTS)
    path = install(project)
    early = ("-p", "shop_under_test.lib")
    assert len(project.run(*early, PYTHONPATH=path)) == 2
    assert project.run(*early, PYTHONPATH=path) == set()
    project.replace("src/shop_under_test/lib.py", "2 * x", "x * 2")
    assert "test_double" in project.run(*early, PYTHONPATH=path)
    assert "test_double" in project.run(*early, PYTHONPATH=path), "it ran with the old copy"


def test_copies_are_found_by_name_and_only_what_the_project_has_counts(
    tmp_path: Any, monkeypatch: Any
) -> None:
    root, installed = tmp_path / "project", tmp_path / "site-packages"
    for folder in (root / "src", installed):
        for name in ("thing_one/__init__.py", "thing_space/inner/x.py", "thing_file.py"):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text("")
    (root / "docs").mkdir()
    (root / "json.py").write_text("")
    (installed / "thing_space" / "foreign.py").write_text("")
    (installed / "thing_one" / "fast.so").write_text("")
    monkeypatch.syspath_prepend(str(installed))
    copies = installed_copies(str(root))
    assert sorted(copies.values()) == ["src/thing_file.py", "src/thing_one", "src/thing_space"]
    borders = Borders(str(root), copies=copies)
    assert borders.relative(str(installed / "thing_one/__init__.py")) == "src/thing_one/__init__.py"
    assert borders.relative(str(installed / "thing_file.py")) == "src/thing_file.py"
    assert borders.relative(str(installed / "thing_space/inner/x.py")) == "src/thing_space/inner/x.py"
    assert borders.relative(str(installed / "thing_space/foreign.py")) is None
    assert borders.relative(str(installed / "thing_one/fast.so")) is None
    assert borders.original(str(installed / "thing_one/fast.so")) == "src/thing_one/fast.so"
    assert borders.original(str(installed / "other.py")) is None
    assert installed_copies(str(tmp_path / "nowhere")) == {}
