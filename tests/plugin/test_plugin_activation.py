"""The plugin is inert until asked, and costs nothing until then."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from toolkit.plugin.activation import has_table
from toolkit.records import RunRecord

Run = Callable[..., pytest.RunResult]
Record = Callable[[], RunRecord]

INERT = """
import sys, pytest

@pytest.mark.uses("printer", "scanner")
@pytest.mark.scenario("user_registration")
@pytest.mark.flaky(retries=1)
@pytest.mark.smoke
def test_inert(request):
    names = [name for name, _ in request.config.pluginmanager.list_name_plugin()]
    assert not [name for name in names if name and name.startswith("toolkit-")]
    for module in ("msgspec", "toolkit.config", "toolkit.journal", "toolkit.errors"):
        assert module not in sys.modules
"""


def test_a_session_that_nobody_asked_for_has_only_the_markers(pytester: pytest.Pytester, run: Run) -> None:
    """``--strict-markers`` passes, no module of ours is registered, nothing is written."""
    pytester.makepyfile(INERT)
    run("--strict-markers", apart=True).assert_outcomes(passed=1)
    assert not (pytester.path / ".toolkit").exists()


def test_the_import_of_the_inert_plugin_brings_nothing_heavy() -> None:
    """Only modules of the standard library that pytest has anyway, and four small ones of ours."""
    script = """
import sys, pytest, _pytest.config
before = set(sys.modules)
import toolkit.plugin
print(*sorted(set(sys.modules) - before))
"""
    found = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True).stdout
    assert {name for name in found.split() if not name.startswith("toolkit")} == set()
    assert len(found.split()) <= 6


@pytest.mark.parametrize(
    "table",
    ["[tool.toolkit]", "  [tool.toolkit] # ours", "[tool.toolkit.profiles.unit]", "[ tool . toolkit ]"],
)
def test_a_table_asks_for_the_plugin(tmp_path: Path, table: str) -> None:
    file = tmp_path / "pyproject.toml"
    file.write_text(f'[project]\nname = "x"\n{table}\n', encoding="utf-8")
    assert has_table(file)


@pytest.mark.parametrize("text", ["", "[tool.toolkits]", '# [tool.toolkit]\nx = "[tool.toolkit]"', "[tools]"])
def test_what_only_looks_like_the_table_does_not(tmp_path: Path, text: str) -> None:
    file = tmp_path / "pyproject.toml"
    file.write_text(text, encoding="utf-8")
    assert not has_table(file)
    assert not has_table(tmp_path / "absent.toml")


@pytest.mark.parametrize("option", ["--record", "--retries=0", "--no-record"])
def test_an_option_makes_it_active(pytester: pytest.Pytester, run: Run, option: str) -> None:
    pytester.makepyfile("def test_active(worker): assert worker.id == 'main'")
    run(option).assert_outcomes(passed=1)
    assert (pytester.path / ".toolkit" / "runs").exists() == (option != "--no-record")


def test_our_modules_are_imported_as_they_are_and_those_of_the_project_as_before(
    pytester: pytest.Pytester, run: Run
) -> None:
    """The import of pytest reads and hashes the text of each module, to rewrite what it asserts."""
    pytester.makepyfile(
        """
        import sys
        def test_loaders():
            kinds = {
                name: type(vars(module).get("__loader__")).__name__ for name, module in sys.modules.items()
            }
            ours = {name for name in kinds if name.startswith("toolkit.")}
            rewritten = {name for name in ours if kinds[name] != "SourceFileLoader"}
            assert {"toolkit.plugin.recording", "toolkit.config.settings"} <= ours - rewritten
            assert rewritten <= {f"toolkit.{name}" for name in (
                "markers", "plugin", "plugin.activation", "plugin.markers", "plugin.options",
                "plugin.garbage", "plugin.importing",
            )}
            assert kinds[__name__] == "AssertionRewritingHook"
            assert "PlainFinder" not in {type(finder).__name__ for finder in sys.meta_path}
        """
    )
    run("--no-record", apart=True).assert_outcomes(passed=1)


def test_the_environment_makes_it_active_also_in_workers(
    pytester: pytest.Pytester, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = pytester.path / "given"
    monkeypatch.setenv("TOOLKIT_RUN_DIR", str(folder))
    monkeypatch.setenv("TOOLKIT_RUN_ID", "the-run")
    pytester.makepyfile(
        """
        import os
        def test_active(worker):
            assert worker.id == "gw0" and worker.count == 1
            assert os.environ["TOOLKIT_RUN_ID"] == "the-run"
        """
    )
    run("-n1").assert_outcomes(passed=1)
    assert {path.name for path in folder.iterdir()} == {
        "controller.jsonl",
        "collection.jsonl",
        "gw0.jsonl",
    }
    assert not (pytester.path / ".toolkit" / "runs").exists()


def test_a_session_inside_a_test_does_not_write_into_the_outer_run(
    pytester: pytest.Pytester, run: Run, active: Path, record: Record
) -> None:
    """The environment is inherited by what a test starts; the folder belongs to the first session."""
    pytester.makepyfile(
        test_outer="""
        import os, subprocess, sys
        def test_outer(tmp_path):
            (tmp_path / "pytest.ini").write_text("[pytest]")
            (tmp_path / "test_inner.py").write_text("def test_inner(): assert 0")
            inner = subprocess.run([sys.executable, "-m", "pytest", "-q", "."], cwd=tmp_path)
            assert inner.returncode == 1
            assert not (tmp_path / ".toolkit").exists()
        """
    )
    run().assert_outcomes(passed=1)
    assert [case.test for case in record().cases] == ["test_outer.py::test_outer"]


def test_a_mistake_in_the_table_is_a_usage_error_that_names_it(pytester: pytest.Pytester, run: Run) -> None:
    pytester.makepyprojecttoml("[tool.toolkit]\nreprots = 'r'\n")
    pytester.makepyfile("def test_a(): pass")
    result = run()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*tool.toolkit.reprots*did you mean 'reports'*"])


def test_a_wrong_number_of_retries_is_refused(pytester: pytest.Pytester, run: Run) -> None:
    result = run("--retries=-1")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*--retries*-1*"])
