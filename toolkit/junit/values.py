"""Values as runners of all countries write them."""

import math
import re

MESSAGE_LIMIT = 10_000
"""Characters kept of a message; the rest is cut from the end."""
TEXT_LIMIT = 100_000
"""Characters kept of a traceback or of captured output; the rest is cut from the middle."""

_GROUPED = re.compile(r"[+-]?\d{1,3}([.,'\u00a0\u202f ])\d{3}(?:\1\d{3})*(?:[.,]\d+)?")


def parse_duration(raw: str | None) -> float:
    """Read seconds: ``0.5``, ``0,5``, ``1,234.5``, ``1.234,5``, ``1 234.5``, ``3e-05``, ``12ms``.

    One comma without a point is a decimal comma ("1,234" is 1.234 s: runners write three decimals far more
    often than whole thousands of seconds). What is missing, negative, infinite or no number is 0.
    """
    if not raw:
        return 0.0
    try:
        seconds = float(raw)
    except ValueError:
        seconds = _localised(raw.strip())
    return seconds if 0.0 <= seconds < math.inf else 0.0


def _localised(raw: str) -> float:
    if raw.endswith("ms"):
        return parse_duration(raw[:-2]) / 1000
    text = raw.removesuffix("sec").removesuffix("s").strip()
    if text != raw:
        return parse_duration(text)
    comma, point = text.rfind(","), text.rfind(".")
    if comma > point and text.count(",") == 1:  # 0,5 and 1.234,5
        text = text.replace(".", "").replace(",", ".")
    elif comma >= 0 and text.count(".") <= 1:  # 1,234.5 and 1,234,567
        text = text.replace(",", "")
    elif text.count(".") > 1:  # 1.234.567
        text = text.replace(".", "")
    try:
        return float(re.sub(r"(?<=\d)[\s'\u00a0\u202f](?=\d{3})", "", text))
    except ValueError:
        return 0.0


def parse_line(raw: str | None) -> int | None:
    """Read a line number; anything that is not one is unknown."""
    return int(raw) if raw and raw.isascii() and raw.isdigit() and len(raw) < 10 else None  # noqa: PLR2004 - no file is longer


def shorten(text: str, limit: int = TEXT_LIMIT) -> str:
    """Cut a text from its middle, saying how much is missing."""
    if len(text) <= limit:
        return text
    half = limit // 2
    return f"{text[:half]}\n… {len(text) - 2 * half} characters left out …\n{text[-half:]}"


class LongText:
    """Collects a text of any length in bounded memory: its beginning and its end."""

    __slots__ = ("_end", "_start", "_used", "length", "limit")

    def __init__(self, limit: int = TEXT_LIMIT) -> None:
        self.limit = limit
        self.length = 0
        self._start: list[str] = []
        self._used = 0
        self._end = ""

    def add(self, piece: str) -> None:
        """Append a piece."""
        self.length += len(piece)
        room = self.limit - self._used
        if room > 0:
            self._start.append(piece[:room])
            self._used += min(room, len(piece))
            piece = piece[room:]
        if piece:
            self._end = (self._end + piece)[-(self.limit // 2) :]

    def text(self) -> str:
        """Return what was kept, cut from the middle when it was too long."""
        start = "".join(self._start)
        if self.length <= self.limit:
            return start
        half = self.limit // 2
        end = (start + self._end)[-half:] if len(self._end) < half else self._end
        return f"{start[:half]}\n… {self.length - 2 * half} characters left out …\n{end}"
