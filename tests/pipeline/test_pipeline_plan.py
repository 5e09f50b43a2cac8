"""Everything that cannot run is found, by name, before anything starts."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.pipeline.conftest import declared
from toolkit.config import parse_config
from toolkit.config.pipeline import Pipeline, Stage
from toolkit.errors import ConfigError, InputError, UsageError
from toolkit.noxfile import list_sessions
from toolkit.pipeline.plan import make_plan
from toolkit.pipeline.steps import judge

NAMES = st.sampled_from(["unit", "lint", "gates", "smoke", "docs"])


def pipeline(*stages: Stage) -> Pipeline:
    return Pipeline(stages=stages)


def test_default_stages_take_what_the_noxfile_has() -> None:
    plan = make_plan(Pipeline(), declared("unit-3.11", "unit-3.12", "lint", "smoke"), environment="local")
    stages = {
        stage.name: [step.session for step in stage.steps] for stage in plan.stages if not stage.left_out
    }
    assert stages == {"fast-feedback": ["unit", "lint"]}
    assert plan.stages[0].steps[0].sessions == ("unit-3.11", "unit-3.12")
    assert plan.stages[0].absent == ("typecheck",)
    reasons = {stage.name: stage.left_out for stage in plan.stages}
    assert reasons["deployment"] == "no URL of a deployment is given"
    assert reasons["gates"] == "the noxfile declares none of its sessions"


def test_the_deployment_is_tested_when_its_url_is_given() -> None:
    plan = make_plan(Pipeline(), declared("smoke"), environment="local", url="http://here")
    assert [stage.name for stage in plan.stages if not stage.left_out] == ["deployment"]


def test_unknown_sessions_are_named_all_at_once() -> None:
    stages = pipeline(Stage(name="a", sessions=("unti", "lint")), Stage(name="b", sessions=("docks",)))
    with pytest.raises(UsageError, match=r"'a'.*'unti' \(did you mean 'unit'\?\)[^$]*'b'.*'docks'"):
        make_plan(stages, declared("unit", "lint"), environment="local")


def test_a_session_cannot_run_beside_itself() -> None:
    stages = pipeline(Stage(name="a", sessions=("unit", "unit-3.12")))
    with pytest.raises(UsageError, match=r"'unit' and 'unit-3.12' both run 'unit-3.12'"):
        make_plan(stages, declared("unit-3.11", "unit-3.12"), environment="local")


def test_only_some_stages() -> None:
    plan = make_plan(Pipeline(), declared("unit", "gates"), environment="local", only=["gates"])
    assert [stage.name for stage in plan.stages] == ["gates"]
    with pytest.raises(UsageError, match="unknown stage 'gate'"):
        make_plan(Pipeline(), declared("unit"), environment="local", only=["gate"])


def test_nothing_to_run_is_an_error() -> None:
    with pytest.raises(UsageError, match=r"no stage has anything to run; the noxfile declares: something"):
        make_plan(Pipeline(), declared("something"), environment="local")


@settings(max_examples=50)
@given(
    stages=st.lists(
        st.tuples(st.lists(NAMES, min_size=1, unique=True), st.booleans()), min_size=1, max_size=4
    ),
    there=st.sets(NAMES, min_size=1),
    url=st.sampled_from(["", "http://x"]),
)
def test_a_plan_holds_exactly_what_is_declared(
    stages: list[tuple[list[str], bool]], there: set[str], url: str
) -> None:
    rows = [
        Stage(name=f"s{number}", sessions=tuple(names), optional=True, needs_url=needs)
        for number, (names, needs) in enumerate(stages)
    ]
    try:
        plan = make_plan(pipeline(*rows), declared(*sorted(there)), environment="local", url=url)
    except UsageError:
        assert all(there.isdisjoint(names) or (needs and not url) for names, needs in stages)
        return
    for (names, needs), stage in zip(stages, plan.stages, strict=True):
        assert [step.session for step in stage.steps] == [name for name in names if name in there]
        assert set(stage.absent) == set(names) - there
        assert bool(stage.left_out) == ((needs and not url) or not stage.steps)


@settings(max_examples=50)
@given(
    code=st.integers(-15, 200),
    results=st.dictionaries(NAMES, st.sampled_from(["success", "failed", "skipped", "aborted"])),
)
def test_a_step_passes_only_when_something_ran_and_nox_was_content(
    code: int, results: dict[str, str]
) -> None:
    status, reason = judge(code, results)
    ran = [result for result in results.values() if result != "skipped"]
    assert (status == "passed") == (code == 0 and bool(ran))
    assert reason or status == "passed"


def parsed(table: str, tmp_path: Path) -> Pipeline:
    import tomllib

    return parse_config(tomllib.loads(table), root=tmp_path, environ={}).pipeline


def test_mistakes_in_stages_name_row_and_key(tmp_path: Path) -> None:
    table = "[[tool.toolkit.pipeline.stages]]\nname='a'\nsesions=['x']\non_failure='halt'\n"
    with pytest.raises(ConfigError) as caught:
        parsed(table, tmp_path)
    assert "pipeline.stages[0].sesions" in str(caught.value)
    assert "did you mean 'sessions'" in str(caught.value)
    assert "pipeline.stages[0].on_failure = 'halt': expected 'stop' or 'go-on'" in str(caught.value)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("[tool.toolkit.pipeline]\nstages=[]", "at least one stage"),
        ("[tool.toolkit.pipeline]\nstages=[{name='a',sessions=[]}]", r"stages\[0\].sessions = \[\]"),
        ("[tool.toolkit.pipeline]\nstages=[{name='a',sessions=['x','x']}]", "'x' is named 2 times"),
        (
            "[tool.toolkit.pipeline]\nstages=[{name='a',sessions=['x']},{name='a',sessions=['y']}]",
            "2 stages are called 'a'",
        ),
        ("[tool.toolkit.pipeline]\nstages=['a']", r"stages\[0\] = 'a': expected a table"),
        ("[tool.toolkit.pipeline]\nstages='a'", "expected"),
    ],
)
def test_stages_that_make_no_sense(table: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=message):
        parsed(table, tmp_path)


def test_a_project_without_a_noxfile_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"noxfile.py: there is none"):
        list_sessions(tmp_path)


def test_a_noxfile_that_cannot_be_loaded_is_shown(tmp_path: Path) -> None:
    (tmp_path / "noxfile.py").write_text("import nox\nraise RuntimeError('broken on purpose')\n")
    with pytest.raises(InputError, match="broken on purpose"):
        list_sessions(tmp_path)


def test_a_noxfile_that_prints_is_told(tmp_path: Path) -> None:
    text = 'import atexit, nox\natexit.register(lambda: print("[done]"))\n@nox.session\ndef a(session): ...\n'
    (tmp_path / "noxfile.py").write_text(text)
    with pytest.raises(InputError, match=r"prints lines of its own among its sessions: \[done\]"):
        list_sessions(tmp_path)
