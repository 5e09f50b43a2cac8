"""Who owns a database, recorded in the server itself: a comment, and a name that proves its maker.

The comment says all there is to say. Between ``CREATE DATABASE`` and ``COMMENT`` a process can be killed, so
the name of everything that may be dropped on its own carries the number of its owner and a check sum: a
database without a comment is ours only when both fit. Nothing is ever matched by prefix or pattern alone.
"""

import re
import zlib
from typing import Literal

import msgspec

MarkKind = Literal["clone", "build", "template", "shard", "kept", "named"]

VERSION = 1

_NAME = re.compile(r"tk_(clone|build)_([0-9a-f]{16})_([0-9a-f]{4})_[0-9]+")


class Mark(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the comment of a database says.

    Attributes:
        toolkit: version of this format; a higher one is never touched.
        kind: clone and build die with their owner; the others stay until they are dropped.
        owner: number of the advisory lock that the owner holds while it lives; 0: nobody's.
        by: the owner in words, for people.
        made: Unix seconds.
        key: fingerprint of the schema.
        test: the test whose database was kept.
    """

    toolkit: int
    kind: MarkKind
    owner: int = 0
    by: str = ""
    made: float = 0.0
    key: str = ""
    test: str = ""


def mark_text(mark: Mark) -> str:
    """Return the comment."""
    return msgspec.json.encode(mark).decode()


def read_mark(comment: str | None) -> Mark | None:
    """Return what a comment says; None when it is not a mark of this toolkit, or one of a newer version."""
    if not comment or not comment.startswith("{"):
        return None
    try:
        mark = msgspec.json.decode(comment, type=Mark)
    except msgspec.MsgspecError:
        return None
    return mark if mark.toolkit == VERSION else None


def owned_name(kind: Literal["clone", "build"], owner: int, number: int) -> str:
    """Return the name of a database that dies with its owner."""
    text = f"{owner:016x}"
    return f"tk_{kind}_{text}_{_check(kind, text)}_{number}"


def owner_in_name(name: str) -> int | None:
    """Return the owner's number that a name proves; None when it proves nothing."""
    match = _NAME.fullmatch(name)
    if match is None or match[3] != _check(match[1], match[2]):
        return None
    return int(match[2], 16)


def _check(kind: str, text: str) -> str:
    return f"{zlib.crc32(f'nox-invoke-toolkit {kind} {text}'.encode()) & 0xFFFF:04x}"
