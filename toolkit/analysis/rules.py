"""One rule of the table that turns what was raised into a cause."""

import re
from enum import StrEnum
from functools import cache

import msgspec

from toolkit.analysis.raised import Raised


class Category(StrEnum):
    """What kind of thing went wrong; every failure has exactly one."""

    ASSERTION = "assertion"  # the code gave a wrong result
    TIMEOUT = "timeout"
    CONNECTIVITY = "connectivity"  # refused, reset, DNS, TLS, server gone
    IMPORT_ERROR = "import_error"
    FIXTURE_SETUP = "fixture_setup"  # fixture missing or broken
    DATA = "data"  # malformed, undecodable or constraint-violating data
    RESOURCE = "resource"  # memory, disk, descriptors, recursion
    ENV_PERMISSION = "env_permission"  # missing file, variable or right
    CONCURRENCY = "concurrency"  # deadlock, lock, serialization, race
    CRASH = "crash"  # process or worker died
    CODE_ERROR = "code_error"  # any other exception in code


ENVIRONMENTAL = frozenset(
    {
        Category.TIMEOUT,
        Category.CONNECTIVITY,
        Category.RESOURCE,
        Category.ENV_PERMISSION,
        Category.CONCURRENCY,
        Category.CRASH,
    }
)
"""Categories that speak of the surroundings of the code rather than of the code."""


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """A rule holds when all of its patterns do. The group ``what`` of a pattern names the thing at fault.

    Patterns ignore case, except those of exception types.
    """

    name: str
    category: Category
    cause: str  # what a person is told
    weight: float  # how often it is right where it holds, 0 to 1
    exceptions: str = ""  # the type without its module must match as a whole; "": any that says little
    message: str = ""  # must be found in the message
    around: str = ""  # must be found in the part of the traceback
    shared: bool = False  # one cause for all tests that it befalls, wherever they ran into it


MISTAKES = frozenset(
    {
        "TypeError", "AttributeError", "NameError", "UnboundLocalError", "IndexError", "KeyError",
        "ZeroDivisionError", "NotImplementedError", "NullPointerException", "ReferenceError",
        "IndexOutOfBoundsException", "ClassCastException", "NullReferenceException",
    }
)  # fmt: skip
"""Types that say all: words in their message prove nothing."""

ASSERTIONS = (
    r"AssertionError|Failed|AssertionFailedError|ComparisonFailure|AssertionException|MultipleFailuresError|"
    r"JestAssertionError|ExpectationFailedException|ExpectationNotMetError|DocTestFailure|"
    r"(?:Equal|True|False|NotEqual|Null|NotNull|Contains|DoesNotContain|Throws|Single|Same|IsType|Fail|All)"
    r"Exception|AssertFailedException|BareAssertionError|Assertion|AssertionFailure|ExpectationFailed|"
    r"WantedButNotInvoked|\w+ActualInvocations|ArgumentsAreDifferent|NoInteractionsWanted"
)
"""Types with which runners and libraries say that a check did not hold."""


class Found(msgspec.Struct, frozen=True):
    """Where a rule holds: the text that speaks for it, and the thing at fault."""

    evidence: str
    what: str = ""


def is_assertion(raised: Raised) -> bool:
    """Whether a check failed, as opposed to something that went wrong on the way."""
    return _whole(ASSERTIONS).fullmatch(raised.short) is not None


def apply(rule: Rule, raised: Raised) -> Found | None:
    """Return where the rule holds, or None."""
    if rule.exceptions:
        if not _whole(rule.exceptions).fullmatch(raised.short):
            return None
    elif raised.short in MISTAKES or is_assertion(raised):
        return None
    said = _search(rule.message, raised.message)
    near = _search(rule.around, raised.around)
    if (rule.message and not said) or (rule.around and not near):
        return None
    matches = [match for match in (said, near) if match is not None]
    return Found(_evidence(raised, said), next(filter(None, map(_what, matches)), ""))


@cache
def _whole(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)


@cache
def _inside(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE | re.MULTILINE)


def _search(pattern: str, text: str) -> re.Match[str] | None:
    return _inside(pattern).search(text) if pattern else None


def _what(match: re.Match[str]) -> str:
    return (match.groupdict().get("what") or "").strip()[:200]


def _evidence(raised: Raised, said: re.Match[str] | None) -> str:
    """Quote the exception's first line, or the line of its message that holds the match."""
    if said is None or "\n" not in raised.message[: said.end()].strip():
        return raised.line
    start = raised.message.rfind("\n", 0, said.start()) + 1
    stop = raised.message.find("\n", said.start())
    line = raised.message[start : stop if stop > 0 else None].strip()
    return (line or raised.line)[:300]
