"""The table of remedies: when each helps, what is to be done, whether it can be done here and now.

A condition looks at one trouble and returns what the remedy would be done to (a service, a port, a module);
None: it does not fit. The table says nothing of how: see :mod:`toolkit.remediation.acting`.
"""

import re
from collections.abc import Callable, Iterable, Mapping

import msgspec

from toolkit.analysis.groups import endpoint_of
from toolkit.analysis.raised import Raised
from toolkit.analysis.rules import Category
from toolkit.remediation.troubles import Trouble, local

Condition = Callable[[Trouble], str | None]


class Remedy(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the table."""

    name: str
    what: str  # one line
    steps: tuple[str, ...]
    automatic: bool
    verified: str  # how one knows that it helped
    fits: Condition


class Suggestion(msgspec.Struct, frozen=True, kw_only=True):
    """A remedy for one trouble."""

    remedy: str
    what: str
    target: str  # what it would be done to; "" for no single thing
    steps: tuple[str, ...]
    automatic: bool
    verified: str
    score: float  # 0 to 1: how sure the cause is, times how often the remedy has helped
    group: str
    cause: str
    count: int  # failures with this cause


def suggestions(troubles: Iterable[Trouble], helped: Mapping[str, tuple[int, int]]) -> tuple[Suggestion, ...]:
    """Return what could be done, best first; the same thing is not suggested twice.

    Args:
        troubles: failures by cause.
        helped: remedy → how often it was tried here, and how often it helped. A remedy that was never tried
            counts as one that helped in two of three cases (rule of succession, with a prior that trusts).
    """
    found: dict[tuple[str, str], Suggestion] = {}
    for trouble in troubles:
        for remedy in TABLE:
            target = remedy.fits(trouble)
            if target is not None:
                made = _suggestion(remedy, trouble, target, helped.get(remedy.name, (0, 0)))
                earlier = found.get((remedy.name, target))
                if earlier is None or made.score > earlier.score:
                    found[remedy.name, target] = made
    return tuple(sorted(found.values(), key=lambda one: (not one.automatic, -one.score, one.remedy)))


def _suggestion(remedy: Remedy, trouble: Trouble, target: str, record: tuple[int, int]) -> Suggestion:
    tried, helped = record
    return Suggestion(
        remedy=remedy.name,
        what=remedy.what,
        target=target,
        steps=tuple(step.format(target=target) for step in remedy.steps),
        automatic=remedy.automatic,
        verified=remedy.verified,
        score=round(trouble.confidence * (helped + 2) / (tried + 3), 3),
        group=trouble.group,
        cause=trouble.cause,
        count=trouble.count,
    )


def _server(trouble: Trouble) -> str | None:
    """Return the server that cannot be reached: the one that the texts name, else the one that was down."""
    if trouble.category is not Category.CONNECTIVITY:
        return None
    named = endpoint_of([Raised(exception="", message=trouble.text)])
    if named:
        return local(named)
    return trouble.servers[0] if len(trouble.servers) == 1 else None


def _said(pattern: str, *categories: Category) -> Condition:
    """Make a condition: the texts match; the target is the group ``what``, if there is one."""
    wanted = re.compile(pattern, re.IGNORECASE)

    def fits(trouble: Trouble) -> str | None:
        match = wanted.search(trouble.text) if not categories or trouble.category in categories else None
        return None if match is None else (match.groupdict().get("what") or "").strip("\"' ")

    return fits


def _of(*categories: Category) -> Condition:
    return lambda trouble: "" if trouble.category in categories else None


def _missing_module(trouble: Trouble) -> str | None:
    if trouble.category is not Category.IMPORT_ERROR:
        return None
    match = re.search(r"no module named ['\"]?(?P<what>[\w.]+)", trouble.text, re.IGNORECASE)
    return match["what"].partition(".")[0] if match else None


def _taken_port(trouble: Trouble) -> str | None:
    taken = r"address (?:is )?already in use|EADDRINUSE|only one usage of each socket address|errno 98"
    if not re.search(taken, trouble.text, re.IGNORECASE):
        return None
    match = re.search(r"(?:port|:|, ?)\D{0,3}(?P<port>\d{4,5})\b", trouble.text)
    return match["port"] if match else None


def _lonely_check(trouble: Trouble) -> str | None:
    return "" if trouble.category in {Category.ASSERTION, Category.CODE_ERROR} else None


TABLE: tuple[Remedy, ...] = (
    Remedy(
        name="restart-service",
        what="restart the server under the same address",
        steps=("invoke services.status", "restart the service that has {target}", "ask it a real query"),
        automatic=True,
        verified="the server answers a query",
        fits=_server,
    ),
    Remedy(
        name="recreate-database",
        what="create the database again from its template",
        steps=("see that {target} is still missing", "create it from the template", "connect to it"),
        automatic=True,
        verified="one can connect to the database",
        fits=_said(
            r"database [\"'](?P<what>[^\"']+)[\"'] does not exist",
            Category.ENV_PERMISSION,
            Category.CONNECTIVITY,
        ),
    ),
    Remedy(
        name="rebuild-template",
        what="build the template of the schema anew",
        steps=("build the template of the present migrations", "new clones are made of it"),
        automatic=True,
        verified="the server has the template of the present migrations",
        fits=_said(
            r"(?:relation|table|column) [\"']?[\w.]+[\"']? (?:of relation \S+ )?does not exist"
            r"|no such (?:table|column)|UndefinedTable|UndefinedColumn"
        ),
    ),
    Remedy(
        name="clear-cache",
        what="empty the cache databases that dead workers left",
        steps=("find the logical databases that dead workers had claimed", "empty them"),
        automatic=True,
        verified="no dead worker holds a database",
        fits=_said(r"OOM command not allowed|WRONGTYPE|every logical database of the Redis server is in use"),
    ),
    Remedy(
        name="free-port",
        what="end our own orphan that holds the port",
        steps=("find who listens on {target}", "end it if its owner is dead", "bind the port"),
        automatic=True,
        verified="the port can be bound",
        fits=_taken_port,
    ),
    Remedy(
        name="rebuild-environment",
        what="build the environment of the session anew",
        steps=("nox --install-only of the session", "import {target} in it"),
        automatic=True,
        verified="the module can be imported in the environment",
        fits=_missing_module,
    ),
    Remedy(
        name="sweep-disk",
        what="remove what dead runs left on the disk",
        steps=("invoke services.sweep", "look how much is free"),
        automatic=True,
        verified="enough room is free",
        fits=_said(r"no space left|ENOSPC|disk (?:is |was )?full|could not extend file|quota exceeded"),
    ),
    Remedy(
        name="fewer-workers",
        what="run with fewer workers, or a lower ceiling",
        steps=("set tool.toolkit.ceiling.memory", "run with -n 1 to see what the test alone needs"),
        automatic=False,
        verified="the run ends without a killed process",
        fits=_said(r"memory|killed|SIGKILL|worker .* crashed", Category.RESOURCE, Category.CRASH),
    ),
    Remedy(
        name="find-the-hang",
        what="find what the test waits for",
        steps=(
            "run it alone, with its output: pytest NODEID --timeout=60 -s",
            "wait for events, not for time",
        ),
        automatic=False,
        verified="the test ends in time, alone and beside others",
        fits=_of(Category.TIMEOUT),
    ),
    Remedy(
        name="separate-them",
        what="keep tests apart that change the same thing",
        steps=('mark them @pytest.mark.uses("NAME")', "or give each its own database: isolated_db"),
        automatic=False,
        verified="ten runs beside each other are good",
        fits=_of(Category.CONCURRENCY),
    ),
    Remedy(
        name="provide-what-is-missing",
        what="give the tests the file, variable or right that they lack",
        steps=("see the evidence for its name", "declare it in the configuration, not on one machine"),
        automatic=False,
        verified="the test passes on a fresh machine",
        fits=_of(Category.ENV_PERMISSION),
    ),
    Remedy(
        name="mend-the-fixture",
        what="mend the fixture: all tests that use it fail with it",
        steps=("invoke failures.show of one of them", "run the fixture's own test alone"),
        automatic=False,
        verified="the tests pass",
        fits=_of(Category.FIXTURE_SETUP),
    ),
    Remedy(
        name="mend-the-code",
        what="look at what was changed since it was good",
        steps=("invoke failures.explain of one of the tests", "git diff of the commits named there"),
        automatic=False,
        verified="the tests pass",
        fits=_lonely_check,
    ),
)
"""All remedies. Those that can be done at once, without harm to anything that is not ours, are automatic."""
