"""Files of a folder that are called by their path without the suffix: ``shop/busy.toml`` is ``shop/busy``."""

from collections.abc import Sequence
from pathlib import Path

from toolkit.config.validation import unknown
from toolkit.errors import UsageError


def named_files(folder: Path, suffixes: Sequence[str]) -> dict[str, Path]:
    """Return all files with one of the suffixes: name → file."""
    found = (path for path in folder.rglob("*") if path.suffix in suffixes and path.is_file())
    return {path.relative_to(folder).with_suffix("").as_posix(): path for path in sorted(found)}


def find_named(folder: Path, suffixes: Sequence[str], name: str, what: str) -> Path:
    """Return the file of a name.

    Args:
        folder: with the files.
        suffixes: that they may have.
        name: of the wanted one.
        what: they are, for the message.

    Raises:
        UsageError: there is none; names those that are there.
    """
    files = named_files(folder, suffixes)
    if name not in files:
        endings = " or ".join(suffixes)
        raise UsageError(unknown(what, name, files), hint=f"they are the {endings} files in {folder}")
    return files[name]
