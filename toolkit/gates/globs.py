"""Globs of paths and names, as people write them in the configuration."""

import re
from functools import lru_cache


def matches_path(path: str, glob: str) -> bool:
    """Tell whether a path relative to the project matches a glob.

    ``*`` and ``?`` stay within a folder, ``**`` spans folders; a folder stands for all that is in it.
    """
    return _path_pattern(glob).fullmatch(path.replace("\\", "/")) is not None


def matches_name(name: str, glob: str) -> bool:
    """Tell whether a name matches; only ``*`` is special, since names of tests have brackets."""
    return _name_pattern(glob).fullmatch(name) is not None


@lru_cache(maxsize=256)
def _path_pattern(glob: str) -> re.Pattern[str]:
    glob = glob.replace("\\", "/").removeprefix("./").rstrip("/")
    pieces = re.split(r"(\*\*/|\*\*|\*|\?)", glob)
    meant = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    return re.compile("".join(meant.get(piece, re.escape(piece)) for piece in pieces) + "(?:/.*)?", re.DOTALL)


@lru_cache(maxsize=256)
def _name_pattern(glob: str) -> re.Pattern[str]:
    return re.compile(".*".join(map(re.escape, glob.split("*"))), re.DOTALL)
