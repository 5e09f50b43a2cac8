"""What git says, what is installed and locked, and the import graph."""

import os
from pathlib import Path
from typing import Any

import pytest

from toolkit.errors import ChangesUnknown
from toolkit.impact.changes import current_branch, old_contents
from toolkit.impact.distributions import Distribution, Installed, locked_versions
from toolkit.impact.fingerprints import GONE, parse
from toolkit.impact.graph import Module, ModuleGraph
from toolkit.impact.tree import DiskTree, PastTree


@pytest.fixture
def repository(project: Any) -> Any:
    project.git("init", "-q", "-b", "main")
    project.write("kept.py", "1\n")
    project.write("gone.py", "2\n")
    project.write("sub/in ner.txt", "3\n")
    project.git("add", "-A")
    project.git("commit", "-qm", "first")
    return project


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes")
def test_a_pipe_is_no_file_of_a_project(tmp_path: Path) -> None:
    (tmp_path / "a.py").touch()
    os.mkfifo(tmp_path / "waits")
    assert DiskTree(tmp_path).files() == ["a.py"]


def test_all_kinds_of_changes_are_seen(repository: Any) -> None:
    assert old_contents(repository.root, "HEAD") == {}
    repository.write("kept.py", "changed\n")
    repository.git("rm", "-q", "gone.py")
    repository.write("staged.py", "new\n")
    repository.git("add", "staged.py")
    repository.write("ünt racked.py", "new\n")
    repository.git("mv", "sub/in ner.txt", "sub/moved.txt")
    old = old_contents(repository.root, "HEAD")
    assert old == {
        "kept.py": b"1\n",
        "gone.py": b"2\n",
        "staged.py": None,
        "ünt racked.py": None,
        "sub/in ner.txt": b"3\n",
        "sub/moved.txt": None,
    }
    assert old_contents(repository.root / "sub", "HEAD") == {"in ner.txt": b"3\n", "moved.txt": None}
    past = PastTree(DiskTree(repository.root), old)
    assert past.read("gone.py") == b"2\n"
    assert past.names("sub") == ["in ner.txt"]
    assert past.exists("sub/in ner.txt")
    assert not past.exists("staged.py")
    assert "staged.py" not in past.files()
    assert "gone.py" in past.files()


def test_a_branch_is_compared_with_where_it_left_the_other(repository: Any) -> None:
    repository.git("checkout", "-qb", "work")
    repository.write("mine.py", "")
    repository.git("add", "-A")
    repository.git("commit", "-qm", "mine")
    repository.git("checkout", "-q", "main")
    repository.write("theirs.py", "")
    repository.git("add", "-A")
    repository.git("commit", "-qm", "theirs")
    repository.git("checkout", "-q", "work")
    assert set(old_contents(repository.root, "main")) == {"mine.py"}
    assert set(old_contents(repository.root, "main...HEAD")) == {"mine.py"}
    assert set(old_contents(repository.root, "main..HEAD")) == {"mine.py", "theirs.py"}
    assert current_branch(repository.root) == "work"


def test_a_shallow_clone_says_how_to_mend_it(repository: Any, tmp_path: Path) -> None:
    repository.git("commit", "-q", "--allow-empty", "-m", "second")
    first = repository.git("rev-parse", "HEAD~1")
    repository.git("clone", "-q", "--depth", "1", f"file://{repository.root}", str(tmp_path / "shallow"))
    with pytest.raises(ChangesUnknown, match="unshallow"):
        old_contents(tmp_path / "shallow", first)


@pytest.mark.parametrize("reference", ["nowhere", "-x", "nowhere..HEAD", "HEAD...nowhere"])
def test_unknown_revisions_are_named(repository: Any, reference: str) -> None:
    with pytest.raises(ChangesUnknown, match=r"nowhere|-x"):
        old_contents(repository.root, reference)


def test_outside_of_git_changes_are_unknown(tmp_path: Path) -> None:
    with pytest.raises(ChangesUnknown):
        old_contents(tmp_path, "HEAD")
    assert current_branch(tmp_path) == ""


def test_a_changed_requirement_of_a_requirement_counts() -> None:
    def state(version: str) -> Installed:
        return Installed(
            [
                Distribution("requests", "2", ("urllib3",), ("requests",)),
                Distribution("urllib3", version, (), ("urllib3",)),
                Distribution("driver", version),
                Distribution("pytest-x", "1", (), ("pytest_x",), plugin=True),
            ]
        )

    assert state("1").fingerprint("requests") != state("2").fingerprint("requests")
    assert state("1").fingerprint("unknown") == GONE
    assert state("1").others({"requests"}) != state("2").others({"requests"}), "nobody imports the driver"
    assert "pytest-x" in state("1").closure(["pytest-x"])


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("uv.lock", '[[package]]\nname = "A_b"\nversion = "1"\n', {"a-b": "1"}),
        ("pylock.toml", '[[packages]]\nname = "a"\nversion = "1"\n', {"a": "1"}),
        ("Pipfile.lock", '{"default": {"A": {"version": "==1"}}}', {"a": "==1"}),
        ("requirements-dev.txt", "# x\nA[b] >= 1  # y\n", {"a": "A[b] >= 1"}),
        ("requirements/base.txt", "a==1\n", {"a": "a==1"}),
    ],
)
def test_lock_and_requirement_files_are_read(
    tmp_path: Path, name: str, text: str, expected: dict[str, str]
) -> None:
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text(text)
    assert locked_versions(DiskTree(tmp_path)) == expected


def test_an_unreadable_lock_file_still_counts(tmp_path: Path) -> None:
    (tmp_path / "uv.lock").write_text("{[")
    first = locked_versions(DiskTree(tmp_path))
    (tmp_path / "uv.lock").write_text("{[ ")
    assert locked_versions(DiskTree(tmp_path)) != first


def test_the_import_graph_resolves_dots_packages_and_functions() -> None:
    texts = {
        "pkg/__init__.py": "from . import one",
        "pkg/one.py": "from .two import x\ndef f():\n    from pkg.sub import lazy",
        "pkg/two.py": "import os",
        "pkg/sub/__init__.py": "",
        "pkg/sub/lazy.py": "from .. import two",
    }
    modules = [
        Module("pkg", "pkg/__init__.py"),
        Module("pkg.one", "pkg/one.py"),
        Module("pkg.two", "pkg/two.py"),
        Module("pkg.sub", "pkg/sub/__init__.py"),
        Module("pkg.sub.lazy", "pkg/sub/lazy.py"),
    ]
    graph = ModuleGraph(modules, lambda path: parse(texts[path].encode()), {})
    assert graph.closure(["pkg/one.py"]) == {"pkg/one.py", "pkg/two.py", "pkg/__init__.py"}
    assert graph.imported_in("pkg/one.py", "f") >= {"pkg/sub/lazy.py", "pkg/sub/__init__.py"}
    assert "pkg/two.py" in graph.closure(["pkg/sub/lazy.py"])
    assert "os" in graph.names("pkg/two.py")
