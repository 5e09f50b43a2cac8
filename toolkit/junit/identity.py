"""One stable identity per test, made of what a report calls it.

* A report of this toolkit, or of pytest, gives the very node id that the journal of the run has. Where a
  node id cannot be rebuilt from class name, name and file, the writer adds the property ``toolkit.nodeid``.
* pytest's default format (``xunit2``) drops the file. Then the classes are the last components of
  ``classname`` that begin with a capital, and what is left is the module: ``tests.test_a.TestB`` is
  ``tests/test_a.py::TestB``. A module whose own name begins with a capital is taken for a class; set
  ``junit_family = "xunit1"`` to have the file written.
* For other runners it is ``file::suite::class name::name`` without the parts that say the same as another,
  and without what differs between machines: absolute paths, host names, times. The exception is
  Playwright, which puts the browser where others put the host.
"""

import hashlib
import json
import re
from collections.abc import Mapping

from toolkit.junit.dialects import Dialect
from toolkit.records import NodeId, node_id

NODE_ID = "toolkit.nodeid"
"""Property of a case: its node id, where it cannot be rebuilt."""
NODE_ID_JSON = "toolkit.nodeid.json"
"""The same as a JSON string, where XML cannot hold its characters."""

_SEPARATORS = str.maketrans("\\/", "..")
_LONGEST = 4096
_ABSOLUTE = re.compile(r"(?:[A-Za-z]:)?[\\/]")
_TEXT_FILES = (".rst", ".txt", ".md")
_PYTHON = frozenset({Dialect.PYTEST, Dialect.TOOLKIT})


def identity_of(
    *,
    classname: str,
    name: str,
    file: str = "",
    suite: str = "",
    host: str = "",
    dialect: Dialect = Dialect.UNKNOWN,
    properties: Mapping[str, str] | None = None,
    copy: int = 1,
) -> NodeId:
    """Return the identity of a test; always the same for the same values."""
    told = _told(properties or {})
    if told is not None:
        raw = told
    elif dialect in _PYTHON or file.endswith(".py"):
        raw = pytest_node_id(classname, name, file)
    else:
        raw = _foreign(classname, name, file, suite)
        if dialect is Dialect.PLAYWRIGHT and host:
            raw = f"{raw}[{host}]"
    if copy > 1:
        raw = f"{raw}#{copy}"
    return node_id(_bounded(raw))


def _told(properties: Mapping[str, str]) -> str | None:
    if NODE_ID_JSON in properties:
        try:
            told = json.loads(properties[NODE_ID_JSON])
        except (ValueError, RecursionError):
            return None
        return told.encode("utf-8", "replace").decode() if isinstance(told, str) else None
    return properties.get(NODE_ID)


def pytest_node_id(classname: str, name: str, file: str = "") -> str:
    """Rebuild pytest's node id from the attributes of its JUnit XML."""
    if not classname:  # a file that could not be collected: its name is the module
        return file or f"{name.replace('.', '/')}.py"
    module = file.replace("\\", "/").removesuffix(".py").replace("/", ".")
    if file and f"{classname}.".startswith(f"{module}."):  # not so where a test is inherited
        classes = classname[len(module) :].strip(".")
        return "::".join([file, *filter(None, classes.split(".")), name])
    if name.endswith(_TEXT_FILES) and classname.endswith(name):  # a doctest in a text file
        return f"{classname[: -len(name)].replace('.', '/')}{name}::{name}"
    parts = classname.split(".")
    end = len(parts)
    while end > 1 and parts[end - 1].lstrip("_")[:1].isupper():
        end -= 1
    return "::".join(["/".join(parts[:end]) + ".py", *parts[end:], name])


def _foreign(classname: str, name: str, file: str, suite: str) -> str:
    parts: list[str] = []
    for part in ("" if _ABSOLUTE.match(file) else file, "" if _ABSOLUTE.match(suite) else suite, classname):
        if part and not any(_says(other, part) for other in parts):
            parts = [other for other in parts if not _says(part, other)]
            parts.append(part)
    parts = [part for part in parts if part != name]
    return "::".join([*parts, name or "(no name)"])


def _says(longer: str, shorter: str) -> bool:
    """Whether one contains the other, whatever separates its components."""
    return shorter.translate(_SEPARATORS) in longer.translate(_SEPARATORS)


def _bounded(raw: str) -> str:
    if len(raw) <= _LONGEST:
        return raw
    digest = hashlib.sha256(raw.encode("utf-8", "surrogatepass")).hexdigest()[:16]
    return f"{raw[:_LONGEST]}…{digest}"
