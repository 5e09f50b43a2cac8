"""What was raised: the exception of a failure and the ones behind it, read from the printed traceback.

Understood are pytest's styles (``long``, ``short``, ``native``, ``line``), Python's own tracebacks with their
two connecting sentences, exception groups, and Java's and Node's ``Caused by`` and ``[cause]``.
"""

import re
from collections.abc import Iterator
from typing import Literal

import msgspec

from toolkit.records import Failure

Link = Literal["final", "cause", "context"]

MESSAGE_LIMIT = 6_000
"""Characters of a message that are looked at: the first two thirds and the last third."""


class Raised(msgspec.Struct, frozen=True, kw_only=True):
    """One exception of a chain."""

    exception: str  # as printed: "psycopg.OperationalError", "java.net.ConnectException", "" when unknown
    message: str
    around: str = ""  # the part of the traceback that it ends
    link: Link = "final"  # "cause": raised from it on purpose; "context": it was being handled

    @property
    def short(self) -> str:
        """The type without its module."""
        return re.split(r"[.$:\\]", self.exception.rstrip(".:"))[-1]

    @property
    def line(self) -> str:
        """Type and first line of the message, as a person would quote it."""
        first = self.message.strip().partition("\n")[0]
        return ": ".join(filter(None, (self.exception, first)))[:300]


def chain_of(failure: Failure) -> tuple[Raised, ...]:
    """Return what was raised, the one that the runner saw first, then what it came from, to the root."""
    text = failure.traceback
    blocks = list(_blocks(text))
    chain = [raised for block in blocks if (raised := _of_block(*block)) is not None]
    final = _final(failure, chain)
    behind = [raised for raised in chain if raised is not final and not _same(raised, final)]
    found = [final, *behind, *_named_causes(text), *_members(text), *_nested(final)]
    return tuple(_unique(found))


_CONNECTORS = (
    ("The above exception was the direct cause of the following exception:", "cause"),
    ("During handling of the above exception, another exception occurred:", "context"),
)
_CONNECTOR = re.compile("|".join(rf"^[ |]*{re.escape(words)}$" for words, _ in _CONNECTORS), re.MULTILINE)


def _blocks(text: str) -> Iterator[tuple[str, Link]]:
    """Split at the connecting sentences; the final part first. A part is linked by the sentence after it."""
    ends = list(_CONNECTOR.finditer(text))
    starts = [0, *(match.end() for match in ends)]
    stops = [*(match.start() for match in ends), len(text)]
    links: list[Link] = [
        *("cause" if "direct cause" in match[0] else "context" for match in ends),
        "final",
    ]
    for start, stop, link in reversed(list(zip(starts, stops, links, strict=True))):
        yield text[start:stop], link


_TYPE = r"(?:(?:[A-Za-z_][\w$]*|<locals>)(?:\.|::|\\))*_?[A-Z][\w$]*"
_RAISED = re.compile(rf"({_TYPE})(?:(?: \[\w+\])?\s?:(?:[ \n](.*))?|\Z)", re.DOTALL)
_PYTHON_LOW = re.compile(
    r"((?:struct|zlib|select|binascii|socket|csv|re|sre_constants)\.\w+): (.*)", re.DOTALL
)
_MARK = re.compile(r"^E(?=  )", re.MULTILINE)
_MARKED = re.compile(r"^E(?: {2,}(.*)|)$", re.MULTILINE)
_OWN_TRACEBACK = re.compile(
    r"^Traceback \(most recent call last\):\n(?:[ \t].*\n|\n)*(\S[\s\S]*)", re.MULTILINE
)
_PLACED = re.compile(rf"^\S+?:\d+: ({_TYPE}: .*)\Z", re.DOTALL)


def _of_block(text: str, link: Link) -> Raised | None:
    marked = [match[1] or "" for match in _MARKED.finditer(text)]
    said = _dedented(marked) if marked else _own(text)
    if not said:
        return None
    lines = said.split("\n")
    for number, line in enumerate(lines):
        if split := split_type(line):
            message = "\n".join([split[1], *lines[number + 1 :]])
            return Raised(exception=split[0], message=_bounded(message), around=text, link=link)
        if line.startswith("assert "):
            return Raised(exception="AssertionError", message=_bounded(said), around=text, link=link)
    return Raised(exception="", message=_bounded(said), around=text, link=link)


