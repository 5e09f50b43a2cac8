"""From values to YAML that every parser reads alike, those of YAML 1.1 too."""

import io
import re
from collections.abc import Mapping
from typing import Any

from toolkit.errors import MissingExtra

_AMBIGUOUS = re.compile(
    r"(y|n|yes|no|on|off|true|false|null|~|[-+]?[.\d][\d._:,+a-fox-]*|[-+]?\.(inf|nan))?", re.IGNORECASE
)
"""Words that YAML 1.1 (GitLab) or 1.2 (GitHub) takes for something else than text: they are quoted."""

WIDTH = 110


class Pinned(str):
    """What stands after ``uses:``, with the version as a comment behind it."""

    __slots__ = ("comment",)
    comment: str

    @classmethod
    def of(cls, text: str, comment: str) -> "Pinned":
        """Attach a comment to a text."""
        made = cls(text)
        made.comment = comment
        return made


def yaml_text(document: Mapping[str, Any], head: str) -> str:
    """Write a document as YAML, keys in their order, under a comment.

    Args:
        document: mappings, lists, texts, numbers; texts of several lines stay readable.
        head: lines of the comment on top.

    Raises:
        MissingExtra: ruamel.yaml is not installed.
    """
    try:
        from ruamel.yaml import YAML
    except ImportError as error:
        raise MissingExtra("writing CI definitions", extra="ci", package="ruamel.yaml") from error
    yaml = YAML()
    yaml.width = WIDTH * 10  # a folded line in a shell command would be no help
    yaml.indent(mapping=2, sequence=4, offset=2)
    stream = io.StringIO()
    yaml.dump(_marked(document), stream)
    comment = "".join(f"# {line}\n" for line in head.splitlines())
    return comment + _spaced(stream.getvalue())


def _marked(value: object) -> Any:
    """Turn plain values into those of ruamel.yaml, which know their style and comments."""
    from ruamel.yaml.comments import CommentedMap, CommentedSeq
    from ruamel.yaml.scalarstring import DoubleQuotedScalarString, LiteralScalarString

    if isinstance(value, Mapping):
        made = CommentedMap()
        for key, item in value.items():
            made[key] = _marked(item)
            if isinstance(item, Pinned) and item.comment:
                made.yaml_add_eol_comment(item.comment, key, column=0)
        return made
    if isinstance(value, list | tuple):
        return CommentedSeq(_marked(item) for item in value)
    if isinstance(value, Pinned):
        return str(value)
    if isinstance(value, str) and "\n" in value:
        return LiteralScalarString(value)
    if isinstance(value, str) and _AMBIGUOUS.fullmatch(value):
        return DoubleQuotedScalarString(value)
    return value


def _spaced(text: str) -> str:
    """Put an empty line before each block at the left and each job."""
    lines: list[str] = []
    inside = ""
    for line in text.splitlines():
        block = re.match(r"\S", line) is not None
        inside = line if block else inside
        job = inside == "jobs:" and re.match(r"  \S", line) is not None and lines[-1] != "jobs:"
        if (block or job) and lines:
            lines.append("")
        lines.append(line)
    return "\n".join(lines) + "\n"
