"""``invoke predict.*``: names, JSON and exit codes that scripts rely on."""

import json
import random
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.history.made_runs import made_run
from toolkit.analysis.forecast import forecasts
from toolkit.analysis.past import Past
from toolkit.analysis.prediction import Result, train
from toolkit.history.answers import Recent
from toolkit.history.store import open_history
from toolkit.records import NodeId
from toolkit.scheduling.experience import Forecasts, experience_of, read_forecasts
from toolkit.scheduling.jobs import Job
from toolkit.scheduling.order import arrange
from toolkit.scheduling.pool import HOT_RISK
from toolkit.tasks.predict import write_forecasts

Run = Callable[..., tuple[int, str, str]]
BAD, GOOD = "test_a.py::test_bad", "test_b.py::test_good"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project in git with one test that fails whenever its source changed."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TOOLKIT_HISTORY_URL", raising=False)
    (tmp_path / "pyproject.toml").write_text("[tool.toolkit]\n", encoding="utf-8")
    (tmp_path / ".gitignore").write_text(".toolkit\n", encoding="utf-8")
    git(tmp_path, "init", "-q")
    with open_history(str(tmp_path / ".toolkit" / "history.sqlite")) as history:
        for index in range(5):
            (tmp_path / "source.py").write_text(f"x = {index}\n", encoding="utf-8")
            git(tmp_path, "add", "-A")
            git(tmp_path, "commit", "-qm", "change")
            commit = git(tmp_path, "rev-parse", "HEAD").strip()
            outcomes = {BAD: "f" if index else "p", GOOD: "p"}
            history.import_run(made_run(index, outcomes, commit=commit))
    return tmp_path


def git(root: Path, *words: str) -> str:
    identity = ("-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false")
    done = subprocess.run(
        ["git", *identity, *words], cwd=root, check=True, capture_output=True, encoding="utf-8"
    )
    return done.stdout


def test_show_lists_what_is_likely_to_fail(invoke: Run, project: Path) -> None:
    code, out, _ = invoke("predict.show", "--json")
    found = json.loads(out)
    assert code == 0
    assert found["trained"] is False
    assert [one["test"] for one in found["tests"]] == [BAD]
    assert found["tests"][0]["probability"] > 0.3
    assert found["tests"][0]["actions"]
    shown = invoke("predict.show")[1]
    assert "the prior answers" in shown
    assert BAD in shown
    assert len(json.loads(invoke("predict.show", "--json", "--all")[1])["tests"]) == 2
    assert not any("the change" in factor for factor in found["tests"][0]["factors"])
    (project / "source.py").write_text("x = 100\n", encoding="utf-8")
    found = json.loads(invoke("predict.show", "--json")[1])
    assert "the change touches what it depends on" in found["tests"][0]["factors"]
    code, _, err = invoke("predict.show", "--ref", "nowhere")
    assert (code, "nowhere" in err) == (3, True)


def test_train_feeds_the_plan(invoke: Run, project: Path) -> None:
    code, out, _ = invoke("predict.train", "--json")
    told = json.loads(out)
    assert (code, told["runs"], told["results"], told["trained"]) == (0, 5, 10, False)
    kept = read_forecasts(project / ".toolkit")
    expected = kept.tests
    assert set(expected) == set(kept.urgency) == {BAD, GOOD}
    with open_history(str(project / ".toolkit" / "history.sqlite")) as history:
        before, after = experience_of(history), experience_of(history, kept)
        raised = experience_of(history, Forecasts(tests={GOOD: 0.9}))  # type: ignore[dict-item]
        newest = max(shape.last for shape in history.run_shapes())
        stale = experience_of(history, kept, newest=kept.made + 1)
    assert after[BAD].failure_rate >= before[BAD].failure_rate  # type: ignore[index]
    assert after[GOOD].failure_rate == expected[GOOD] > before[GOOD].failure_rate  # type: ignore[index]
    assert raised[GOOD].failure_rate == 0.9  # type: ignore[index]
    assert kept.made > newest, "it knows every run"
    assert {test: seen.urgency for test, seen in after.items()} == kept.urgency
    assert {seen.urgency for seen in stale.values()} == {None}, "a later run knows more"
    assert "predictions.json: 2 forecasts" in invoke("predict.train")[1]


@pytest.mark.slow
def test_the_plan_orders_by_what_the_benchmark_measures(tmp_path: Path) -> None:
    """Of the likely failures the order is that of ``Model.predict``, duration and correction included."""
    chance = random.Random(1)
    tests = {NodeId(f"test_{index}.py::t"): 1.0 + 5 * (index % 3) for index in range(10)}
    runs = [
        [
            Result(test=test, failed=chance.random() < index / 10, duration=seconds)
            for index, (test, seconds) in enumerate(tests.items())
        ]
        for _ in range(40)
    ]
    model = train(runs)
    measured = [one.test for one in model.predict(tests)]
    recent = {
        test: Recent(test=test, runs=("r",), verdicts="p", durations=(seconds,))
        for test, seconds in tests.items()
    }
    write_forecasts(tmp_path / "predictions.json", forecasts(model, Past(runs={}, recent=recent)))
    kept = read_forecasts(tmp_path)
    jobs = [
        Job(test=test, duration=seconds, risk=kept.tests[test], urgency=kept.urgency[test])
        for test, seconds in tests.items()
    ]
    likely = [job.test for job in jobs if job.risk >= HOT_RISK]
    assert model.trained
    assert len(likely) > 3
    planned = [job.test for job in arrange(jobs, "smart")]
    assert planned[: len(likely)] == [test for test in measured if test in likely]


def test_a_forecast_that_cannot_be_read_is_none(tmp_path: Path) -> None:
    assert read_forecasts(tmp_path) == Forecasts()
    (tmp_path / "predictions.json").write_text("{", encoding="utf-8")
    assert read_forecasts(tmp_path) == Forecasts()
    (tmp_path / "predictions.json").write_text('{"made": 1.0, "tests": {"t": 0.5}}', encoding="utf-8")
    assert read_forecasts(tmp_path) == Forecasts(made=1.0, tests={NodeId("t"): 0.5}), "as kept before"


def test_evaluate(invoke: Run, project: Path) -> None:
    found = json.loads(invoke("predict.evaluate", "--json")[1])
    assert (found["results"], found["failures"], found["auc"]) == (2, 1, 1.0)
    assert "AUC 1.000" in invoke("predict.evaluate")[1]
    (project / ".toolkit" / "history.sqlite").unlink()
    assert "too few runs" in invoke("predict.evaluate")[1]
    assert json.loads(invoke("predict.evaluate", "--json")[1]) is None
    assert invoke("predict.show", "--json")[0] == 0


def test_a_project_without_git_is_no_error(invoke: Run, project: Path) -> None:
    (project / ".git").rename(project / "gone")
    assert invoke("predict.show", "--json")[0] == 0


def test_forecasts_that_cannot_be_kept_are_an_error_with_a_name(invoke: Run, project: Path) -> None:
    (project / ".toolkit" / "predictions.json").mkdir()
    code, _, err = invoke("predict.train")
    assert code == 1
    assert "predictions.json: cannot be written" in err
    assert not list((project / ".toolkit").glob("*predictions.json.*"))
