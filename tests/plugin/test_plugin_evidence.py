"""The plugin looks around when a test fails: quickly, without harm, and what it saw is kept."""

import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolkit.history.store import open_history
from toolkit.journal import Journal, read_run
from toolkit.plugin.evidence import (
    Surroundings,
    address_of,
    ask,
    listening_ports,
    memory_of_machine,
    quietly,
    running_beside,
)
from toolkit.records import NodeId, TestBegun

LINUX = pytest.mark.skipif(not Path("/proc/meminfo").exists(), reason="proc(5) is asked")


@pytest.fixture
def listener() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.fixture
def nobody() -> int:
    """A port on which nobody listens, as far as one can know."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
    return port


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("postgresql://user:pw@127.0.0.1:40001/app", ("127.0.0.1", 40001)),
        ("postgresql+psycopg://localhost/app", ("localhost", 5432)),
        ("redis://[::1]/0", ("::1", 6379)),
        ("amqp://u:p%40@h:1/v", ("h", 1)),
        ("postgresql://u:p@ss@db:5/app", ("db", 5)),
        ("http://example", ("example", 80)),
        ("sqlite:///file", None),
        ("", None),
        ("redis://h:99999", None),
    ],
)
def test_addresses_of_urls(url: str, address: tuple[str, int] | None) -> None:
    assert address_of(url) == address


@settings(max_examples=50)
@given(st.text(max_size=60))
def test_no_text_is_an_error(text: str) -> None:
    assert address_of(text) is None or address_of(text)


def test_servers_are_open_refused_or_not_asked(listener: int, nobody: int) -> None:
    assert ask("A_URL", "127.0.0.1", listener).state == "open"
    assert ask("A_URL", "localhost", nobody).state == "refused"
    assert ask("A_URL", "db.example", 5432).state == "not asked: it is a name"


def test_an_answer_is_believed_for_a_moment(tmp_path: Path, listener: int) -> None:
    """So 500 failures of one dead server do not ask 500 times."""
    around = Surroundings(tmp_path, tmp_path, "main", ("SHOP_URL",))
    environ = {"SHOP_URL": f"http://127.0.0.1:{listener}/", "REDIS_URL": "nonsense"}
    first, second = around.look(environ), around.look(environ)
    assert first.services == second.services
    assert [health.variable for health in first.services] == ["SHOP_URL"]


def test_no_password_gets_into_the_evidence(tmp_path: Path, listener: int) -> None:
    found = Surroundings(tmp_path, tmp_path, "main").look(
        {"DATABASE_URL": f"postgresql://u:geheim@127.0.0.1:{listener}/x"}
    )
    assert "geheim" not in repr(found)


@LINUX
def test_the_machine_is_asked(tmp_path: Path, listener: int) -> None:
    found = Surroundings(tmp_path, tmp_path, "main").look({}, timeout=30.0, spent=10.0)
    assert found.memory is not None
    assert found.memory_total is not None
    assert 0 < found.memory <= found.memory_total
    assert found.disk
    assert found.scratch
    assert found.cores == os.cpu_count()
    assert listener in found.ports
    assert (found.timeout, found.left) == (30.0, 20.0)


def test_elsewhere_nothing_is_told_and_nothing_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "win32")
    assert memory_of_machine() == (None, None)
    assert list(listening_ports()) == []
    assert quietly(lambda: 1 // 0, 7) == 7


def test_neighbours_are_what_other_workers_have_begun(tmp_path: Path) -> None:
    for worker, tests in (("gw0", ["t.py::mine"]), ("gw1", ["t.py::a", 't.py::b["x"]'])):
        journal = Journal(tmp_path, worker)
        for test in tests:
            journal.write(TestBegun(test=NodeId(test), worker=worker, started=time.time()))
        journal.close()
    done = Journal(tmp_path, "gw2")
    done.write(TestBegun(test=NodeId("t.py::c"), worker="gw2", started=1.0))
    done.close()
    with (tmp_path / "gw2.jsonl").open("ab") as stream:
        stream.write(b'{"kind":"attempt","test":"t.py::c","outcome":"passed"}\n')
    assert list(running_beside(tmp_path, "gw0")) == ['t.py::b["x"]']


def test_a_budget_ends_the_asking(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("toolkit.plugin.evidence.BUDGET", -1.0)
    found = Surroundings(tmp_path, tmp_path, "main").look({"DATABASE_URL": "redis://127.0.0.1:1"})
    assert found.services == ()


def test_a_failing_test_carries_its_evidence_into_the_history(
    pytester: pytest.Pytester, nobody: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With what was around it before its tear-down; a test that passes or is skipped has none."""
    monkeypatch.setenv("REDIS_URL", f"redis://127.0.0.1:{nobody}/0")
    monkeypatch.setenv("TOOLKIT_RUN_DIR", str(pytester.path / "run"))
    pytester.makepyprojecttoml("[tool.toolkit]\n[tool.pytest.ini_options]\ntimeout = 50\n")
    pytester.makepyfile(
        """
        import pytest, socket

        @pytest.fixture
        def server():
            with socket.create_server(("127.0.0.1", 0)) as found:
                yield found.getsockname()[1]

        def test_bad(server):
            assert server == 0

        @pytest.mark.timeout(20)
        def test_late():
            raise OSError

        def test_good(): pass
        def test_skipped(): pytest.skip("no")
        """
    )
    result = pytester.runpytest_subprocess("-p", "no:randomly", "-p", "no:asyncio")
    result.assert_outcomes(failed=2, passed=1, skipped=1)
    record = read_run(pytester.path / "run")
    found = {case.test.partition("::")[2]: case.attempts[0].evidence for case in record.cases}
    assert found["test_good"] is found["test_skipped"] is None
    bad, late = found["test_bad"], found["test_late"]
    assert bad is not None
    assert late is not None
    assert [(health.variable, health.state) for health in bad.services] == [("REDIS_URL", "refused")]
    assert (bad.timeout, late.timeout) == (50.0, 20.0)
    if Path("/proc/net/tcp").exists():
        assert len(bad.ports) == len(late.ports) + 1
    with open_history(str(pytester.path / "h.sqlite")) as history:
        history.import_run(record)
        past = {failed.test.partition("::")[2]: failed.evidence for failed in history.failures()}
        assert past == {"test_bad": bad, "test_late": late}
        again = history.record(record.header.run)
        assert again is not None
        assert {case.attempts[0].evidence for case in again.cases} >= {bad, late}
