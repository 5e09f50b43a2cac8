"""Metrics that Prometheus reads, whose labels stay few however many tests there are."""

import json
import re
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.reports.made_dashboard import EPOCH, LETTERS, filled
from toolkit.errors import ToolkitError
from toolkit.history.store import History, open_history
from toolkit.records import Attempt, CaseResult, NodeId, Outcome, RunRecord, RunStarted
from toolkit.reports import prometheus

Run = Callable[..., tuple[int, str, str]]
Samples = dict[str, list[tuple[dict[str, str], float]]]


@pytest.fixture
def history(tmp_path: Path) -> Iterator[History]:
    with filled(tmp_path) as found:
        yield found


def samples(text: str) -> Samples:
    """Read the text as Prometheus does."""
    found: Samples = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found.setdefault(sample.name, []).append((sample.labels, sample.value))
    return found


def test_counts_and_the_histogram_agree_with_the_history(history: History) -> None:
    found = samples(prometheus.metrics_text(history))
    attempts = sum(row.attempts for row in history.runs(limit=None))
    assert sum(value for _, value in found["test_executions_total"]) == attempts
    assert sum(value for _, value in found["test_duration_seconds_count"]) == attempts
    for labels, count in found["test_duration_seconds_count"]:
        mine = [
            value
            for other, value in found["test_duration_seconds_bucket"]
            if {key: value for key, value in other.items() if key != "le"} == labels
        ]
        assert mine == sorted(mine)
        assert mine[-1] == count
        assert len(mine) == len(prometheus.BOUNDS) + 1
    work = sum(row.duration for row in history.runs(limit=None))
    assert sum(value for _, value in found["test_duration_seconds_sum"]) == pytest.approx(work)


def test_the_newest_run_and_the_memory_are_told(history: History) -> None:
    found = samples(prometheus.metrics_text(history))
    labels = {"profile": "unit", "python": "3.12"}
    assert found["test_run_tests"] == [(labels, len(LETTERS))]
    assert found["test_run_failures"] == [(labels, 12)]
    assert found["test_run_success_ratio"][0][1] == pytest.approx(0.4)
    assert found["test_run_timestamp_seconds"][0][1] == EPOCH + 5 * 3600
    assert sum(value for _, value in found["test_runs_total"]) == 6
    assert max(value for _, value in found["test_memory_usage_bytes"]) == (50 + len(LETTERS) - 1) << 20


def test_labels_stay_few_and_no_test_is_one(tmp_path: Path) -> None:
    """However many files, profiles and tests there are."""
    with open_history(str(tmp_path / "h.sqlite")) as history:
        for number in range(prometheus.STREAMS + 20):
            test = NodeId(f"tests/test_{number}.py::test_x[{number}]")
            attempt = Attempt(test=test, outcome=Outcome.PASSED, memory=1 << 20, started=1.0, duration=0.1)
            header = RunStarted(run=f"r{number}", started=1.0 + number, profile=f"p{number}", python="3.12.1")
            case = CaseResult(test=test, attempts=(attempt,))
            history.import_run(RunRecord(header=header, cases=(case,), finished=2.0 + number))
        history.import_run(_with_many_files(prometheus.FILES + 10))
        text = prometheus.metrics_text(history)
    found = samples(text)
    assert len({labels["profile"] for labels, _ in found["test_executions_total"]}) <= prometheus.STREAMS + 1
    assert any(labels["profile"] == "other" for labels, _ in found["test_executions_total"])
    assert len(found["test_memory_usage_bytes"]) == prometheus.FILES + 1
    assert "test_x" not in text


def _with_many_files(count: int) -> RunRecord:
    attempts = [
        Attempt(test=NodeId(f"t_{number}.py::test_x"), outcome=Outcome.PASSED, memory=(2 + number) << 20)
        for number in range(count)
    ]
    cases = tuple(CaseResult(test=attempt.test, attempts=(attempt,)) for attempt in attempts)
    return RunRecord(header=RunStarted(run="many", started=9e8), cases=cases)


def test_an_empty_history_has_metrics_without_values(tmp_path: Path) -> None:
    with open_history(str(tmp_path / "h.sqlite")) as history:
        assert samples(prometheus.metrics_text(history)) == {}


@pytest.fixture
def gateway() -> Iterator[tuple[str, list[tuple[str, bytes]]]]:
    """What a push gateway sees: method and path, body."""
    seen: list[tuple[str, bytes]] = []

    class Gateway(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            seen.append((self.path, body))
            self.send_response(202 if b"test_runs" in body else 400)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Gateway) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield f"127.0.0.1:{server.server_port}", seen
        server.shutdown()
        thread.join()


def test_metrics_are_pushed_for_a_job(history: History, gateway: tuple[str, list[tuple[str, bytes]]]) -> None:
    address, seen = gateway
    prometheus.push(history, address, job="shop")
    ((path, body),) = seen
    assert path == "/metrics/job/shop"
    assert b'test_run_failures{profile="unit",python="3.12"} 12.0' in body


def test_a_gateway_that_is_not_there_is_an_error(history: History) -> None:
    with pytest.raises(ToolkitError, match="does not take the metrics"):
        prometheus.push(history, "127.0.0.1:1")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pyproject.toml").write_text("[tool.toolkit]\n")
    (tmp_path / ".toolkit").mkdir()
    filled(tmp_path / ".toolkit").close()
    return tmp_path


def test_printed_written_and_pushed_by_a_task(
    invoke: Run, tmp_path: Path, gateway: tuple[str, list[tuple[str, bytes]]]
) -> None:
    code, out, _ = invoke("reports.metrics")
    assert code == 0
    assert samples(out)["test_run_tests"]
    assert invoke("reports.metrics", "--output", "m.prom", "--push", gateway[0]) == (0, "", "")
    assert samples((tmp_path / "m.prom").read_text()) == samples(out)
    assert [path for path, _ in gateway[1]] == ["/metrics/job/toolkit"]
    assert invoke("reports.metrics", "--push", "127.0.0.1:1")[0] == 1


def test_grafana_asks_for_nothing_but_these_metrics(invoke: Run, tmp_path: Path, history: History) -> None:
    assert invoke("reports.grafana", "--output", "g.json")[0] == 0
    board = json.loads((tmp_path / "g.json").read_text())
    asked = {
        name
        for panel in board["panels"]
        for target in panel["targets"]
        for name in re.findall(r"\btest_\w+", target["expr"])
    }
    assert len(board["panels"]) >= 8
    assert asked <= set(samples(prometheus.metrics_text(history)))
    assert {"test_duration_seconds_bucket", "test_executions_total", "test_memory_usage_bytes"} <= asked
