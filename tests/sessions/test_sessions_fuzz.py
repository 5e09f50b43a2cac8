"""What the session fuzz asks schemathesis to do."""

from pathlib import Path

import pytest

from toolkit.sessions.fuzz import CHECKS, fuzz_command

REPORT = Path("reports/fuzz/junit.xml")


@pytest.mark.parametrize(
    ("arguments", "location", "options"),
    [
        ([], "http://x/openapi.json", ["--checks", CHECKS]),
        (["--max-examples", "5"], "http://x/openapi.json", ["--max-examples", "5", "--checks", CHECKS]),
        (["/v2/api.json", "-c", "all"], "http://x/v2/api.json", ["-c", "all"]),
    ],
)
def test_the_command_has_the_document_the_report_and_the_options(
    arguments: list[str], location: str, options: list[str]
) -> None:
    """The path of the document comes first, and what is asked for takes the place of our checks."""
    command = fuzz_command("http://x/", arguments, REPORT)
    assert command[:3] == ["schemathesis", "run", location]
    assert command[3:7] == ["--report", "junit", "--report-junit-path", str(REPORT)]
    assert command[7:] == options
