"""The small functions of the plugin: texts, failures, headers, expressions."""

import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.performance.meter import Meter
from toolkit.plugin import controller, failures, header, outcomes, presets, rundir
from toolkit.records import Outcome


@given(st.text(), st.integers(60, 200))
def test_cut_keeps_both_ends_and_the_limit(text: str, limit: int) -> None:
    short = failures.cut(text, limit)
    assert len(short) <= limit
    assert short == text or (short[:5] == text[:5] and short[-5:] == text[-5:])


def test_a_long_text_says_how_much_was_left_out() -> None:
    assert "characters left out" in failures.cut("x" * 1000, 100)


def test_sections_are_joined_by_stream_and_others_keep_their_title() -> None:
    found = [
        ("Captured stdout setup", "a"),
        ("Captured stdout call", "b"),
        ("Captured log call", "l"),
        ("x", "y"),
    ]
    assert failures.sections(found) == {"stdout": "ab", "log": "l", "x": "y"}


def test_deep_recursion_keeps_the_first_and_the_last_frames(tmp_path: Path) -> None:
    def dive(depth: int) -> None:
        if depth == 0:
            raise ValueError("bottom")
        dive(depth - 1)

    report = pytest.TestReport("t", ("t.py", 1, "t"), {}, "failed", "text", "call")
    with pytest.raises(ValueError, match="bottom") as caught:
        dive(300)
    failure = failures.from_exception(caught.value, report, Path(__file__).parent)
    assert len(failure.frames) == failures.FRAME_LIMIT
    assert failure.frames[0].function.endswith("recursion_keeps_the_first_and_the_last_frames")
    assert failure.frames[-1].path == "test_plugin_units.py"


class Broken:
    """What another plugin may put in the place of a traceback."""

    def __str__(self) -> str:
        raise RuntimeError


def test_a_report_alone_still_names_the_exception() -> None:
    class Crash:
        message = "json.JSONDecodeError: Expecting value"

    class Place:
        path, lineno = "/root/t.py", 7

    class Entry:
        reprfileloc = Place()

    class Trace:
        reprentries = (Entry(), object())

    class Repr:
        reprcrash = Crash()
        reprtraceback = Trace()

        def __str__(self) -> str:
            return "text"

    report = pytest.TestReport("t", ("t.py", 1, "t"), {}, "failed", Repr(), "setup")  # type: ignore[arg-type]
    failure = failures.from_report(report, Path("/root"))
    assert (failure.exception, failure.message) == ("json.JSONDecodeError", "Expecting value")
    assert (failure.phase, failure.frames[0].path, failure.frames[0].line) == ("setup", "t.py", 7)


def test_a_broken_representation_does_not_break_the_record() -> None:
    report = pytest.TestReport("t", ("t.py", 1, "t"), {}, "failed", Broken(), "call")  # type: ignore[arg-type]
    assert "could not be written" in failures._traceback(report)


def test_no_reports_are_a_pass_that_counts_nothing() -> None:
    assert outcomes.verdict([]) == (Outcome.PASSED, ())


STATUS = """# branch.oid 0123abc
# branch.head main
# branch.upstream origin/main
1 .M N... 100644 100644 100644 aaa bbb file.py
"""


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (STATUS, header.Code(commit="0123abc", branch="main", dirty=True)),
        ("# branch.oid (initial)\n# branch.head main\n? new.py\n", header.Code(branch="main", dirty=True)),
        ("# branch.oid 0123abc\n# branch.head (detached)\n", header.Code(commit="0123abc")),
        ("", header.Code()),
    ],
)
def test_git_status_is_read(status: str, code: header.Code) -> None:
    assert header.parse_status(status) == code


def test_the_state_of_a_real_repository_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Reports do not make the code dirty; a changed file does; without git there is no commit."""

    def git(*arguments: str) -> str:
        command = ["git", "-c", "user.name=t", "-c", "user.email=t@localhost", *arguments]
        return subprocess.run(
            command, cwd=tmp_path, check=True, capture_output=True, text=True
        ).stdout.strip()

    assert header.CodeQuestion(tmp_path).answer() == header.Code()
    git("init", "-q", "-b", "trunk")
    (tmp_path / "a.py").write_text("", encoding="utf-8")
    git("add", "-A")
    git("commit", "-q", "-m", "first")
    (tmp_path / "reports").mkdir()
    (tmp_path / "reports" / "junit.xml").write_text("", encoding="utf-8")
    clean = header.CodeQuestion(tmp_path, ignore=("reports",)).answer()
    assert clean == header.Code(commit=git("rev-parse", "HEAD"), branch="trunk")
    (tmp_path / "a.py").write_text("1", encoding="utf-8")
    assert header.CodeQuestion(tmp_path, ignore=("reports",)).answer().dirty
    monkeypatch.setenv("PATH", "")
    assert header.CodeQuestion(tmp_path).answer() == header.Code()


def test_a_git_that_hangs_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = tmp_path / "git"
    fake.write_text("#!/bin/sh\nexec sleep 30\n", encoding="utf-8")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr(header, "GIT_TIMEOUT", 0.1)
    assert header.CodeQuestion(tmp_path).answer() == header.Code()


@pytest.mark.parametrize(
    ("expression", "names"),
    [
        ("", set()),
        ("not (slow or integration) and smoke", {"slow", "integration", "smoke"}),
        ("uses(name='a and b') or not(fast)", {"uses", "fast"}),
        ('True or flaky(retries=2, why="(x)")', {"flaky"}),
    ],
)
def test_the_names_in_a_marker_expression(expression: str, names: set[str]) -> None:
    assert presets.names_in(expression) == names


def test_a_folder_is_claimed_once(tmp_path: Path) -> None:
    assert rundir.claim(tmp_path / "run")
    assert not rundir.claim(tmp_path / "run")
    folder, run, elsewhere = rundir.choose(tmp_path / "state", {"TOOLKIT_RUN_DIR": str(tmp_path / "run")})
    assert folder.parent == tmp_path / "state" / "runs"
    assert (folder.name, elsewhere) == (run, False)


def test_what_nobody_knows_of_a_death_is_not_said(tmp_path: Path) -> None:
    class Gateway:
        id = "gw0"

    class Node:
        gateway = Gateway()

    assert controller.death(Node()) == ""
    assert controller.running_test(tmp_path / "absent.jsonl") is None


def test_a_meter_without_a_resettable_peak_still_measures(monkeypatch: pytest.MonkeyPatch) -> None:
    meter = Meter()
    meter.close()
    before = meter.start()
    sum(range(200_000))
    cpu, memory = meter.read()
    assert cpu >= before
    assert memory is None or memory > 1_000_000
    broken = Meter()
    monkeypatch.setattr("os.write", lambda *_: (_ for _ in ()).throw(OSError))
    assert broken.start() >= 0