def _dedented(lines: list[str]) -> str:
    margin = min((len(line) - len(line.lstrip()) for line in lines if line.strip()), default=0)
    return "\n".join(line[margin:] for line in lines).strip("\n")


def _own(text: str) -> str:
    match = _OWN_TRACEBACK.search(text) or _PLACED.match(text.strip())
    return match[1].rstrip() if match else ""


def split_type(line: str) -> tuple[str, str] | None:
    """Split ``Type: message``; None when the text does not begin with the name of a type."""
    match = _RAISED.match(line) or _PYTHON_LOW.match(line)
    return (match[1], match[2] or "") if match else None


_SAYS_NOTHING = frozenset({"", "Failed", "failed", "FAILED", "Error", "error", "collection failure"})


def _final(failure: Failure, chain: list[Raised]) -> Raised:
    """Join what the record says with what the traceback says; the record is right about the type."""
    message = failure.message
    printed = next((raised for raised in chain if raised.link == "final"), None)
    split = None if message.strip() in _SAYS_NOTHING else split_type(message.lstrip())
    told = failure.exception or (split[0] if split else "")
    if split and split[0].rpartition(".")[2] == told.rpartition(".")[2]:
        message = split[1]
    if printed and (not told or printed.exception.endswith(told.rpartition(".")[2])):
        longer = len(message) > len(printed.message) and message.strip() not in _SAYS_NOTHING
        fuller = message if longer else printed.message
        if longer and not told and printed.message not in message:  # cut short before what matters
            fuller = f"{printed.message}\n{message}"
        return Raised(exception=printed.exception or told, message=_bounded(fuller), around=printed.around)
    whole = message if told else _MARK.sub("", f"{message}\n{failure.traceback}")
    if told and (not message or message.strip() in {*_SAYS_NOTHING, told}):
        whole = failure.traceback
    own = split_type(whole.lstrip()) if not told else None
    if own:
        told, whole = own
    return Raised(exception=told, message=_bounded(whole), around=failure.traceback)


def _same(one: Raised, other: Raised) -> bool:
    return one.link == "final" or (one.short == other.short and one.message.strip() == other.message.strip())


_CAUSED = re.compile(rf"^[ \t]*(?:Caused by:|\[cause\]:|Suppressed:) ({_TYPE})(?:: (.*))?", re.MULTILINE)


def _named_causes(text: str) -> Iterator[Raised]:
    for match in _CAUSED.finditer(text):
        yield Raised(exception=match[1], message=_bounded(match[2] or ""), around=match[0], link="cause")


_MEMBER = re.compile(rf"^[ |]+\| ({_TYPE})(?:: (.*))?$", re.MULTILINE)


def _members(text: str) -> Iterator[Raised]:
    """Yield the exceptions inside an exception group."""
    if "Exception Group Traceback" not in text:
        return
    for match in _MEMBER.finditer(text):
        if not match[1].endswith("ExceptionGroup"):
            yield Raised(exception=match[1], message=_bounded(match[2] or ""), around=match[0], link="cause")


def _nested(final: Raised) -> Iterator[Raised]:
    """Yield what a traceback inside a message tells: an exception of a thread or of another process."""
    own = _own(final.message)
    if own and (split := split_type(own)):
        yield Raised(exception=split[0], message=_bounded(split[1]), around=final.message, link="cause")


def _unique(found: list[Raised]) -> Iterator[Raised]:
    seen: set[tuple[str, str]] = set()
    for raised in found:
        key = (raised.short, raised.message)
        if key not in seen and raised.short != "_RemoteTraceback":
            seen.add(key)
            yield raised


def _bounded(text: str) -> str:
    if len(text) <= MESSAGE_LIMIT:
        return text
    third = MESSAGE_LIMIT // 3
    return f"{text[: 2 * third]}\n…\n{text[-third:]}"
