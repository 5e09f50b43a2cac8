"""Who owns a file: the CODEOWNERS file of GitHub and GitLab.

The last line that matches wins. Patterns are those of gitignore without ``!`` and character classes
(GitHub documentation, "About code owners").
"""

import re
from collections.abc import Callable, Iterable
from functools import cache

PLACES = ("CODEOWNERS", ".github/CODEOWNERS", ".gitlab/CODEOWNERS", "docs/CODEOWNERS")
"""Where the file is looked for, relative to the project root."""


def owners(text: str) -> Callable[[str], str]:
    """Return a function: path relative to the project root → its owners with spaces between, or ""."""
    rules = list(_rules(text.splitlines()))[::-1]

    @cache
    def owner(path: str) -> str:
        return next((names for pattern, names in rules if pattern.match(path)), "")

    return owner


def _rules(lines: Iterable[str]) -> Iterable[tuple[re.Pattern[str], str]]:
    for line in lines:
        words = line.partition("#")[0].split()
        if words and not words[0].startswith(("[", "^[", "!")):  # sections of GitLab
            yield re.compile(_expression(words[0])), " ".join(words[1:])


def _expression(pattern: str) -> str:
    anchored = "/" in pattern.rstrip("/")
    parts = re.split(r"(\*\*/?|\*|\?)", pattern.strip("/"))
    body = "".join(_PIECES.get(part, re.escape(part)) for part in parts)
    # A folder owns everything in it; `docs/*` only what is directly there.
    end = "(?:/.*)?$" if not pattern.endswith("/*") else "$"
    end = "/.*$" if pattern.endswith("/") else end
    return f"^{'' if anchored else '(?:.*/)?'}{body}{end}"


_PIECES = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
