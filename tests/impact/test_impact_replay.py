"""The replay of a history measures what it says: outcomes that differ, tests kept, sources put back."""

import subprocess
from pathlib import Path

import pytest

from benchmarks.selection import commits_of, differing, put_back, replay, sources_between
from benchmarks.selection_project import Project, Ran
from benchmarks.selection_rows import Row


def git(root: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=n", "-c", "user.email=e@example.org", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", "-C", str(root), *identity, *arguments], check=True, capture_output=True)


def commit(root: Path, message: str, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    git(root, "add", "-A")
    git(root, "commit", "-qm", message)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    source = tmp_path / "source"
    source.mkdir()
    git(source, "init", "-q")
    commit(source, "first", {"code.py": "x = 1\n", "tests/test_a.py": "def test_one(): pass\n"})
    commit(source, "words only", {"README": "hello\n"})
    commit(
        source,
        "second",
        {"code.py": "x = 2\n", "more.py": "y = 1\n", "tests/test_a.py": "def test_two(): pass\n"},
    )
    return Project("p", source, tmp_path, "python", ["ours"], [])


class Scripted:
    """Stands where pytest runs: what failed depends on the sources that lie there."""

    def __init__(self, project: Project, *, misses: bool) -> None:
        self.project, self.misses = project, misses

    def run(self, tool: str) -> Ran:
        tests = (self.project.root / "tests/test_a.py").read_text()
        old = (self.project.root / "code.py").read_text() == "x = 1\n"
        found = {"test_two": old} if "test_two" in tests else {"test_one": False}
        return Ran(results={} if tool == "ours" and self.misses else found, seconds=1.0)


def test_commits_that_touch_no_code_and_no_test_are_not_replayed(project: Project) -> None:
    names = commits_of(project, 5)
    assert len(names) == 2
    assert sources_between(project, *names) == ["code.py", "more.py"]


def test_sources_are_put_back_and_tests_stay(project: Project) -> None:
    old, new = commits_of(project, 5)
    put_back(project, old, sources_between(project, old, new))
    assert (project.root / "code.py").read_text() == "x = 1\n"
    assert not (project.root / "more.py").exists()
    assert "test_two" in (project.root / "tests/test_a.py").read_text()


def test_a_test_must_run_when_it_is_new_or_its_outcome_differs() -> None:
    before = Ran(results={"same": False, "mended": True, "broken": False, "gone": False}, seconds=1)
    after = Ran(results={"same": False, "mended": False, "broken": True, "new": False}, seconds=1)
    assert differing(before, after) == {"mended", "broken", "new"}


def replayed(project: Project, monkeypatch: pytest.MonkeyPatch, *, misses: bool) -> list[Row]:
    monkeypatch.setattr(project, "run", Scripted(project, misses=misses).run)
    return list(replay(project, 5, ()))


def test_a_commit_is_measured_forwards_and_undone(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    forwards, undone = replayed(project, monkeypatch, misses=False)
    assert (forwards.kind, forwards.failing, forwards.must, forwards.missed) == ("commit", 0, 1, {"ours": []})
    assert (undone.kind, undone.failing, undone.must, undone.missed) == ("undone", 1, 1, {"ours": []})
    assert (project.root / "code.py").read_text() == "x = 2\n", "the next commit starts from a clean tree"


def test_what_a_selection_does_not_run_is_a_miss(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = replayed(project, monkeypatch, misses=True)
    assert [row.missed["ours"] for row in rows] == [["test_two"], ["test_two"]]
