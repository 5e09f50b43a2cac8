"""The state of a pipeline is whole after any crash, and what has changed since is seen."""

import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from toolkit.config import Config
from toolkit.config.pipeline import Pipeline
from toolkit.errors import InputError, ToolkitError, UsageError
from toolkit.pipeline.code import changes, digest_files
from toolkit.pipeline.message import body, title
from toolkit.pipeline.plan import PipelinePlan, PlannedStage, PlannedStep
from toolkit.pipeline.state import (
    PipelineState,
    alone,
    find_pipeline,
    is_running,
    load,
    load_code,
    new_state,
    pipelines_folder,
    save,
    write_durably,
)
from toolkit.pipeline.trying import begin, take_up

STAGE = PlannedStage(name="a", steps=(PlannedStep(session="unit", sessions=("unit",)),))
PLAN = PipelinePlan(stages=(STAGE, PlannedStage(name="b", left_out="no URL")))


@pytest.fixture
def config(tmp_path: Path) -> Config:
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "a.py").write_text("1\n")
    (tmp_path / "pyproject.toml").write_text("\n")
    return Config(root=tmp_path, source=("src",), tests=(), pipeline=Pipeline(keep=2))


def git(root: Path, *words: str) -> None:
    who = ["-c", "user.name=a", "-c", "user.email=a@b"]
    subprocess.run(["git", *who, *words], cwd=root, check=True, capture_output=True)


def test_what_was_saved_is_read(config: Config) -> None:
    folder, state = begin(config, PLAN)
    assert load(folder) == state
    assert state.stages[1].status == "left out"
    assert find_pipeline(config) == folder == find_pipeline(config, state.id)
    assert (config.state_dir / ".gitignore").read_text() == "*\n"


def test_old_pipelines_are_removed(config: Config) -> None:
    kept = [begin(config, PLAN)[0] for _ in range(4)]
    assert sum(folder.exists() for folder in kept) == 2


