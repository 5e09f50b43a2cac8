"""What schemathesis 4.32 wrote about a real API, as findings."""

from pathlib import Path

import pytest

from toolkit.errors import InputError
from toolkit.security.fuzzing import CUT, FuzzFinding, read_fuzzed

BOTH = """<?xml version="1.0" encoding="utf-8"?>
<testsuites errors="0" failures="1" skipped="1" tests="3" time="4.065504">
  <testsuite name="schemathesis" hostname="vm" errors="0" failures="1" skipped="1" tests="3" time="4.065504">
    <testcase name="GET /ok" time="2.869235" />
    <testcase name="DELETE /ok" time="0"><skipped type="skipped" message="not selected"/></testcase>
    <testcase name="GET /both" time="4.065504">
      <failure type="failure" message="ST108">1. Test Case ID: wOmbVX

- ST108 Response violates schema

    "text" is not of type "integer"

    Value:

        - "text"

[200] OK:

    `{"n":"text"}`

Reproduce with:

    curl -X GET 'http://127.0.0.1:48715/both?k=0'</failure>
      <failure type="failure" message="ST101">1. Test Case ID: R7zlOH

- ST101 Server error

[500] Internal Server Error:

    `Internal Server Error`

Reproduce with:

    curl -X GET 'http://127.0.0.1:48715/both?k=6167456488'</failure>
    </testcase>
  </testsuite>
</testsuites>
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "junit.xml"
    path.write_text(text, encoding="utf-8")
    return path


def test_every_check_of_an_operation_is_a_finding(tmp_path: Path) -> None:
    """With the command that asks again; what an answer quotes is none; skipped operations were not asked."""
    found = read_fuzzed(written(tmp_path, BOTH))
    assert found.operations == 2
    schema, server = found.findings
    again = "curl -X GET 'http://127.0.0.1:48715/both?k="
    assert schema == FuzzFinding(
        operation="GET /both", check="Response violates schema", code="ST108", again=f"{again}0'"
    )
    assert (server.check, server.code, server.again) == ("Server error", "ST101", f"{again}6167456488'")
    assert (schema.grave, server.grave) == (False, True)


def test_what_another_version_writes_is_a_finding_all_the_same(tmp_path: Path) -> None:
    """Without titles the message counts; long commands are cut; the same check twice is one finding."""
    other = BOTH.replace("- ST108 Response violates schema", "").replace("k=0", "k=" + "0" * 900)
    names = [one.check for one in read_fuzzed(written(tmp_path, other)).findings]
    assert names == ["ST108", "Server error"]
    assert len(read_fuzzed(tmp_path / "junit.xml").findings[0].again) == CUT
    twice = BOTH.replace("- ST108 Response violates schema", "- Server error")
    assert [one.check for one in read_fuzzed(written(tmp_path, twice)).findings] == ["Server error"]


@pytest.mark.parametrize("text", ["", "<testsuites>", "<testsuites/>"])
def test_a_report_about_nothing_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(InputError, match=r"junit\.xml"):
        read_fuzzed(written(tmp_path, text))
