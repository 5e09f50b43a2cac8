"""What a failing test says: category and cause of texts as real tools print them."""

import msgspec
import pytest

from tests.analysis.told_failures import GO, MORE, RAISED
from toolkit.analysis.failures import classify, classify_all
from toolkit.analysis.outages import outage_of
from toolkit.records import Failure, Outcome, Phase


def failed(exception: str, message: str, traceback: str = "", phase: Phase = "call") -> Failure:
    return Failure(phase=phase, exception=exception, message=message, traceback=traceback)


@pytest.mark.parametrize(("exception", "message", "category", "word"), RAISED)
def test_what_was_raised_tells_category_and_cause(
    exception: str, message: str, category: str, word: str
) -> None:
    found = classify([failed(exception, message)])
    assert (found.category, word in found.cause.cause) == (category, True), found.causes


PRINTED = [row for row in RAISED if row[0] and not row[0].startswith(("java", "org.junit", "org.opentest4j"))]


@pytest.mark.parametrize(("exception", "message", "category", "word"), PRINTED)
def test_a_traceback_as_pytest_prints_it_tells_the_same(
    exception: str, message: str, category: str, word: str
) -> None:
    """As in a JUnit file of pytest: no type, the message begins with it, the text has lines marked E."""
    name = exception.removeprefix("builtins.")
    lines = f"{name}: {message}".split("\n")
    text = "def test_a():\n>       call()\n\n" + "\n".join(f"E       {line}" for line in lines)
    found = classify([failed("", "\n".join(lines), f"{text}\n\ntest_a.py:2: {name}")])
    assert found.category == category, found.causes


@pytest.mark.parametrize(("exception", "message", "category", "phase"), MORE)
def test_rarer_failures_have_the_right_category(
    exception: str, message: str, category: str, phase: Phase
) -> None:
    found = classify([failed(exception, message, phase=phase)])
    assert found.category == category, found.causes


@pytest.mark.parametrize(("text", "category"), GO)
def test_the_output_of_go_is_understood(text: str, category: str) -> None:
    assert classify([failed("", "Failed", text)]).category == category


EVERY_PHASE: list[Phase] = ["setup", "call"]


@pytest.mark.parametrize("phase", EVERY_PHASE)
def test_a_dead_server_is_connectivity_in_every_phase(phase: Phase) -> None:
    refused = failed("builtins.ConnectionRefusedError", "[Errno 111] Connection refused", phase=phase)
    assert classify([refused]).category == "connectivity"


def test_a_fixture_that_breaks_by_itself_is_blamed() -> None:
    assert classify([failed("builtins.AssertionError", "assert 1 == 2", phase="setup")]).category == (
        "fixture_setup"
    )
    assert classify([failed("builtins.TypeError", "x", phase="teardown")]).category == "fixture_setup"
    assert classify([failed("builtins.AssertionError", "assert 1", phase="teardown")]).category == "assertion"
    assert classify([failed("builtins.NameError", "name 'x'", phase="collect")]).category == "import_error"


CHAIN = """
>   connect()
E   ConnectionRefusedError: [Errno 111] Connection refused

test_a.py:3: ConnectionRefusedError

{sentence}

>   raise
E   {final}

test_a.py:5: {name}
"""
CAUSE = "The above exception was the direct cause of the following exception:"
CONTEXT = "During handling of the above exception, another exception occurred:"


@pytest.mark.parametrize(
    ("sentence", "final", "category"),
    [
        (CAUSE, "RuntimeError: no database", "connectivity"),
        (CONTEXT, "RuntimeError: no database", "connectivity"),
        (CAUSE, "AssertionError: no database", "connectivity"),
        (CONTEXT, "Failed: no database", "connectivity"),
        (CONTEXT, "assert 'x' in 'refused'", "assertion"),
        (CAUSE, "TimeoutError: not ready", "connectivity"),
    ],
)
def test_a_chain_is_read_to_its_root(sentence: str, final: str, category: str) -> None:
    text = CHAIN.format(sentence=sentence, final=final, name=final.partition(":")[0])
    found = classify([failed("", final, text)])
    assert found.category == category, found.causes
    assert not category.startswith("conn") or "Connection refused" in found.cause.evidence


def test_a_variable_of_the_environment_is_told_from_a_key() -> None:
    key = "    def test_a():\n>       table['A']\nE       KeyError: 'A'\n\ntest_a.py:2: KeyError"
    assert classify([failed("", "KeyError: 'A'", key)]).category == "code_error"
    variable = key.replace("table", "os.environ")
    assert classify([failed("", "KeyError: 'A'", variable)]).category == "env_permission"
    json = key.replace("table", "response.json()")
    assert classify([failed("", "KeyError: 'A'", json)]).category == "data"


def test_the_evidence_of_a_file_that_cannot_be_collected_is_its_error() -> None:
    text = "test_a.py:1: in <module>\n    import x\nE   ModuleNotFoundError: No module named 'x'"
    found = classify([failed("", "collection failure", text, phase="collect")])
    assert (found.category, found.cause.evidence) == (
        "import_error",
        "ModuleNotFoundError: No module named 'x'",
    )