def test_a_failed_write_leaves_the_state_before(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, state = begin(config, PLAN)

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(ToolkitError, match="No space left"):
        save(folder, new_state("other", PLAN, 2.0))
    assert load(folder) == state
    assert {path.name for path in folder.iterdir()} == {"state.json", "code.json"}


def test_a_damaged_state_is_an_error_that_names_it(config: Config) -> None:
    folder, _ = begin(config, PLAN)
    (folder / "state.json").write_text("{")
    (folder / "code.json").unlink()
    with pytest.raises(InputError, match=r"state\.json"):
        load(folder)
    with pytest.raises(InputError, match=r"code\.json"):
        load_code(folder)


def test_unknown_pipelines(config: Config) -> None:
    with pytest.raises(UsageError, match="no pipeline yet"):
        find_pipeline(config)
    folder, _ = begin(config, PLAN)
    with pytest.raises(UsageError, match=f"newest are: {folder.name}"):
        find_pipeline(config, "x")


def test_one_pipeline_at_a_time(config: Config) -> None:
    pipelines_folder(config)
    assert not is_running(config)
    with alone(config):
        assert is_running(config)
        with pytest.raises(UsageError, match="is running"), alone(config):
            pass
    assert not is_running(config)


@pytest.mark.parametrize("with_git", [True, False])
def test_changes_of_code_are_seen_those_of_reports_are_not(config: Config, with_git: bool) -> None:
    root = config.root
    if with_git:
        git(root, "init", "-q")
        git(root, "add", ".")
    before = digest_files(config)
    for made in (
        "reports/x.html",
        ".toolkit/y",
        ".nox/z",
        "src/__pycache__/a.pyc",
        ".coverage.1",
        "a.egg-info/q",
    ):
        (root / made).parent.mkdir(parents=True, exist_ok=True)
        (root / made).write_text("made by a run")
    assert changes(before, digest_files(config)) == ()
    (root / "src" / "a.py").write_text("2\n")
    (root / "src" / "b.py").symlink_to("a.py")
    (root / "pyproject.toml").unlink()
    assert changes(before, digest_files(config)) == ("pyproject.toml", "src/a.py", "src/b.py")


def test_changes_of_settings_and_submodules_are_seen(config: Config) -> None:
    root, module = config.root, config.root / "vendored"
    module.mkdir()
    for folder in (module, root):
        (folder / ".coveragerc").write_text("[run]\n")
        git(folder, "init", "-q")
        git(folder, "add", ".coveragerc")
        git(folder, "commit", "-qm", "one")
    git(root, "-c", "advice.addEmbeddedRepo=false", "add", ".")
    before = digest_files(config)
    for folder in (module, root):
        (folder / ".coveragerc").write_text("[run]\nbranch = true\n")
    git(module, "commit", "-qam", "two")
    assert changes(before, digest_files(config)) == (".coveragerc", "vendored/.coveragerc")


def test_reports_in_the_project_itself_hide_no_code(config: Config) -> None:
    config = msgspec.structs.replace(config, reports=".")
    assert "src/a.py" in digest_files(config)


def test_a_commit_of_the_same_files_changes_nothing(config: Config) -> None:
    git(config.root, "init", "-q")
    before = digest_files(config)
    git(config.root, "add", ".")
    git(config.root, "commit", "-qm", "all")
    assert changes(before, digest_files(config)) == ()


def test_changed_code_refuses_to_be_resumed_and_is_named(config: Config) -> None:
    folder, state = begin(config, PLAN)
    for number in range(7):
        (config.root / "src" / f"new{number}.py").touch()
    with pytest.raises(UsageError, match=r"src/new0\.py, .*src/new4\.py and 2 more") as caught:
        take_up(config, folder, state, PLAN)
    assert "--anyway" in str(caught.value)
    take_up(config, folder, state, PLAN, anyway=True)
    assert load(folder).tries == 2


def test_a_changed_plan_refuses_to_be_resumed(config: Config) -> None:
    folder, state = begin(config, PLAN)
    other = PlannedStage(name="a", steps=STAGE.steps, at_once=1)
    for stages, reason in (
        ((other, PLAN.stages[1]), "stage 'a' differs"),
        ((STAGE,), "stage 'b' is gone"),
        (PLAN.stages[::-1], "another order"),
    ):
        with pytest.raises(UsageError, match=reason):
            take_up(config, folder, state, PipelinePlan(stages=stages), anyway=True)
    with pytest.raises(UsageError, match="in the environment 'local', this is 'ci'"):
        take_up(config, folder, state, PipelinePlan(stages=PLAN.stages, environment="ci"))


@pytest.mark.skipif(sys.platform == "win32", reason="no such modes there")
def test_the_state_is_for_its_owner_alone(tmp_path: Path) -> None:
    """The URL of a deployment is in it, password included: a resumed pipeline needs it."""
    (tmp_path / "state.json").write_text("the one before")
    (tmp_path / "state.json").chmod(0o644)
    write_durably(tmp_path / "state.json", b"{}")
    assert (tmp_path / "state.json").stat().st_mode & 0o777 == 0o600


def test_write_durably_needs_its_folder(tmp_path: Path) -> None:
    with pytest.raises(ToolkitError, match="cannot be written"):
        write_durably(tmp_path / "none" / "file", b"")


def test_the_message_tells_what_failed() -> None:
    state: PipelineState = new_state("id", PLAN, 0.0)
    state.status, state.seconds = "failed", 75.0
    state.stages[0].status, state.stages[0].seconds = "failed", 1.5
    state.stages[0].steps[0].status, state.stages[0].steps[0].reason = "failed", "exit code 1"
    assert title("shop", state) == "shop: pipeline failed"
    assert body(state).splitlines() == [
        "a: failed in 1.5 s",
        "  unit: failed: exit code 1",
        "b: left out",
        "together 1 min 15 s, pipeline id",
    ]
