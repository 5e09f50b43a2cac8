"""Profiles of slow tests: which tests, which pages, what is said, and that nothing happens unless asked."""

import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from toolkit.errors import EnvironmentFailed, MissingExtra
from toolkit.history.store import open_history
from toolkit.performance import profiles
from toolkit.performance.profiles import Profile, page_name, profiled, read_profiles, require_profiler
from toolkit.plugin.options import seconds
from toolkit.records import NodeId
from toolkit.reports.dashboard.profiles import profiles_for

TEST = NodeId("tests/test_cart.py::test_total[</b> ä/../%00]")


def busy_work() -> int:
    return sum(number * number for number in range(300_000))


def test_a_page_of_time_names_what_was_busy_and_asks_nobody(tmp_path: Path) -> None:
    """Also of a block that fails; the newest page of a test is kept."""
    with pytest.raises(ZeroDivisionError), profiled("time", TEST, tmp_path):
        1 / 0  # noqa: B018
    for _ in range(2):
        with profiled("time", TEST, tmp_path):
            busy_work()
    (note,) = read_profiles(tmp_path)
    assert (note.test, note.kind) == (TEST, "time")
    text = (tmp_path / note.file).read_text(encoding="utf-8")
    assert "busy_work" in text
    assert "fonts.googleapis" not in text
    assert sorted(path.name for path in tmp_path.iterdir()) == [note.file, f"{note.file}.json"]


def test_an_interrupt_leaves_no_page(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), profiled("time", TEST, tmp_path):
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


def test_a_page_that_cannot_be_made_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "file"
    file.write_text("", encoding="utf-8")
    with pytest.raises(EnvironmentFailed, match="cannot be kept"), profiled("time", TEST, file / "profiles"):
        pass
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(EnvironmentFailed, match="memray ended with 1"):
        profiles._memory_page(tmp_path / "memory.bin")


def test_names_of_pages_are_safe_and_different() -> None:
    names = {page_name(NodeId(f"{TEST}{end}")) for end in ("", "x", "/x", ":x")}
    assert len(names) == 4
    assert all(
        set(name) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")
        for name in names
    )
    assert max(map(len, names)) < 80


def test_notes_are_read_or_left_out(tmp_path: Path) -> None:
    """Of another format, without a page, or that names a page elsewhere."""
    note = Profile(test=TEST, kind="time", file="a.html", seconds=1.5, made=9.0)
    (tmp_path / "a.html").write_text("", encoding="utf-8")
    for name, file in (("a", "a.html"), ("b", "b.html"), ("c", "../a.html")):
        encoded = msgspec.json.encode(msgspec.structs.replace(note, file=file))
        (tmp_path / f"{name}.html.json").write_bytes(encoded)
    (tmp_path / "d.html.json").write_text("{", encoding="utf-8")
    assert read_profiles(tmp_path) == (note,)
    assert read_profiles(tmp_path / "nowhere") == ()


def test_links_lead_from_the_dashboard_to_the_page(tmp_path: Path) -> None:
    """Wherever the dashboard is, and whatever the folder is called."""
    folder = tmp_path / "my reports" / "profiles"
    with profiled("time", TEST, folder):
        pass
    (fact,) = profiles_for(folder.parent, folder.parent / "dashboard.html")
    assert fact.page == f"./profiles/{page_name(TEST)}-time.html"
    (fact,) = profiles_for(folder.parent, tmp_path / "out" / "dashboard.html")
    assert fact.page == f"./../my%20reports/profiles/{page_name(TEST)}-time.html"


def test_a_missing_profiler_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    for kind, package in (("time", "pyinstrument"), ("memory", "memray")):
        with pytest.raises(MissingExtra, match=package) as caught:
            require_profiler(kind)  # type: ignore[arg-type]
        assert "profiling" in str(caught.value)


@pytest.mark.parametrize("text", ["-1", "nan", "inf", "x"])
def test_seconds_are_a_number_of_0_or_more(text: str) -> None:
    with pytest.raises(ValueError, match=text):
        seconds(text)
    assert seconds("0.5") == 0.5


TESTS = """
import time

def test_slow():
    time.sleep(0.3)

def test_quick():
    pass
"""


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    for name in ("TOOLKIT_RUN_DIR", "TOOLKIT_PROFILE", "TOOLKIT_BUILD", "PYTEST_XDIST_WORKER", "CI"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.setenv("PYTEST_ADDOPTS", "-p no:cacheprovider -p toolkit -p xdist")
    pytester.makepyprojecttoml("[tool.toolkit]\n")
    pytester.makepyfile(test_times=TESTS)
    return pytester


def notes(project: pytest.Pytester) -> list[str]:
    return [note.test for note in read_profiles(project.path / "reports" / "profiles")]


@pytest.mark.slow
def test_slow_tests_are_those_that_the_history_calls_slow(project: pytest.Pytester) -> None:
    """On workers, too. Without a history nothing is; the recorded time has no drawing in it."""
    first = project.runpytest_subprocess("--profile-slow", "0.2")
    first.assert_outcomes(passed=2)
    first.stdout.fnmatch_lines(["toolkit: 0 tests profiled, *: by the history no test here takes so long"])
    assert notes(project) == []
    second = project.runpytest_subprocess("--profile-slow=0.2", "-n", "2")
    second.assert_outcomes(passed=2)
    second.stdout.fnmatch_lines(["toolkit: 1 tests profiled, pages in *profiles"])
    assert notes(project) == ["test_times.py::test_slow"]
    third = project.runpytest_subprocess("--profile-slow", "0", "test_times.py::test_quick")
    third.assert_outcomes(passed=1)
    assert notes(project) == ["test_times.py::test_quick", "test_times.py::test_slow"]
    with open_history(str(project.path / ".toolkit" / "history.sqlite")) as history:
        assert len(history.runs()) == 3


@pytest.mark.slow
def test_a_page_of_memory_names_what_took_it(project: pytest.Pytester) -> None:
    """Called by the test; the page asks nobody."""
    project.makepyfile(
        test_takes="def take_memory():\n    return bytearray(20_000_000)\n"
        "def test_takes():\n    assert len(take_memory()) == 20_000_000\n"
    )
    arguments = ("--profile-slow", "0", "--profiler", "memory", "test_takes.py")
    project.runpytest_subprocess(*arguments).assert_outcomes(passed=1)
    (note,) = read_profiles(project.path / "reports" / "profiles")
    text = (project.path / "reports" / "profiles" / note.file).read_text(encoding="utf-8")
    assert note.kind == "memory"
    assert "take_memory" in text
    assert "cdn.jsdelivr" not in text


def test_wrong_use_is_told_and_a_missing_package_named(project: pytest.Pytester) -> None:
    alone = project.runpytest_subprocess("--profiler", "time")
    assert alone.ret == pytest.ExitCode.USAGE_ERROR
    alone.stderr.fnmatch_lines(["*--profile-slow SECONDS says which tests*"])
    project.makeconftest(
        "import importlib.util\nfind = importlib.util.find_spec\n"
        "importlib.util.find_spec = lambda name: None if name == 'pyinstrument' else find(name)\n"
    )
    missing = project.runpytest_subprocess("--profile-slow", "0")
    assert missing.ret == pytest.ExitCode.USAGE_ERROR
    missing.stderr.fnmatch_lines(["*pyinstrument*", "*pip install*profiling*"])


def test_nothing_is_imported_unless_asked() -> None:
    """Off, it costs the import of a module of our own, no profiler."""
    program = (
        "import sys, toolkit.plugin.profiling, toolkit.performance.profiles;"
        "print('pyinstrument' in sys.modules or 'memray' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
