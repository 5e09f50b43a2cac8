"""Evidence confirms what the texts say and explains what they leave open; it hides no mistake in code."""

import pytest

from toolkit.analysis.failures import classify, classify_all
from toolkit.analysis.outages import outage_of
from toolkit.records import Evidence, Failure, Outcome, ServiceHealth

DOWN = Evidence(services=(ServiceHealth(variable="DATABASE_URL", address="127.0.0.1:5432", state="refused"),))
UP = Evidence(services=(ServiceHealth(variable="DATABASE_URL", address="127.0.0.1:5432"),))
REFUSED = Failure(
    phase="call", exception="builtins.ConnectionRefusedError", message="[Errno 111] Connection refused"
)
NAMED = Failure(
    phase="setup",
    exception="psycopg.OperationalError",
    message='connection to server at "127.0.0.1", port 5432 failed: Connection refused',
)
LATE = Failure(phase="call", exception="Failed", message="Timeout (>30.0s) from pytest-timeout.")
WRONG = Failure(phase="call", exception="builtins.AssertionError", message="assert 500 == 200")
MISTAKE = Failure(
    phase="call", exception="builtins.AttributeError", message="'NoneType' object has no attribute 'x'"
)


def test_a_refused_connection_is_confirmed_by_the_dead_server() -> None:
    alone, beside = classify([REFUSED]), classify([REFUSED], evidence=DOWN)
    assert beside.cause.confidence == 0.99 >= alone.cause.confidence
    assert "DATABASE_URL: 127.0.0.1:5432: refused" in beside.cause.evidence
    assert classify([REFUSED], evidence=UP) == alone


def test_another_server_being_down_confirms_nothing() -> None:
    other = Evidence(
        services=(ServiceHealth(variable="REDIS_URL", address="127.0.0.1:6379", state="refused"),)
    )
    found = classify([NAMED], evidence=other)
    assert "REDIS_URL" not in found.cause.evidence
    assert found.cause.confidence == classify([NAMED]).cause.confidence


def test_a_time_out_beside_a_dead_server_is_the_server() -> None:
    assert classify([LATE]).category == "timeout"
    found = classify([LATE], evidence=DOWN)
    assert (found.category, found.cause.rule) == ("connectivity", "server-not-there")
    assert found.causes[1].category == "timeout"


@pytest.mark.parametrize("failure", [WRONG, MISTAKE], ids=["check", "mistake"])
def test_what_the_code_did_wrong_stays_first(failure: Failure) -> None:
    """A dead server that nobody talked to is at most the second explanation."""
    found = classify([failure], evidence=DOWN)
    assert found.category == classify([failure]).category
    assert "server-not-there" in {cause.rule for cause in found.causes[1:]}


def test_memory_disk_and_load_are_told_when_they_are_short() -> None:
    short = Evidence(memory=1 << 20, memory_total=1 << 30, disk=1 << 20, scratch=1 << 20, load=40.0, cores=4)
    rules = {cause.rule for cause in classify([LATE], evidence=short).causes}
    assert rules >= {"memory-short", "disk-short"}
    late = classify([LATE], evidence=Evidence(load=40.0, cores=4))
    assert late.category == "timeout"
    assert "40 processes" in late.cause.evidence
    fine = Evidence(memory=1 << 29, memory_total=1 << 30, disk=1 << 30, load=1.0, cores=4)
    assert classify([LATE], evidence=fine) == classify([LATE])


def test_five_hundred_tests_of_one_dead_database_are_one_group_one_cause_and_an_outage() -> None:
    """However different the texts are: refused, not connected, timed out."""
    failures = (REFUSED, NAMED, LATE)
    cases = [((failures[number % 3],), Outcome.FAILED) for number in range(500)]
    found = classify_all(cases, [DOWN] * 500)
    assert len({diagnosis.group for diagnosis in found}) == 1
    assert {str(diagnosis.category) for diagnosis in found} == {"connectivity"}
    failed = [(f"test_{number}", 1000.0 + number / 10) for number in range(500)]
    assert len(outage_of(failed, found)) == 500


def test_evidence_of_some_only_is_no_error() -> None:
    found = classify_all([((REFUSED,), Outcome.FAILED)] * 3, [None, DOWN])
    assert [round(one.cause.confidence, 2) >= 0.9 for one in found] == [True] * 3
