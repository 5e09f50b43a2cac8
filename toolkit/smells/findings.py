"""What the check of one file, and of many, comes to."""

import msgspec

from toolkit.config.smells import Severity


class Finding(msgspec.Struct, frozen=True, kw_only=True, order=True):
    """One smell at one place. Lines and columns count from 1."""

    path: str
    """Relative to the project root, with ``/``; absolute outside of it."""
    line: int
    column: int
    rule: str
    name: str
    severity: Severity = "warning"
    test: str = ""
    """The function: ``test_x`` or ``TestClass::test_x``."""
    message: str
    mend: str = ""


class Unreadable(msgspec.Struct, frozen=True, kw_only=True, order=True):
    """A file that is no Python that this interpreter understands."""

    path: str
    why: str


class Checked(msgspec.Struct, frozen=True, kw_only=True):
    """What was found in some files."""

    findings: tuple[Finding, ...] = ()
    unreadable: tuple[Unreadable, ...] = ()
    files: int = 0
    lines: int = 0
    tests: int = 0
    silenced: int = 0
    """Findings that a comment silences."""

    @property
    def failing(self) -> int:
        """How many findings fail the check: all but notes."""
        return sum(finding.severity != "note" for finding in self.findings)


def joined(parts: "list[Checked]") -> Checked:
    """Put what was found in several files together, in the order of paths and lines."""
    return Checked(
        findings=tuple(sorted(finding for part in parts for finding in part.findings)),
        unreadable=tuple(sorted(bad for part in parts for bad in part.unreadable)),
        files=sum(part.files for part in parts),
        lines=sum(part.lines for part in parts),
        tests=sum(part.tests for part in parts),
        silenced=sum(part.silenced for part in parts),
    )
