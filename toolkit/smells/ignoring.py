"""``# toolkit: ignore[TS102] why``: comments that silence a rule on a line, in a test, or in a file."""

import io
import re
import tokenize
from collections.abc import Iterator, Sequence

import msgspec

MARK = re.compile(r"#\s*toolkit:\s*(?P<what>ignore|ignore-file)\[(?P<ids>[^\]]*)\]")


class Ignore(msgspec.Struct, kw_only=True, eq=False):
    """One id in one comment."""

    rule: str
    line: int
    column: int
    whole_file: bool
    used: bool = False


def find_ignores(source: str) -> list[Ignore]:
    """Return the silenced rules of a file; what looks like such a comment in a string is none."""
    if "toolkit:" not in source or MARK.search(source) is None:
        return []
    found: list[Ignore] = []
    for line, column, text in _comments(source):
        for mark in MARK.finditer(text):
            whole = mark["what"] == "ignore-file"
            ids = re.split(r"[,\s]+", mark["ids"].strip())
            found += [Ignore(rule=rule, line=line, column=column + 1, whole_file=whole) for rule in ids]
    return found


def _comments(source: str) -> Iterator[tuple[int, int, str]]:
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield *token.start, token.string


def silences(ignores: Sequence[Ignore], rule: str, lines: Sequence[range]) -> bool:
    """Tell whether a rule is silenced on one of these lines, and remember that the comment is of use."""
    silenced = False
    for ignore in ignores:
        if ignore.rule == rule and (ignore.whole_file or any(ignore.line in part for part in lines)):
            ignore.used = silenced = True
    return silenced
