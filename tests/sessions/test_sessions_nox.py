"""Nox itself on a small project: what a user sees, with which exit code, and what is kept."""

import json
from pathlib import Path

import pytest

from tests.sessions.nox_project import Project
from toolkit.config import load_config
from toolkit.gates.live import Attacked
from toolkit.gates.live_inputs import read_attacked
from toolkit.gates.verdicts import Absent

pytestmark = pytest.mark.slow
others_measure = pytest.mark.usefixtures("unmeasured")

SUMS = """
import logging
import pytest

def test_first():
    logging.getLogger("sums").debug("debugged here")
    assert 1 == 2

def test_second():
    assert 1 == 3

@pytest.mark.integration
def test_third():
    pass
"""


@others_measure
def test_a_run_is_summed_up_recorded_and_reported(project: Project) -> None:
    done = project.nox("-s", "unit")
    assert done.returncode == 0, done.stdout
    assert "ran: python -m pytest -m 'not (integration" in done.stdout
    assert "PASS 100 %: 1 tests: 1 passed" in done.stdout
    assert "reports/report.html" in done.stdout
    (run,) = project.kept_runs()
    assert (run.profile, run.tests, run.passed, run.exit_code) == ("unit", 1, 1, 0)
    for folder in ("reports", "reports/unit"):
        names = {path.name for path in (project.root / folder).iterdir()}
        assert {"junit.xml", "summary.json", "summary.md", "report.html"} <= names
    assert (project.root / ".toolkit" / ".gitignore").read_text(encoding="utf-8") == "*\n"


def test_sessions_of_one_command_are_merged(project: Project) -> None:
    project.write("tests/test_sums.py", SUMS)
    done = project.nox("-s", "unit", "integration")
    assert done.returncode == 1
    assert "integration: exit code 0" in done.stdout, "a failed session does not stop the next"
    merged = json.loads((project.root / "reports" / "summary.json").read_text(encoding="utf-8"))
    assert (merged["summary"]["tests"], merged["summary"]["failed"]) == (3, 2)
    builds = {run.build for run in project.kept_runs()}
    assert len(builds) == 1
    alone = project.nox("-s", "integration")
    assert alone.returncode == 0
    merged = json.loads((project.root / "reports" / "summary.json").read_text(encoding="utf-8"))
    assert merged["summary"]["tests"] == 1, "another command has reports of its own"


@others_measure
def test_failures_fail_and_the_code_of_pytest_is_explained(project: Project) -> None:
    project.write("tests/test_sums.py", SUMS)
    done = project.nox("-s", "unit")
    assert done.returncode == 1
    assert "unit: exit code 1 (tests failed)" in done.stdout
    assert "failed: tests/test_sums.py::test_first" in done.stdout


def test_words_and_arguments_after_the_dashes(project: Project) -> None:
    project.write("tests/test_sums.py", SUMS)
    once = project.nox("-s", "unit", "--", "failfast", "debug")
    assert "1 failed" in once.stdout
    assert "2 failed" not in once.stdout
    assert "debugged here" in once.stdout
    chosen = project.nox("-s", "unit", "--", "tests/test_sums.py::test_second")
    assert "1 failed" in chosen.stdout
    assert chosen.stdout.count("tests/test_sums.py::test_second") > 1
    assert "test_first" not in chosen.stdout


def test_wrong_use_of_pytest_is_a_failure(project: Project) -> None:
    done = project.nox("-s", "unit", "--", "--no-such-option")
    assert done.returncode == 1
    assert "exit code 4 (wrong use of pytest)" in done.stdout


def test_a_profile_without_tests_is_said_plainly_and_is_no_failure(project: Project) -> None:
    done = project.nox("-s", "chaos")
    assert done.returncode == 0
    assert "NO TEST of this kind" in done.stdout


@others_measure
def test_an_expression_that_selects_nothing_is_a_failure(project: Project) -> None:
    """A typing error after the dashes must not look like success."""
    done = project.nox("-s", "unit", "--", "-k", "nothing_has_this_name")
    assert done.returncode == 1
    assert "no test was selected" in done.stdout


@others_measure
def test_a_project_without_any_test_is_a_failure(project: Project) -> None:
    project.write("tests/test_sums.py", "")
    assert project.nox("-s", "unit").returncode == 1


def test_an_unknown_session_is_an_error_that_lists_the_valid(project: Project) -> None:
    done = project.nox("-s", "unti")
    assert done.returncode == 3
    assert "unknown session 'unti' (did you mean 'unit'?); valid: all, chaos, ci" in done.stdout


@pytest.mark.parametrize("arguments", ["only=['unti']", "default=['unti']", "alongside={'unti': ()}"])
def test_an_unknown_profile_is_an_error_that_lists_the_valid(project: Project, arguments: str) -> None:
    noxfile = (project.root / "noxfile.py").read_text(encoding="utf-8")
    project.write("noxfile.py", noxfile.replace("load_config())", f"load_config(), {arguments})"))
    done = project.nox("--list")
    assert done.returncode != 0
    assert "unknown profile 'unti' (did you mean 'unit'?); valid: all, chaos" in done.stdout
    assert "Traceback" not in done.stdout


