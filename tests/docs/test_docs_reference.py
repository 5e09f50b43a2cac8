"""Reference pages say what the code says: every error, every setting, every path."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import toolkit.errors
from toolkit.errors import ToolkitError
from toolkit.tasks import ns

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted(page for page in DOCS.rglob("*.md") if "example" not in page.relative_to(DOCS).parts)


def all_errors(kind: type[ToolkitError] = ToolkitError) -> Iterator[type[ToolkitError]]:
    yield kind
    for below in kind.__subclasses__():
        if below.__module__ == toolkit.errors.__name__:
            yield from all_errors(below)


def test_every_error_has_its_place_in_the_docs_and_every_place_its_error() -> None:
    text = (DOCS / "errors.md").read_text(encoding="utf-8")
    found = re.findall(r"^## (\w+) \{ #([\w-]+) \}\n\n(.*?)(?=\n## |\Z)", text, re.MULTILINE | re.DOTALL)
    documented = {name: anchor for name, anchor, _ in found}
    assert documented == {kind.__name__: kind.anchor for kind in all_errors()}
    assert set(documented) == set(toolkit.errors.__all__)


def test_exit_codes_in_the_docs_are_those_of_the_errors() -> None:
    text = (DOCS / "errors.md").read_text(encoding="utf-8")
    sections = dict(re.findall(r"^## (\w+) \{[^\n]*\n\n(.*?)(?=\n## |\Z)", text, re.MULTILINE | re.DOTALL))
    codes = {name: int(re.findall(r"\[(\d)\]", section)[0]) for name, section in sections.items()}
    assert codes == {kind.__name__: kind.exit_code for kind in all_errors()}


def test_the_page_of_settings_is_up_to_date() -> None:
    """If not: ``uv run python docs/configuration_reference.py``."""
    run = subprocess.run(
        [sys.executable, str(DOCS / "configuration_reference.py"), "--check"], cwd=ROOT, check=False
    )
    assert run.returncode == 0, "run: uv run python docs/configuration_reference.py"


def test_every_setting_has_a_meaning() -> None:
    text = (DOCS / "reference" / "configuration.md").read_text(encoding="utf-8")
    rows = [line for line in text.splitlines() if line.startswith("| `")]
    assert len(rows) > 40
    assert [row for row in rows if row.endswith("|  |")] == []


@pytest.mark.parametrize("page", [ROOT / "README.md", *PAGES], ids=lambda page: page.stem)
def test_every_path_that_is_named_exists(page: Path) -> None:
    """``toolkit/records.py`` in a page is a promise."""
    text = page.read_text(encoding="utf-8")
    named = re.findall(r"`((?:toolkit|tests|docs|benchmarks|compose|\.ci)/[\w./-]*[\w/])`", text)
    assert [path for path in named if not (ROOT / path).exists()] == []


def test_every_page_has_one_title() -> None:
    for page in PAGES:
        text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
        assert len(re.findall(r"^# ", text, re.MULTILINE)) == 1, page


def test_every_task_that_is_named_exists() -> None:
    """In pages, messages and remedies: nobody is sent to a command that is not there.

    Also not to one without a namespace; "an invoke task" is no command.
    """
    known = {f"{space}.{task}" for space, tasks in ns.collections.items() for task in tasks.task_names}
    known |= set(ns.task_names)
    pattern = re.compile(
        r"(?:invoke|toolkit) ([a-z]+\.[a-z-]*[a-z])\b|(?<!an )\binvoke ([a-z][a-z-]*)(?![a-z-]|\.\S)"
    )
    texts = [*PAGES, *(ROOT / "toolkit").rglob("*.py"), ROOT / "README.md"]
    named = {
        (str(text.relative_to(ROOT)), dotted or alone)
        for text in texts
        for dotted, alone in pattern.findall(text.read_text(encoding="utf-8"))
    }
    assert len(named) > 50
    assert sorted(where for where in named if where[1] not in known) == []


def test_the_architecture_answers_where_is_what() -> None:
    """At least twenty questions of a newcomer, each with the file that answers it."""
    text = (DOCS / "architecture.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| ([^|]+\?) \| (.*) \|$", text, re.MULTILINE)
    assert len(rows) >= 20
    assert len({question for question, _ in rows}) == len(rows)
    assert [question for question, files in rows if "`toolkit/" not in files] == []
