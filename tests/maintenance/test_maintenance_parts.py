"""Artifacts by age, inventory with trend, comparison of what processes collect."""

import os
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from tests.history.made_runs import made_run
from toolkit.config import load_config
from toolkit.config.settings import Config
from toolkit.errors import ChangesUnknown, EnvironmentFailed
from toolkit.history.store import open_history
from toolkit.journal import Journal
from toolkit.maintenance import collection
from toolkit.maintenance.artifacts import sweep_artifacts
from toolkit.maintenance.collection import compare_collections
from toolkit.maintenance.inventory import changes, take_inventory
from toolkit.maintenance.sweeping import Limits, sweep_folder
from toolkit.tasks import maintenance_steps

NOW = time.time()
DAY = 86_400.0


def made(path: Path, days: float, text: str = "x") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    for each in (path, path.parent):
        os.utime(each, (NOW - days * DAY, NOW - days * DAY))
    return path


@pytest.fixture
def project(tmp_path: Path) -> Config:
    (tmp_path / "pyproject.toml").write_text('[tool.toolkit.maintenance]\ntemporary = ["tests/output"]\n')
    return load_config(tmp_path, {})


def test_each_kind_has_its_age(project: Config) -> None:
    root = project.root
    going = [
        made(root / ".toolkit/runs/known/controller.jsonl", 8),
        made(root / "tests/output/trace.log", 8),
        made(root / "reports/old/junit.xml", 31),
        made(root / ".toolkit/pipelines/p1/log", 31),
    ]
    staying = [
        made(root / ".toolkit/runs/recent/controller.jsonl", 6),
        made(root / ".toolkit/runs/strange/controller.jsonl", 8),
        made(root / "tests/output/new.log", 6),
        made(root / "reports/junit.xml", 8),
        made(root / ".toolkit/history.sqlite", 400),
        made(root / "tests/test_a.py", 400),
        made(root / ".coverage", 400),
    ]
    made(root / ".coverage.host.1.xyz", 8)
    os.utime(root / "tests/output", (NOW, NOW))
    tried = sweep_artifacts(project, now=NOW, known=["known"], dry_run=True)
    assert all(path.exists() for path in (*going, *staying))
    done = sweep_artifacts(project, now=NOW, known=["known"])
    assert done == tried
    assert {each.path for each in done.removed} == {
        ".toolkit/runs/known/controller.jsonl", ".toolkit/runs/known/", "tests/output/trace.log",
        "reports/old/junit.xml", "reports/old/", ".toolkit/pipelines/p1/log", ".toolkit/pipelines/p1/",
        ".coverage.host.1.xyz",
    }  # fmt: skip
    assert [(each.path, each.why) for each in done.spared] == [
        (".toolkit/runs/strange", "the history does not have this run")
    ]
    assert all(path.exists() for path in staying)
    assert sweep_artifacts(project, now=NOW, known=["known"]).removed == ()


def test_a_run_that_goes_on_stays_however_old_its_lines_are(project: Config) -> None:
    folder = project.state_dir / "runs" / "long"
    journal = Journal(folder, "controller")
    os.utime(folder / "controller.jsonl", (NOW - 9 * DAY, NOW - 9 * DAY))
    os.utime(folder, (NOW - 9 * DAY, NOW - 9 * DAY))
    (spared,) = sweep_artifacts(project, now=NOW, known=["long"]).spared
    assert spared.why == "this run still goes on"
    journal.close()
    assert sweep_artifacts(project, now=NOW, known=["long"]).removed


def test_what_git_tracks_stays_also_below_the_folder_of_the_reports(project: Config) -> None:
    """An application may be named ``reports``; and a repository that git refuses to read protects nothing."""
    kept = made(project.root / "reports" / "models é.py", 99)
    made(project.root / "reports" / "junit.xml", 99)
    git = ["git", "-c", "user.name=t", "-c", "user.email=t@example.org", "-C", str(project.root)]
    subprocess.run([*git, "init", "-q"], check=True)
    subprocess.run([*git, "add", "reports/models é.py"], check=True)
    index = project.root / ".git" / "index"
    whole = index.read_bytes()
    index.write_bytes(b"torn")
    with pytest.raises(ChangesUnknown):
        sweep_artifacts(project, now=NOW, known=[])
    index.write_bytes(whole)
    done = sweep_artifacts(project, now=NOW, known=[])
    assert [each.path for each in done.removed] == ["reports/junit.xml"]
    assert [(each.path, each.why) for each in done.spared] == [
        ("reports/models é.py", "version control has it")
    ]
    assert kept.exists()


def test_a_submodule_stays(tmp_path: Path) -> None:
    made(tmp_path / "reports" / "theirs" / "file", 99)
    limits = Limits(before=NOW, tracked=frozenset({"reports/theirs"}))
    assert sweep_folder(tmp_path, ["reports"], limits).removed == ()


