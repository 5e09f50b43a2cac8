"""Which failures have one cause: 500 tests that miss the same database are one group.

Failures of the surroundings are grouped by what is missing (server, file, variable, module), wherever a test
ran into it. Failures of the code are grouped by signature.
"""

import re
from collections import defaultdict
from collections.abc import Sequence

from toolkit.analysis.causes import Cause
from toolkit.analysis.raised import Raised
from toolkit.analysis.rules import Category
from toolkit.analysis.signatures import Signature, digest, masked

_LOCAL = re.compile(r"^(?:localhost|127\.\d+\.\d+\.\d+|::1|0\.0\.0\.0|\[::1?\])$")
_ENDPOINTS = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"server at \"(?P<host>[^\"]+)\"(?: \([^)]*\))?, port (?P<port>\d+)",
        r"host=['\"]?(?P<host>[\w.:-]+?)['\"]?, port=(?P<port>\d+)",
        r"\(['\"](?P<host>[\w.:-]+)['\"], (?P<port>\d+)",
        r"(?P<host>\[[0-9a-f:]+\]|\b[\w-]+(?:\.[\w-]+)*|::1):(?P<port>\d{2,5})\b(?!:\d|\.py)",
        r"\bto (?P<host>[\w.-]+) port (?P<port>\d+)",
        r"port (?P<port>\d+)",
    )
)
_ADDRESS = re.compile(r"(?:\[[0-9a-f:]+\]|[\w.-]+):\d{1,5}")
_SERVED = frozenset({Category.CONNECTIVITY, Category.TIMEOUT})


def endpoint_of(chain: Sequence[Raised]) -> str:
    """Return ``host:port`` of the server that the exceptions speak of; "" when they name none."""
    for pattern in _ENDPOINTS:
        for raised in chain:
            match = pattern.search(raised.message[:2_000])
            if match and int(match["port"]) < 65_536:  # noqa: PLR2004 - the last port
                host = match.groupdict().get("host") or "localhost"
                return f"{'localhost' if _LOCAL.match(host) else host.lower()}:{match['port']}"
    return ""


def family_of(chain: Sequence[Raised]) -> str:
    """Return the library that talks to the server, such as ``psycopg``; "" for Python's own exceptions."""
    packages = (raised.exception.partition(".")[0] for raised in reversed(chain) if "." in raised.exception)
    wrappers = {"sqlalchemy", "django", "builtins", "socket"}
    return next((package for package in packages if package not in wrappers), "")


class Grouped:
    """What of one failure decides about its group."""

    __slots__ = ("cause", "endpoint", "family", "key")

    def __init__(self, cause: Cause, signature: Signature, chain: Sequence[Raised]) -> None:
        served = cause.category in _SERVED and cause.shared
        self.cause = cause
        self.endpoint = (endpoint_of(chain) or _address_in(cause)) if served else ""
        self.family = family_of(chain) if served else ""
        self.key = _key(cause, signature, self.endpoint)


def _address_in(cause: Cause) -> str:
    """Return the server that the evidence of the moment names: see :mod:`toolkit.analysis.circumstances`."""
    return cause.what if _ADDRESS.fullmatch(cause.what) else ""


def _key(cause: Cause, signature: Signature, endpoint: str) -> tuple[str, ...]:
    category = cause.category
    if endpoint:
        return (category, endpoint)
    if not cause.shared:
        return (category, signature.key)
    if cause.what:
        return (category, cause.rule.removesuffix("-told").removesuffix("-type"), cause.what)
    if category in {Category.RESOURCE, Category.CRASH, Category.CONCURRENCY}:
        return (category, cause.cause)
    return (category, cause.cause, masked(cause.evidence))


def group_keys(members: Sequence[Grouped]) -> list[str]:
    """Return one key per failure; those with the same key have one cause.

    A lost connection that names no server belongs to the only server that the same library could not reach.
    """
    servers: dict[str, set[str]] = defaultdict(set)
    for member in members:
        if member.endpoint and member.family and member.cause.category is Category.CONNECTIVITY:
            servers[member.family].add(member.endpoint)
    return [digest(_joined(member, servers)) for member in members]


def _joined(member: Grouped, servers: dict[str, set[str]]) -> tuple[str, ...]:
    known = servers.get(member.family, set())
    if member.cause.category is Category.CONNECTIVITY and not member.endpoint and len(known) == 1:
        return (Category.CONNECTIVITY, *known)
    return member.key