def test_setting_a_variable_is_not_missing_one() -> None:
    text = "    os.environ['A'] = '1'\n>       t['B']\nE       KeyError: 'B'\n\ntest_a.py:3: KeyError"
    assert classify([failed("", "KeyError: 'B'", text)]).category == "code_error"


def test_java_causes_and_exception_groups_are_read() -> None:
    java = "x.E: no\n\tat x.A.b(A.java:3)\nCaused by: java.net.ConnectException: Connection refused\n"
    assert classify([failed("x.E", "no", java)]).category == "connectivity"
    group = (
        "  + Exception Group Traceback (most recent call last):\n  | ExceptionGroup: un (1 sub-exception)\n"
        "  +-+---------------- 1 ----------------\n    | Traceback (most recent call last):\n"
        "    | ConnectionResetError: [Errno 104] Connection reset by peer\n    +-----------\n"
    )
    assert classify([failed("builtins.ExceptionGroup", "unhandled (1 sub-exception)", group)]).category == (
        "connectivity"
    )


def test_a_crash_is_a_crash_whatever_was_printed() -> None:
    assert classify([], outcome=Outcome.CRASHED).category == "crash"
    assert classify([]).category == "code_error"


POSTGRES = 'connection failed: connection to server at "{host}", port 5432 failed: Connection refused'


def test_one_dead_database_is_one_group_and_an_outage() -> None:
    """500 tests, three wrappers, two spellings of the host, first a lost and then a refused connection."""
    failures = [
        failed("psycopg.OperationalError", POSTGRES.format(host="127.0.0.1"), phase="setup"),
        failed("psycopg.OperationalError", POSTGRES.format(host="localhost")),
        failed("psycopg.errors.AdminShutdown", "terminating connection due to administrator command"),
        failed("sqlalchemy.exc.OperationalError", "(psycopg.E) " + POSTGRES.format(host="::1")),
    ] * 125
    found = classify_all(([failure], Outcome.FAILED) for failure in failures)
    assert len({diagnosis.group for diagnosis in found}) == 1
    assert {diagnosis.category for diagnosis in found} == {"connectivity"}
    failing = [(f"test_{number}", 100.0 + number) for number in range(500)]
    assert len(outage_of(failing, found)) == 500


def test_different_servers_and_different_faults_are_different_groups() -> None:
    refused = "Error 111 connecting to localhost:{port}. Connection refused."
    failures = [
        failed("redis.exceptions.ConnectionError", refused.format(port=6001)),
        failed("redis.exceptions.ConnectionError", refused.format(port=6002)),
        failed("builtins.ModuleNotFoundError", "No module named 'a'"),
        failed("builtins.ModuleNotFoundError", "No module named 'b'"),
        failed("builtins.AssertionError", "assert 1 == 2", ">       assert a() == 2\nE    assert 1 == 2\n"),
        failed("builtins.AssertionError", "assert 1 == 2", ">       assert b() == 2\nE    assert 1 == 2\n"),
    ]
    found = classify_all(([failure], Outcome.FAILED) for failure in failures)
    assert len({diagnosis.group for diagnosis in found}) == len(failures)


def test_numbers_paths_and_times_do_not_make_another_signature() -> None:
    one = failed("builtins.RuntimeError", "2026-01-02T03:04:05Z order 12 in /tmp/a/b at 0x7f00 of 'x'")
    two = failed("builtins.RuntimeError", "2025-11-12T13:14:15Z order 7 in /var/c/d/e at 0x1a of 'yy'")
    other = failed("builtins.RuntimeError", "2025-11-12T13:14:15Z parcel 7 in /var/c/d/e at 0x1a of 'yy'")
    keys = [classify([failure]).signature.key for failure in (one, two, other)]
    assert keys[0] == keys[1] != keys[2]


def test_wrong_results_and_single_failures_are_no_outage() -> None:
    wrong = failed("builtins.AssertionError", "assert 1 == 2")
    refused = failed("builtins.ConnectionRefusedError", "[Errno 111] Connection refused")
    failures = [wrong] * 50 + [refused] * 2
    found = classify_all(([failure], Outcome.FAILED) for failure in failures)
    assert not outage_of([(f"t{number}", 1.0) for number in range(52)], found)


def test_failures_far_apart_are_no_outage() -> None:
    refused = failed("builtins.ConnectionRefusedError", "[Errno 111] Connection refused")
    found = classify_all([([refused], Outcome.FAILED)] * 4)
    assert not outage_of([(f"t{number}", 1_000.0 * number) for number in range(4)], found)
    assert len(outage_of([(f"t{number}", 100.0 * number) for number in range(4)], found)) == 4


def test_causes_are_ranked_and_quote_the_text() -> None:
    found = classify([failed("sqlite3.OperationalError", "database is locked")])
    confidences = [cause.confidence for cause in found.causes]
    assert confidences == sorted(confidences, reverse=True)
    assert all(0 < confidence < 1 for confidence in confidences)
    assert found.cause.evidence == "sqlite3.OperationalError: database is locked"
    assert msgspec.json.encode(found)