def test_a_run_of_which_the_history_lacks_a_part_stays(project: Config) -> None:
    """Its rest cannot be read: it waits for whoever can."""
    folder = project.state_dir / "runs" / "r"
    with open_history(project.history_url) as history:
        history.import_run(made_run(1, {"t": "p"}, run="r"), size=3)
    journal = made(folder / "controller.jsonl", 99, "beyond repair")
    asked = maintenance_steps.Asked(config=project, now=NOW)
    assert maintenance_steps.artifacts(asked).state == "nothing"
    assert journal.exists()
    with open_history(project.history_url) as history:
        history.import_run(made_run(1, {"t": "p"}, run="r"), size=100)
    assert maintenance_steps.artifacts(asked).state == "done"
    assert not journal.exists()


def test_a_run_that_is_a_link_and_a_state_folder_elsewhere_are_left_alone(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    precious = made(elsewhere / "runs" / "r" / "controller.jsonl", 99)
    root = tmp_path / "p"
    (root / ".toolkit" / "runs").mkdir(parents=True)
    (root / ".toolkit" / "runs" / "r").symlink_to(elsewhere / "runs" / "r")
    done = sweep_artifacts(Config(root=root), now=NOW, known=["r"])
    assert [each.why for each in done.spared] == ["it is a link or cannot be opened"]
    done = sweep_artifacts(
        Config(root=root, state=str(elsewhere), reports=str(elsewhere)), now=NOW, known=["r"]
    )
    assert done.removed == ()
    assert precious.exists()


SUITE = """
import pytest
def test_plain(): assert 1
@pytest.mark.integration
def test_marked(): assert 1
@pytest.mark.skip
def test_skipped(): assert 1
@pytest.mark.xfail
@pytest.mark.parametrize("i", range(9))
def test_many(i): assert i
"""


def test_tests_are_counted_by_kind_and_the_trend_is_told(tmp_path: Path) -> None:
    config = Config(root=tmp_path, profiles=load_config(tmp_path, {}).profiles)
    made(tmp_path / "tests/test_a.py", 0, SUITE)
    made(tmp_path / "tests/unit/test_b.py", 0, "def test_b(): assert 1\n")
    made(tmp_path / "tests/test_broken.py", 0, "def (:\n")
    first = take_inventory(config, now=NOW - 30 * DAY, keep=True)
    assert first.now.kinds == {"integration": 1, "other": 3, "unit": 1}
    assert (first.now.tests, first.now.skipped, first.now.xfail, first.now.files) == (5, 1, 1, 2)
    assert first.unreadable == ("tests/test_broken.py",)
    assert first.last is None
    assert (config.state_dir / ".gitignore").read_text() == "*\n"
    made(tmp_path / "tests/unit/test_c.py", 0, "def test_c(): assert 1\n")
    take_inventory(config, now=NOW - DAY, keep=True)
    with (config.state_dir / "inventory.jsonl").open("a") as stream:
        stream.write("torn {\n")
    found = take_inventory(config, now=NOW, keep=False)
    assert found.last is not None
    assert found.month_ago is not None
    assert changes(found.now.kinds, found.last.kinds) == {}
    assert changes(found.now.kinds, found.month_ago.kinds) == {"unit": 1}
    assert len((config.state_dir / "inventory.jsonl").read_text().splitlines()) == 3


def collected(tests: Mapping[str, Sequence[str]]) -> "object":
    """Answer as pytest would, by what is told to the process."""

    def collect(_root: Path, _python: str, paths: Sequence[str], environ: Mapping[str, str]) -> list[str]:
        for key, value in environ.items():
            if f"{key}={value}" in tests:
                return list(tests[f"{key}={value}"])
        return list(tests["reversed" if paths else ""])

    return collect


SAME = ["a.py::one", "b.py::two"]


@pytest.mark.parametrize(
    ("tests", "told"),
    [
        ({"": SAME, "reversed": SAME[::-1]}, []),
        (
            {"": SAME, "reversed": SAME, "PYTHONHASHSEED=1": SAME[::-1]},
            [("hash seed 1", (), (), "a.py::one")],
        ),
        (
            {"": SAME, "reversed": SAME, "PYTEST_XDIST_WORKER=gw3": [*SAME, "c.py::gw3"]},
            [("worker gw3 of 4", (), ("c.py::gw3",), "")],
        ),
        ({"": SAME, "reversed": SAME[:1]}, [("files in reverse order", ("b.py::two",), (), "")]),
    ],
)
def test_what_differs_is_named(
    monkeypatch: pytest.MonkeyPatch,
    tests: Mapping[str, Sequence[str]],
    told: list[tuple[str, tuple[str, ...], tuple[str, ...], str]],
) -> None:
    monkeypatch.setattr(collection, "collect", collected(tests))
    found = compare_collections(Path(), "python")
    assert (found.tests, found.processes) == (2, 8)
    assert [(each.process, each.missing, each.extra, each.moved) for each in found.differences] == told


def test_collection_asks_pytest_and_shows_why_it_cannot(tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.write_text(
        "#!/bin/sh\necho a.py::one; echo; echo 1 test; echo $PYTEST_XDIST_WORKER >&2; exit $CODE\n"
    )
    python.chmod(0o755)
    found = collection.collect(tmp_path, str(python), ["a.py"], {"CODE": "0"})
    assert found == ["a.py::one"]
    with pytest.raises(EnvironmentFailed, match="gw7"):
        collection.collect(tmp_path, str(python), [], {"CODE": "2", "PYTEST_XDIST_WORKER": "gw7"})
