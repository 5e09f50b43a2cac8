"""The live dashboard: follows a run that goes on, answers this machine only, changes nothing."""

import http.client
import json
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import msgspec
import pytest
from invoke.program import Program

from tests.reports.made_dashboard import EPOCH, case_of, filled, record_of
from toolkit.config import Config
from toolkit.errors import EnvironmentFailed
from toolkit.journal import Journal
from toolkit.records import NodeId, RunFinished, RunStarted, TestBegun, TestsCollected
from toolkit.reports.dashboard.live import LiveBoard, newest_folders, progress_of, running_tests
from toolkit.reports.dashboard.serving import LiveServer
from toolkit.reports.prometheus import CONTENT_TYPE
from toolkit.tasks import ns

GOOD, NEXT = "tests/test_cart.py::test_total", "tests/test_cart.py::test_empty"


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Config:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    (tmp_path / ".toolkit").mkdir()
    filled(tmp_path / ".toolkit").close()
    return Config(root=tmp_path, project="shop")


@pytest.fixture
def going(config: Config) -> Iterator[Journal]:
    """A run of two tests: one is done, the other runs."""
    folder = config.state_dir / "runs" / "run-9"
    journal = Journal(folder, "controller")
    journal.write(
        RunStarted(run="run-9", build="b9", started=EPOCH + 99_000, profile="unit", python="3.12.1")
    )
    journal.write(TestsCollected(tests=(NodeId(GOOD), NodeId(NEXT))))
    journal.write(TestBegun(test=NodeId(GOOD), worker="main", started=EPOCH + 99_001))
    journal.write(case_of(GOOD, "p", 0, 0).attempts[0])
    journal.write(TestBegun(test=NodeId(NEXT), worker="main", started=EPOCH + 99_002))
    yield journal
    journal.close()


def test_progress_tells_what_runs_and_how_long_it_will_take(going: Journal) -> None:
    found = progress_of(going.path.parent, {NodeId(NEXT): 4.0}, EPOCH + 99_010)
    assert (found.done, found.wanted, found.bad, found.elapsed) == (1, 2, 0, 10.0)
    assert found.remaining == 4.0
    assert found.running == (("main", NEXT, EPOCH + 99_002),)
    assert progress_of(going.path.parent, {}, 0.0).remaining is None


def test_a_torn_line_and_a_long_journal_do_not_hide_the_running_test(going: Journal) -> None:
    with going.path.open("ab") as stream:
        stream.write(b'{"kind":"attempt","te')
    assert [test for _, test, _ in running_tests(going.path.parent)] == [NEXT]


def test_a_snapshot_is_made_again_only_when_something_has_changed(config: Config, going: Journal) -> None:
    board = LiveBoard(config)
    first = board.look()
    told = json.loads(first.facts)
    assert (told["progress"]["done"], told["progress"]["wanted"]) == (1, 2)
    assert told["complaints"] == []
    assert board.look() is first
    going.write(case_of(NEXT, "f", 5, 3).attempts[0])
    second = board.look()
    assert second.etag != first.etag
    assert json.loads(second.facts)["summary"]["failed"] == 1
    going.write(RunFinished(finished=EPOCH + 99_020, exit_code=1))
    going.close()
    assert json.loads(board.look().facts)["progress"] is None


def test_without_a_journal_the_newest_build_of_the_history_is_shown(config: Config) -> None:
    assert json.loads(LiveBoard(config).look().facts)["trend"][-1]["run"] == "run-5"


def test_folders_of_one_build_belong_together(tmp_path: Path) -> None:
    assert newest_folders(tmp_path) == []
    for name, build in (("a", "x"), ("b", "y"), ("c", "y")):
        journal = Journal(tmp_path / name, "controller")
        journal.write(RunStarted(run=name, build=build, started=1.0))
        journal.close()
    (tmp_path / "d").mkdir()
    (tmp_path / "e").mkdir()
    (tmp_path / "e" / "controller.jsonl").write_text("no JSON")
    assert [folder.name for folder in newest_folders(tmp_path)] == ["b", "c"]
    journal = Journal(tmp_path / "f", "controller")
    journal.write(RunStarted(run="f", started=1.0))
    journal.close()
    assert [folder.name for folder in newest_folders(tmp_path)] == ["f"]


