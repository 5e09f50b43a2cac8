"""The order of names as people count: ``t2`` before ``t10``."""

import re


def natural_key(text: str) -> list[tuple[int, int, str]]:
    """Return a sort key in which numbers inside of names count by value."""
    parts = re.split(r"([0-9]+)", text)
    return [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in parts if part]
