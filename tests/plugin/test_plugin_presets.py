"""What an active plugin sets where the user has not, and what it learns from at the end."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from toolkit.history.store import open_history

pytestmark = pytest.mark.usefixtures("unmeasured")

Run = Callable[..., pytest.RunResult]


def test_a_marker_that_nobody_registered_is_an_error(
    pytester: pytest.Pytester, run: Run, active: Path
) -> None:
    pytester.makepyfile("import pytest\n@pytest.mark.intgration\ndef test_a(): pass")
    result = run()
    assert result.ret == pytest.ExitCode.INTERRUPTED
    result.stdout.fnmatch_lines(["*'intgration' not found in `markers` configuration option*"])


def test_an_unknown_configuration_key_is_an_error(pytester: pytest.Pytester, run: Run) -> None:
    pytester.makepyprojecttoml("[tool.toolkit]\n[tool.pytest.ini_options]\ntestpahts = ['tests']\n")
    pytester.makepyfile("def test_a(): pass")
    result = run()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*Unknown config option: testpahts*"])


def test_strictness_can_be_switched_off(pytester: pytest.Pytester, run: Run) -> None:
    pytester.makepyprojecttoml("[tool.toolkit]\nstrict = false\n")
    pytester.makepyfile("import pytest\n@pytest.mark.whatever\ndef test_a(): pass")
    run("-m", "whatever").assert_outcomes(passed=1, warnings=1)


def test_markers_of_the_project_are_registered(pytester: pytest.Pytester, run: Run) -> None:
    pytester.makepyprojecttoml("[tool.toolkit.markers]\nbilling = 'needs the billing service'\n")
    pytester.makepyfile("import pytest\n@pytest.mark.billing\ndef test_a(): pass")
    run("-m", "billing").assert_outcomes(passed=1)
    run("--markers").stdout.fnmatch_lines(["@pytest.mark.billing: needs the billing service"])


@pytest.mark.parametrize("workers", ["-n0", "-n1"])
def test_an_unknown_marker_in_a_profile_lists_the_valid_ones(
    pytester: pytest.Pytester, run: Run, active: Path, monkeypatch: pytest.MonkeyPatch, workers: str
) -> None:
    """It would select nothing, and a run without tests looks fine."""
    pytester.makepyfile("def test_a(): pass")
    monkeypatch.setenv("TOOLKIT_PROFILE", "nightly")
    result = run(workers, "-m", "not slwo")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(
        ["*-m 'not slwo' of profile 'nightly': unknown marker 'slwo' (did you mean 'slow'?); valid: *smoke*"]
    )


def test_nothing_is_left_out_by_default(pytester: pytest.Pytester, active: Path) -> None:
    """After a failure the next run still runs everything."""
    pytester.makepyfile("def test_a(): assert 0\ndef test_b(): pass")
    for _ in range(2):
        pytester.runpytest_subprocess().assert_outcomes(failed=1, passed=1)


def test_a_plain_run_goes_into_the_history_by_itself(
    pytester: pytest.Pytester, run: Run, active: Path
) -> None:
    pytester.makepyfile("def test_a(): pass")
    run()
    run("-n1")
    with open_history(str(active / ".toolkit" / "history.sqlite")) as history:
        assert set(history.sizes()) == {path.name for path in (active / ".toolkit" / "runs").iterdir()}
        assert len(history.sizes()) == 2


def test_a_history_that_cannot_be_opened_does_not_fail_the_tests(pytester: pytest.Pytester, run: Run) -> None:
    """It is said, the journal stays, and the next run makes up for it."""
    pytester.makepyprojecttoml("[tool.toolkit]\nhistory = 'folder/history.sqlite'\n")
    (pytester.path / "folder").write_text("a file", encoding="utf-8")
    pytester.makepyfile("def test_a(): pass")
    result = run()
    assert result.ret == 0
    result.stdout.fnmatch_lines(["toolkit: this run is not in the history yet: *"])
    (pytester.path / "folder").unlink()
    run()
    with open_history(str(pytester.path / "folder" / "history.sqlite")) as history:
        assert len(history.sizes()) == 2


def test_a_run_that_a_session_looks_after_is_left_to_it(
    pytester: pytest.Pytester, run: Run, active: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOOLKIT_RUN_DIR", str(active / ".toolkit" / "runs" / "given"))
    pytester.makepyfile("def test_a(): pass")
    run()
    assert not (active / ".toolkit" / "history.sqlite").exists()


def test_the_environment_of_tests_tells_the_run(pytester: pytest.Pytester, run: Run, active: Path) -> None:
    """Also what a test starts can know; afterwards it is as before."""
    pytester.makepyfile(
        """
        import json, os, pathlib
        def test_a():
            names = ("TOOLKIT_RUN_ID", "TOOLKIT_RUN_DIR")
            pathlib.Path("seen.json").write_text(json.dumps([os.environ[name] for name in names]))
        """
    )
    run("-n1")
    name, folder = json.loads((active / "seen.json").read_text(encoding="utf-8"))
    assert Path(folder) == active / ".toolkit" / "runs" / name
