"""From what pytest knows of a failure to the record of it, bounded in size."""

import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest

from toolkit.plugin.secrecy import hide
from toolkit.records import Failure, Frame, Phase

MESSAGE_LIMIT = 10_000
TRACEBACK_LIMIT = 100_000
SECTION_LIMIT = 20_000
FRAME_LIMIT = 100

_INTERNAL = tuple(
    os.path.dirname(module.__file__ or "")  # noqa: PTH120 - compared with raw file names of code objects
    for module in (__import__("_pytest"), __import__("pluggy"))
)
_SECTION = re.compile(r"Captured (stdout|stderr|log)(?: (setup|call|teardown))?$")
_EXCEPTION = re.compile(r"([A-Za-z_][\w.]*)(?:: |$)")


def cut(text: str, limit: int) -> str:
    """Shorten a text to the limit by leaving out its middle: both ends explain more than it does."""
    if len(text) <= limit:
        return text
    note = f"\n... {len(text) - limit} characters left out ...\n"
    head = (limit - len(note)) // 2
    return text[:head] + note + text[len(text) - (limit - len(note) - head) :]


def from_exception(
    exception: BaseException,
    report: pytest.TestReport | pytest.CollectReport,
    root: Path,
) -> Failure:
    """Describe a failure of which the exception itself is at hand."""
    if isinstance(exception, pytest.Collector.CollectError) and exception.__cause__ is not None:
        exception = exception.__cause__
    kind = type(exception)
    return Failure(
        phase=_phase(report),
        exception=f"{kind.__module__}.{kind.__qualname__}",
        message=cut(_text(exception), MESSAGE_LIMIT),
        traceback=_traceback(report),
        frames=_frames(exception, root),
        sections=sections(report.sections),
    )


def from_report(report: pytest.TestReport | pytest.CollectReport, root: Path) -> Failure:
    """Describe a failure of which only the report is left (another process or plugin made it)."""
    crash = getattr(report.longrepr, "reprcrash", None)
    message = str(crash.message if crash is not None else report.longrepr or "")
    named = _EXCEPTION.match(message) if crash is not None else None
    return Failure(
        phase=_phase(report),
        exception=named.group(1) if named else "",
        message=cut(message[named.end() :] if named else message, MESSAGE_LIMIT),
        traceback=_traceback(report),
        frames=tuple(_reported_frames(report.longrepr, root)),
        sections=sections(report.sections),
    )


def sections(found: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Collect captured output under ``stdout``, ``stderr`` and ``log``; other sections keep their title."""
    texts: dict[str, list[str]] = {}
    for title, text in found:
        match = _SECTION.match(title)
        texts.setdefault(match.group(1) if match else title, []).append(text)
    return {name: cut("".join(parts), SECTION_LIMIT) for name, parts in texts.items()}


def relative(path: str, root: Path) -> str:
    """Write a path relative to the project root when it is inside, with ``/`` separators."""
    inside = str(root) + os.sep
    return (path.removeprefix(inside)).replace(os.sep, "/")


def _phase(report: pytest.TestReport | pytest.CollectReport) -> Phase:
    phases: Mapping[str | None, Phase] = {"setup": "setup", "teardown": "teardown", "collect": "collect"}
    return phases.get(report.when, "call")


def _text(exception: BaseException) -> str:
    try:
        return hide(str(exception))
    except Exception as error:  # noqa: BLE001 - a broken __str__ must not break the record
        return f"<{type(exception).__qualname__}: its text could not be made: {type(error).__qualname__}>"


def _traceback(report: pytest.TestReport | pytest.CollectReport) -> str:
    try:
        return cut(report.longreprtext, TRACEBACK_LIMIT)
    except Exception as error:  # noqa: BLE001 - reports of other plugins may have any shape
        return f"<the traceback could not be written: {type(error).__qualname__}>"


def _frames(exception: BaseException, root: Path) -> tuple[Frame, ...]:
    frames: list[Frame] = []
    entry = exception.__traceback__
    while entry is not None:
        code = entry.tb_frame.f_code
        if not code.co_filename.startswith(_INTERNAL):
            path = relative(code.co_filename, root)
            frames.append(Frame(path=path, line=entry.tb_lineno or 0, function=code.co_qualname))
        entry = entry.tb_next
    half = FRAME_LIMIT // 2
    return tuple(frames if len(frames) <= FRAME_LIMIT else [*frames[:half], *frames[-half:]])


def _reported_frames(longrepr: Any, root: Path) -> Iterable[Frame]:
    traceback = getattr(longrepr, "reprtraceback", None)
    for entry in getattr(traceback, "reprentries", ())[-FRAME_LIMIT:]:
        place = getattr(entry, "reprfileloc", None)
        if place is not None:
            yield Frame(path=relative(str(place.path), root), line=int(place.lineno), function="")
