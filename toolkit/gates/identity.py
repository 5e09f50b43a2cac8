"""Which code a report is of: a commit, and what differs from it in source, tests and settings."""

import hashlib

from toolkit.config import Config
from toolkit.errors import ChangesUnknown
from toolkit.gates.globs import matches_path
from toolkit.impact.changes import base_of, old_contents

SETTINGS = (
    "*.toml",
    "*.cfg",
    "*.ini",
    "*.lock",
    "*requirements*.txt",
    "*constraints*.txt",
    "noxfile.py",
    "setup.py",
)
"""Files of the root that decide what tools check, and with which packages."""


def code_identity(config: Config) -> tuple[str, str]:
    """Return commit and fingerprint of the code on disk; both are empty where there is no git."""
    try:
        return base_of(config.root, "HEAD..HEAD"), code_state(config)
    except ChangesUnknown:
        return "", ""


def is_changed(config: Config) -> bool:
    """Tell whether a file of the code that the commit has differs on disk; False without git."""
    mine = _mine(config)
    try:
        old = old_contents(config.root, "HEAD..HEAD")
    except ChangesUnknown:
        return False
    return any(
        content is not None and any(matches_path(path, folder) for folder in mine)
        for path, content in old.items()
    )


def _mine(config: Config) -> list[str]:
    return [*config.source, *config.tests, *SETTINGS]


def code_state(config: Config) -> str:
    """Return a fingerprint of what of a project's code differs from the commit; empty when nothing does."""
    mine = _mine(config)
    changed = sorted(
        path
        for path in old_contents(config.root, "HEAD..HEAD")
        if any(matches_path(path, folder) for folder in mine)
    )
    if not changed:
        return ""
    digest = hashlib.sha256()
    for path in changed:
        file = config.root / path
        digest.update(path.encode("utf-8", "surrogateescape") + b"\0")
        digest.update(hashlib.sha256(file.read_bytes()).digest() if file.is_file() else b"gone")
    return digest.hexdigest()[:16]
