"""Writes docs/reference/smells.md from the rules.

Run it after changing toolkit/smells/rules.py: ``uv run python docs/smells_reference.py``. A test checks that
the page is up to date.
"""

from pathlib import Path

from toolkit.smells.rules import reference

PAGE = Path(__file__).with_name("reference") / "smells.md"

if __name__ == "__main__":
    PAGE.write_text(reference(), encoding="utf-8")
