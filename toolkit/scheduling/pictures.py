"""The dependency report as a picture: SVG by itself, or as text for Graphviz and Mermaid."""

from collections.abc import Iterable
from html import escape

from toolkit.scheduling.dependencies import Report

ROW = 22
"""Pixels from one name to the next."""

LETTER = 7.3
"""Pixels that a letter takes, about."""

GAP = 260
COLOURS = {"runs": "#4269d0", "reads": "#3ca951", "needs": "#ff725c"}
"""What a test file does with a thing → the colour of the line."""


def to_svg(report: Report) -> str:
    """Draw files of tests on the left, what they depend on at the right, and a line for each dependency."""
    found = edges(report)
    sources = list(dict.fromkeys(source for source, _kind, _target in found))
    targets = sorted({(_kind_of(kind), target) for _source, kind, target in found})
    left, right = 20 + LETTER * _longest(sources), LETTER * _longest(name for _rank, name in targets) + 20
    places = {target: ROW * (row + 2) for row, (_rank, target) in enumerate(targets)}
    starts = {source: ROW * (row + 2) for row, source in enumerate(sources)}
    width, height = left + GAP + right, ROW * (max(len(sources), len(targets)) + 2)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height}" font-size="13">',
        '<rect width="100%" height="100%" fill="#fff"/>',
        *_legend(),
    ]
    for source, kind, target in found:
        begin, end = starts[source], places[target]
        bend = f"C{left + GAP / 2:.0f},{begin} {left + GAP / 2:.0f},{end} {left + GAP - 6:.0f},{end}"
        lines.append(
            f'<path d="M{left + 6:.0f},{begin} {bend}" fill="none" stroke="{COLOURS[kind]}"'
            f' stroke-opacity="0.55"><title>{escape(source)} {kind} {escape(target)}</title></path>'
        )
    lines += [_text(left, row, source, "end") for source, row in starts.items()]
    lines += [_text(left + GAP, row, target, "start") for target, row in places.items()]
    return "\n".join([*lines, "</svg>"]) + "\n"


def _kind_of(kind: str) -> int:
    return list(COLOURS).index(kind)


def _longest(names: Iterable[str]) -> int:
    return max(map(len, names), default=0)


def _legend() -> Iterable[str]:
    for number, (kind, colour) in enumerate(COLOURS.items()):
        yield f'<text x="{20 + 80 * number}" y="16" fill="{colour}">{kind}</text>'


def _text(across: float, down: int, name: str, anchor: str) -> str:
    return f'<text x="{across:.0f}" y="{down + 4}" text-anchor="{anchor}">{escape(name)}</text>'


def to_dot(report: Report) -> str:
    """Draw files of tests and what they depend on, in Graphviz' language (DOT)."""
    lines = ["digraph dependencies {", "  rankdir=LR;", "  node [shape=box];"]
    for source, kind, target in edges(report):
        lines.append(f"  {_quoted(source)} -> {_quoted(target)} [label={_quoted(kind)}];")
    return "\n".join([*lines, "}"]) + "\n"


def to_mermaid(report: Report) -> str:
    """Draw the same as a Mermaid flowchart, which code hosts show in Markdown."""
    names: dict[str, str] = {}

    def node(label: str) -> str:
        if label not in names:
            names[label] = f"n{len(names)}"
            escaped = "".join(_ENTITIES.get(letter, letter) for letter in label)
            return f'{names[label]}["{escaped}"]'
        return names[label]

    lines = ["flowchart LR"]
    lines += [f"  {node(source)} -->|{kind}| {node(target)}" for source, kind, target in edges(report)]
    return "\n".join(lines) + "\n"


_ENTITIES = {letter: f"#{ord(letter)};" for letter in '"<>[]{}|#&`'}


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def edges(report: Report) -> list[tuple[str, str, str]]:
    """Return test file, what it does with a thing, thing: each once."""
    edges: dict[tuple[str, str, str], None] = {}
    for row in report.tests:
        file = row.test.partition("::")[0]
        for kind, names in (
            ("runs", row.code),
            ("reads", row.data),
            ("needs", (*row.services, *row.resources)),
        ):
            edges.update(((file, kind, name), None) for name in names)
    return sorted(edges)
