"""Measures through the history: kept by commit, moves found, files of pytest-benchmark taken in once."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from toolkit.analysis.measures import measure_trends
from toolkit.errors import InputError
from toolkit.history.store import open_history
from toolkit.performance.benchmarks import read_benchmarks

Invoke = Callable[..., tuple[int, str, str]]


def document(number: int, median: float) -> dict[str, Any]:
    """A file as pytest-benchmark 5 writes it, cut to what matters and some more."""
    stats = {
        "min": median * 0.9,
        "max": median * 2,
        "mean": median * 1.1,
        "median": median,
        "stddev": 0.1,
        "rounds": 5,
    }
    return {
        "machine_info": {"node": "box", "python_version": "3.12.1", "system": "Linux", "cpu": {"count": 2}},
        "commit_info": {
            "id": f"{number:040x}",
            "branch": "main",
            "dirty": False,
            "time": "x",
            "project": "p",
        },
        "benchmarks": [
            {"group": None, "name": "test_a", "fullname": "tests/test_x.py::test_a", "stats": stats}
        ],
        "datetime": f"2026-01-{number:02d}T10:00:00.123456+00:00",
        "version": "5.3.1",
    }


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Twenty results; from the eleventh commit on it takes half as long again."""
    (tmp_path / "pyproject.toml").write_text("[tool.toolkit]\n", encoding="utf-8")
    for number in range(1, 21):
        median = (0.010 if number < 11 else 0.015) * (1 + number % 3 / 200)
        text = json.dumps(document(number, median))
        (tmp_path / f"{number:02d}.json").write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_results_are_taken_in_once_and_the_move_is_found(project: Path, invoke: Invoke) -> None:
    """By commit, with how much; the same files again change nothing."""
    files = sorted(map(str, project.glob("*.json")))
    code, out, _ = invoke("performance.import", *files, "--json")
    assert code == 0
    assert [row["new"] for row in json.loads(out)["taken"]] == [True] * 20
    assert "known" in invoke("performance.import", *files)[1]
    code, out, _ = invoke("performance.trend", "--measure", "median", "--json")
    (trend,) = json.loads(out)
    assert (trend["test"], trend["python"], trend["host"]) == ("tests/test_x.py::test_a", "3.12.1", "box")
    assert len(trend["values"]) == 20
    (move,) = trend["moves"]
    assert move["commit"] == f"{11:040x}"
    assert move["after"] / move["before"] == pytest.approx(1.5, rel=0.02)
    shown = invoke("performance.trend", "--moved")[1]
    assert "1.50 x" in shown
    assert "benchmark.rounds" not in shown
    assert "benchmark.rounds" in invoke("performance.trend", "--test", "test_a")[1]
    assert invoke("performance.trend", "--test", "nothing", "--json")[1].strip() == "[]"


def test_what_is_no_file_of_pytest_benchmark_is_named(project: Path, invoke: Invoke) -> None:
    """The others are taken in all the same."""
    (project / "bad.json").write_text('{"benchmarks": [{"fullname": 7}]}', encoding="utf-8")
    code, out, err = invoke("performance.import", "bad.json", "01.json", "none.json", "--json")
    assert code == 3
    assert len(json.loads(out)["taken"]) == 1
    assert "bad.json: Expected `str`, got `int` - at `$.benchmarks[0].fullname`" in err
    assert "none.json" in err
    with pytest.raises(InputError, match="--benchmark-json"):
        read_benchmarks(project / "bad.json")


def test_series_of_other_machines_are_kept_apart(project: Path) -> None:
    """A single slow run is no move, and without a time zone a time is UTC."""
    other = document(1, 0.02)
    other["machine_info"]["node"] = "laptop"
    other["datetime"] = "2026-02-01T10:00:00"
    del other["commit_info"]
    (project / "21.json").write_text(json.dumps(other), encoding="utf-8")
    with open_history(str(project / "history.sqlite")) as history:
        for file in sorted(project.glob("*.json")):
            record = read_benchmarks(file)
            assert history.import_run(record)
            assert not history.import_run(record)
        trends = measure_trends(row for row in history.measured() if row.name == "benchmark.median_s")
        assert [(each.host, len(each.values)) for each in trends] == [("box", 20), ("laptop", 1)]
        assert [len(each.moves) for each in trends] == [1, 0]
        assert trends[1].typical == 0.02
        assert len(history.measured(runs=1)) == 5
        none = measure_trends([])
        assert none == ()