@pytest.fixture
def server(config: Config, going: Journal) -> Iterator[LiveServer]:
    with LiveServer(LiveBoard(config)) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def ask(server: LiveServer, path: str, **headers: str) -> tuple[int, bytes, http.client.HTTPMessage]:
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=30)
    try:
        connection.request(
            "GET", path, headers={name.replace("_", "-"): value for name, value in headers.items()}
        )
        answer = connection.getresponse()
        return answer.status, answer.read(), answer.headers
    finally:
        connection.close()


def test_page_facts_and_tests_are_served_under_a_strict_policy(server: LiveServer) -> None:
    status, body, headers = ask(server, "/")
    assert (status, body[:15]) == (200, b"<!doctype html>")
    assert "connect-src 'self'" in (headers["Content-Security-Policy"] or "")
    status, body, headers = ask(server, "/facts.json")
    assert json.loads(body)["progress"]["run"] == "run-9"
    status, body, _ = ask(server, "/facts.json", If_None_Match=headers["ETag"] or "")
    assert (status, body) == (304, b"")
    status, body, _ = ask(server, "/tests.bin?1")
    assert (status, body[:1]) == (200, b"\x78")
    assert ask(server, "/../etc/passwd")[0] == 404
    status, body, headers = ask(server, "/metrics")
    assert (status, headers["Content-Type"]) == (200, CONTENT_TYPE)
    assert b"test_executions_total" in body
    assert ask(server, "/metrics")[1] == body


def test_a_name_of_another_site_is_refused(server: LiveServer) -> None:
    assert ask(server, "/facts.json", Host="evil.example")[0] == 421
    assert ask(server, "/", Host="127.0.0.1.evil.example:80")[0] == 421
    assert ask(server, "/", Host=f"localhost:{server.server_port}")[0] == 200


def test_a_history_that_cannot_be_read_is_told_to_the_page(server: LiveServer, config: Config) -> None:
    Path(config.history_url).unlink()
    Path(config.history_url).mkdir()
    status, body, _ = ask(server, "/facts.json")
    assert (status, b"history" in body) == (503, True)


def test_it_binds_to_loopback_and_a_taken_port_is_an_error(server: LiveServer) -> None:
    assert server.server_address[0] == "127.0.0.1"
    with pytest.raises(EnvironmentFailed, match="cannot be used"):
        LiveServer(LiveBoard(Config()), server.server_port)


def test_the_run_of_the_history_is_not_told_twice(config: Config) -> None:
    """A journal that is in the history already, too, is one run."""
    folder = config.state_dir / "runs" / "run-5"
    journal = Journal(folder, "controller")
    journal.write(record_of(5).header)
    journal.close()
    told = json.loads(LiveBoard(config).look().facts)
    assert [point["run"] for point in told["trend"]].count("run-5") == 1
    assert told["created"] <= time.time()


def test_the_terminal_follows_a_run_until_it_ends(
    config: Config, going: Journal, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (config.root / "pyproject.toml").write_text("[tool.toolkit]\n")
    monkeypatch.chdir(config.root)

    def later(_seconds: float) -> None:
        """The run ends while we wait."""
        going.write(case_of(NEXT, "f", 5, 3).attempts[0])
        going.close()

    monkeypatch.setattr("toolkit.tasks.watching.time.sleep", later)
    Program(namespace=ns).run(["invoke", "reports.watch"], exit=False)
    assert "run-9: 2 of 2 tests, 1 bad" in capsys.readouterr().out
    Program(namespace=ns).run(["invoke", "reports.watch"], exit=False)
    assert "no run goes on" in capsys.readouterr().out


def test_a_failure_in_quarantine_is_not_counted_while_the_run_goes_on(config: Config, going: Journal) -> None:
    """It is listed with its cause all the same, as a change of its test."""
    shielded = msgspec.structs.replace(case_of(NEXT, "f", 5, 3).attempts[0], quarantined=True)
    going.write(shielded)
    found = progress_of(going.path.parent, {}, EPOCH + 99_010)
    assert (found.done, found.bad) == (2, 0)
    told = json.loads(LiveBoard(config).look().facts)
    assert (told["summary"]["failed"], told["summary"]["xfailed"]) == (0, 1)
    assert [group["count"] for group in told["groups"]] == [1]
    (point,) = [point for point in told["trend"] if point["run"] == "run-9"]
    assert (point["bad"], point["skipped"]) == (0, 1)
    assert [module["bad"] for module in told["modules"]] == [0]