def test_a_wrong_table_is_an_error_without_a_traceback(project: Project) -> None:
    project.write("pyproject.toml", "[tool.toolkit]\nprofiles.unit.worker = 1\n")
    done = project.nox("--list")
    assert done.returncode != 0
    assert "profiles.unit.worker = 1: unknown key 'worker' (did you mean 'workers'?)" in done.stdout
    assert "Traceback" not in done.stdout


def test_a_missing_interpreter_is_skipped_by_name_here_and_an_error_in_ci(project: Project) -> None:
    project.write("pyproject.toml", '[tool.toolkit]\npythons = ["3.99"]\n')

    here = project.nox("-s", "unit", bare=False)
    assert here.returncode == 0
    assert "unit-3.99 skipped: Python interpreter 3.99 not found" in here.stdout
    for there in (
        project.nox("-s", "unit", bare=False, CI="true"),
        project.nox("-s", "unit", bare=False, TOOLKIT_ENV="ci"),
    ):
        assert there.returncode == 1
        assert "Python interpreter 3.99 not found" in there.stdout


def test_other_sessions_run_alongside(project: Project) -> None:
    """They run once, after the profile, also when it fails, and not with its arguments."""
    project.write("tests/test_sums.py", SUMS)
    project.write(
        "noxfile.py",
        """
        import nox
        from toolkit.config import load_config
        from toolkit.sessions import add_profile_sessions
        add_profile_sessions(load_config(), alongside={"unit": ["other"], "integration": ["other"]})

        @nox.session(python=False)
        def other(session):
            session.log(f"other has {session.posargs}")
        """,
    )
    done = project.nox("-s", "unit", "integration", "--", "-x")
    assert done.stdout.count("other has []") == 1
    refused = project.nox("--no-dependencies", "-s", "unit")
    assert refused.returncode == 1
    assert "name them: nox -s unit other" in refused.stdout


def test_install_only_leaves_no_run_behind(project: Project) -> None:
    done = project.nox("--install-only", "-s", "unit")
    assert done.returncode == 0
    assert list((project.root / ".toolkit" / "runs").iterdir()) == []


def test_the_history_may_be_away_for_a_while(project: Project) -> None:
    """Then the journals stay, the session says so, and the next one takes them up."""
    (project.root / "away").mkdir()
    done = project.nox("-s", "unit", TOOLKIT_HISTORY_URL="away")
    assert done.returncode == 0, "recording must not fail a run whose tests passed"
    assert "not in the history yet" in done.stdout
    assert "1 passed" in done.stdout
    again = project.nox("-s", "unit")
    assert "1 earlier runs are in the history now" in again.stdout
    assert len(project.kept_runs()) == 2


@others_measure
def test_the_folder_of_a_run_is_named_when_nothing_was_recorded(project: Project) -> None:
    project.write("tests/conftest.py", "import os\nos._exit(7)\n")
    done = project.nox("-s", "unit", "--", "-p", "no:toolkit")
    assert done.returncode == 1
    assert "exit code 7 (not one of pytest)" in done.stdout
    assert "nothing was recorded" in done.stdout


def test_reports_survive_hostile_names(project: Project) -> None:
    project.write(
        "tests/test_sums.py",
        """
        import pytest
        @pytest.mark.parametrize("x", ["</script><b>", "%s %d", "\\x1b[31m", "\\udc80"])
        def test_it(x): assert x == "%(name)s"
        """,
    )
    done = project.nox("-s", "unit")
    assert "4 failed" in done.stdout
    assert (project.root / "reports" / "report.html").is_file()


@others_measure
def test_a_path_outside_of_the_noxfile_is_no_obstacle(project: Project, tmp_path: Path) -> None:
    """Nox changes into the noxfile's folder; the project is found from there."""
    done = project.nox("-f", str(project.root / "noxfile.py"), "-s", "unit", cwd=tmp_path)
    assert done.returncode == 0, done.stdout
    assert (project.root / "reports" / "unit").is_dir()


def test_what_security_tests_found_is_left_for_the_gates(project: Project) -> None:
    """Every failed one; and nothing is left of a session that was given arguments of its own."""
    project.write(
        "tests/test_attacks.py",
        """
        import pytest

        @pytest.mark.security
        @pytest.mark.parametrize("status", [400, 500])
        def test_refuses(status):
            assert status < 500, "the server fell over"
        """,
    )
    assert project.nox("-s", "security").returncode == 1
    config = load_config(project.root, {})
    found = read_attacked(config)
    assert isinstance(found, Attacked)
    assert (found.sessions, found.tests) == (("security",), 2)
    assert list(found.failed) == ["tests/test_attacks.py::test_refuses[500]"]
    assert "the server fell over" in found.failed["tests/test_attacks.py::test_refuses[500]"]
    project.nox("-s", "security", "--", "-k", "400")
    assert isinstance(read_attacked(config), Absent)
