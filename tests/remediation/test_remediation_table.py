"""Which remedy fits which failure, in which order, and what the ledger remembers."""

from pathlib import Path

import pytest

from toolkit.analysis.failures import classify_all
from toolkit.errors import ToolkitError
from toolkit.records import Evidence, Failure, NodeId, Outcome, ServiceHealth
from toolkit.remediation.acting import ACTIONS
from toolkit.remediation.ledger import FILE, Tried, helped_before, remember
from toolkit.remediation.table import TABLE, suggestions
from toolkit.remediation.troubles import Trouble, local, troubles_of

PG_REFUSED = 'connection to server at "127.0.0.1", port 5432 failed: Connection refused'
REDIS_REFUSED = "Error 111 connecting to localhost:6399. Connection refused."
REDIS_FULL = "OOM command not allowed when used memory > 'maxmemory'."
TRIED = Tried(at=1.0, remedy="a", target="", group="g", helped=True, told="", seconds=0.1)
DOWN = Evidence(services=(ServiceHealth(variable="DATABASE_URL", address="127.0.0.1:5432", state="refused"),))


def troubles(
    exception: str, message: str, *, count: int = 1, evidence: Evidence | None = None
) -> tuple[Trouble, ...]:
    failure = Failure(
        phase="call", exception=exception, message=message, traceback=f"E   {exception}: {message}"
    )
    found = classify_all([((failure,), Outcome.FAILED)] * count, [evidence] * count)
    tests = [NodeId(f"t.py::test_{number}") for number in range(count)]
    return troubles_of(found, tests, [evidence] * count, profile="unit", python="3.12.1")


@pytest.mark.parametrize(
    ("exception", "message", "remedy", "target"),
    [
        ("psycopg.OperationalError", PG_REFUSED, "restart-service", "localhost:5432"),
        ("redis.exceptions.ConnectionError", REDIS_REFUSED, "restart-service", "localhost:6399"),
        ("psycopg.OperationalError", 'database "shop_1" does not exist', "recreate-database", "shop_1"),
        ("psycopg.errors.UndefinedTable", 'relation "orders" does not exist', "rebuild-template", ""),
        ("redis.exceptions.ResponseError", REDIS_FULL, "clear-cache", ""),
        ("builtins.OSError", "[Errno 98] Address already in use: ('127.0.0.1', 8123)", "free-port", "8123"),
        ("builtins.ModuleNotFoundError", "No module named 'httpx.client'", "rebuild-environment", "httpx"),
        ("builtins.OSError", "[Errno 28] No space left on device", "sweep-disk", ""),
        ("builtins.MemoryError", "", "fewer-workers", ""),
        ("Failed", "Timeout (>30.0s) from pytest-timeout.", "find-the-hang", ""),
        ("psycopg.errors.DeadlockDetected", "deadlock detected", "separate-them", ""),
        ("builtins.PermissionError", "[Errno 13] Permission denied: '/x'", "provide-what-is-missing", ""),
        ("builtins.AssertionError", "assert 1 == 2", "mend-the-code", ""),
    ],
)  # fmt: skip
def test_each_failure_has_its_remedy_first(exception: str, message: str, remedy: str, target: str) -> None:
    first = suggestions(troubles(exception, message), {})[0]
    assert (first.remedy, first.target) == (remedy, target)
    assert first.automatic == (remedy in ACTIONS)


def test_every_automatic_remedy_is_done_and_proven_and_no_other() -> None:
    assert {remedy.name for remedy in TABLE if remedy.automatic} == set(ACTIONS)
    assert all(remedy.steps and remedy.verified for remedy in TABLE)


def test_five_hundred_failures_of_one_server_are_one_suggestion() -> None:
    found = troubles("ConnectionRefusedError", "[Errno 111] Connection refused", count=500, evidence=DOWN)
    assert len(found) == 1
    (one,) = [row for row in suggestions(found, {}) if row.automatic]
    assert (one.remedy, one.target, one.count) == ("restart-service", "localhost:5432", 500)


def test_a_refused_connection_to_nobody_knows_whom_restarts_nothing() -> None:
    found = suggestions(troubles("ConnectionRefusedError", "[Errno 111] Connection refused"), {})
    assert "restart-service" not in {one.remedy for one in found}


def test_what_never_helped_comes_after_what_did() -> None:
    both = (
        *troubles("OSError", "[Errno 28] No space left on device"),
        *troubles("ModuleNotFoundError", "No module named 'x'"),
    )
    before = [one.remedy for one in suggestions(both, {}) if one.automatic]
    after = [one.remedy for one in suggestions(both, {before[0]: (9, 0)}) if one.automatic]
    assert after == before[::-1]


def test_the_same_thing_is_suggested_once() -> None:
    twice = troubles("OSError", "[Errno 28] No space left on device") * 2
    assert len([one for one in suggestions(twice, {}) if one.remedy == "sweep-disk"]) == 1


def test_the_ledger_counts_and_survives_a_torn_line(tmp_path: Path) -> None:
    assert helped_before(tmp_path) == {}
    for helped in (True, False, True):
        remember(
            tmp_path / "state",
            Tried(at=1.0, remedy="a", target="", group="g", helped=helped, told="", seconds=0.1),
        )
    with (tmp_path / "state" / FILE).open("ab") as stream:
        stream.write(b'{"remedy": "a", "he')
    assert helped_before(tmp_path / "state") == {"a": (3, 2)}
    (tmp_path / "file").write_text("")
    with pytest.raises(ToolkitError, match="cannot be written"):
        remember(
            tmp_path / "file" / "x",
            Tried(at=1.0, remedy="a", target="", group="g", helped=True, told="", seconds=0.1),
        )


def test_addresses_of_this_machine_are_one() -> None:
    assert {local(f"{host}:1") for host in ("127.0.0.1", "localhost", "::1", "[::1]")} == {"localhost:1"}
    assert local("db.example:1") == "db.example:1"
