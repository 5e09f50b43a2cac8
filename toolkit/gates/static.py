"""The static gate: sessions such as ``lint`` and ``typecheck`` passed, on this very code."""

import msgspec

from toolkit.gates.verdicts import Absent, Check, Finding, Status, absent_check

TOOLS = "tools.json"
"""In the folder of a session's reports."""


class Ran(msgspec.Struct, frozen=True, kw_only=True):
    """``tools.json``: what a session ran.

    Attributes:
        session: its name.
        head: the commit.
        state: what differed from it, see :mod:`toolkit.gates.identity`.
        exit_codes: tool → exit code.
    """

    session: str
    head: str = ""
    state: str = ""
    exit_codes: dict[str, int]


def judge_session(session: str, found: Ran | Absent) -> Check:
    """Judge one session: every tool ended with 0."""
    name = f"static.{session}"
    if isinstance(found, Absent):
        return absent_check(name, found)
    failed = [tool for tool, code in found.exit_codes.items() if code]
    return Check(
        id=name,
        status=Status.FAILED if failed else Status.PASSED,
        message=f"{len(failed)} of {len(found.exit_codes)} tools found something: {', '.join(failed)}"
        if failed
        else f"content: {', '.join(found.exit_codes)}",
        measured=len(failed),
        threshold=0,
        comparison="at most",
        unit="tools",
        source=f"{session}/{TOOLS}",
        remedy=f"mend what nox -s {session} shows" if failed else "",
        findings=tuple(
            Finding(
                tool=tool, rule=name, severity="medium", where=tool,
                message=f"{tool} ended with exit code {found.exit_codes[tool]}",
            )
            for tool in failed
        ),
    )  # fmt: skip
