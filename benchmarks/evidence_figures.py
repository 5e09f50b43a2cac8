"""What the page of evidence shows of each benchmark's report: rows for readers, with goal and verdict.

A function for each claim turns the JSON of its script into rows: what was measured with its unit, ours, the
alternatives, the goal, and whether it was reached. What a report lacks is a KeyError: no figure is made up.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a table."""

    what: str
    """What was measured, with its unit."""
    ours: str
    others: str = ""
    """The same of the alternatives, measured in the same run."""
    goal: str = ""
    met: bool | None = None
    """Whether the goal was reached; None: there is none, the figure is for information."""


HISTORIES = {
    "iofrol": "IOF/ROL (robots; 29 % of verdicts failed)",
    "dune_debian_11": "dune-common (C++; 0.6 % failed)",
}
"""Name of a file of a public history → whose it is."""


def percent(share: float) -> str:
    return f"{100 * share:.1f} %".replace(".0 %", " %")


def short(value: float) -> str:
    """Write a number with about three digits."""
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


def listed(found: Mapping[str, float], write: Callable[[float], str] = short) -> str:
    return "; ".join(f"{name} {write(value)}" for name, value in found.items())


def selection(report: Any) -> Iterator[Row]:
    for project, found in report.items():
        ours, theirs = found["summary"]["ours"], found["summary"]["testmon"]
        of = f"of {ours['tests that had to run']} tests that had to run after {ours['edits']} edits"
        yield Row(
            what=f"{project}: left out {of}",
            ours=str(ours["missed"]),
            others=f"pytest-testmon {theirs['missed']}",
            goal="0",
            met=ours["missed"] == 0,
        )
        for name in ("median", "mean"):
            share = ours[f"{name} fraction selected"]
            yield Row(
                what=f"{project}: share of the tests that ran, {name} of the edits",
                ours=percent(share),
                others=f"pytest-testmon {percent(theirs[f'{name} fraction selected'])}",
                goal="below 100 %",
                met=share < 1,
            )
        spent = ours["cpu seconds / whole run"]
        yield Row(
            what=f"{project}: processor time, what was selected / everything",
            ours=short(spent),
            others=f"pytest-testmon {short(theirs['cpu seconds / whole run'])}",
            goal="below 1",
            met=spent < 1,
        )


def balance(report: Any) -> Iterator[Row]:
    for suite, found in report["suites"].items():
        for workers, ratios in found["ratios"].items():
            xdist = {name: ratios[name] for name in ("load", "worksteal", "loadscope")}
            split = {
                name.removeprefix("pytest-split "): value
                for name, value in ratios.items()
                if name.startswith("pytest-split ")
            }
            for noun, ours, others, tool in (
                ("workers", ratios["ours"], xdist, "xdist"),
                ("shards", ratios["our shards"], split, "pytest-split"),
            ):
                yield Row(
                    what=f"{suite}, {workers} {noun}: time of the longest / the least possible",
                    ours=f"{ours:.3f}",
                    others=f"{tool}: {listed(others, lambda value: f'{value:.3f}')}",
                    goal=f"no worse than {tool}",
                    met=round(ours, 3) <= round(min(others.values()), 3),
                )


def prediction(report: Any) -> Iterator[Row]:
    means = {
        "APFD": "failures early in the order",
        "APFDc": "the same by time",
        "NAPFD": "in half of the time",
    }
    for file, found in report.items():
        name = HISTORIES.get(Path(file).name.split(".")[0], Path(file).name)
        others = {key: of for key, of in found["methods"].items() if not key.startswith("toolkit")}
        best = others.pop("optimum")
        for figure, meaning in means.items():
            rivals = {key: of[figure] for key, of in others.items()}
            ours = found["methods"]["toolkit"][figure]
            yield Row(
                what=f"{name}: {figure} ({meaning}; at best {best[figure]:.3f})",
                ours=f"{ours:.3f}",
                others=listed(rivals, lambda value: f"{value:.3f}"),
                goal="above all others",
                met=round(ours, 3) > round(max(rivals.values()), 3),
            )
        error = found["calibration"]["ECE"]
        yield Row(
            what=f"{name}: mean gap between predicted and seen probability (ECE)",
            ours=f"{error:.3f}",
            goal="below 0.05",
            met=error < 0.05,
        )


def speedup(report: Any) -> Iterator[Row]:
    for project, found in report.items():
        ways = found["ways"]
        for way, what, goal, limit in (
            ("scheduler", "everything, on all cores", 0.6, "saved at most by workers"),
            ("typical change", "a typical change, what it affects", 0.9, "saved at most by selection"),
        ):
            share = ways[way].get("tests run")
            ran = f" ({percent(share)} of the tests ran)" if share is not None else ""
            yield Row(
                what=f"{project}: time saved, {what}{ran}",
                ours=percent(ways[way]["saved"]),
                others=f"serially {short(ways['alone']['median'])} s, so {short(ways[way]['median'])} s",
                goal=f"{percent(goal)} (here at most {percent(found['limits'][limit])})",
                met=ways[way]["saved"] >= goal,
            )


def flaky(report: Any) -> Iterator[Row]:
    cases = {"retries 1": "one retry", "no retries": "no retries"}
    for case, name in cases.items():
        others = {method: found for method, found in report[case].items() if method != "toolkit"}
        for figure, at_least, what in (
            ("precision", 0.95, "of those called flaky, truly flaky"),
            ("recall", 0.95, "of the flaky ones, found"),
            ("regressions called flaky", None, "regressions called flaky"),
            ("outages called flaky", None, "tests hit by an outage called flaky"),
        ):
            ours = report[case]["toolkit"][figure]
            write = percent if at_least else short
            yield Row(
                what=f"{name}: {what}",
                ours=write(ours),
                others=listed({method: found[figure] for method, found in others.items()}, write),
                goal=f"at least {percent(at_least)}" if at_least else "0",
                met=ours >= at_least if at_least else ours == 0,
            )


def counts(report: Any) -> Iterator[Row]:
    words = ("passed", "failed", "skipped", "xfailed", "xpassed", "errors")
    for row in report:
        same = row["plain"] == row["counted"]
        yield Row(
            what=f"{row['project']} on Python {row['python']}, {row['workers']} workers: tests",
            ours=_told(row["counted"], words),
            others="pytest: the same" if same else f"pytest: {_told(row['plain'], words)}",
            goal="equal",
            met=same,
        )


def _told(found: Mapping[str, int], words: Sequence[str]) -> str:
    return ", ".join(f"{found[word]} {word}" for word in words if found[word] or word == "passed")


def adoption(report: Any) -> Iterator[Row]:
    for row in report:
        others = ", ".join(f"{count} {reason}" for reason, count in row["others"].items())
        clean = not row["changed"] and set(row["new"]) <= {"noxfile.py", "tasks.py", "pyproject.toml"}
        yield Row(
            what=f"{row['shape']}: {', '.join(row['projects'])} on Python {row['python']}: tests that passed",
            ours=f"{row['passed']} of {row['tests']}",
            others=f"the rest: {others}" if others else "",
            goal="ends with 0, only new files and one table",
            met=row["exit_code"] == 0 and clean,
        )


def plugin(report: Any) -> Iterator[Row]:
    yield Row(
        what="import of the plugin where it stays inert, over bare pytest",
        ours=f"{short(report['import_inert_ms'])} ms",
        goal="below 60 ms",
        met=report["import_inert_ms"] < 60,
    )
    yield Row(
        what="the same where it is active",
        ours=f"{short(report['import_active_ms'])} ms",
        goal="below 60 ms",
        met=report["import_active_ms"] < 60,
    )
    yield Row(
        what="processor time it adds to a session of one test: inert; active",
        ours=f"{short(report['inert_adds_cpu_ms'])} ms; {short(report['active_adds_cpu_ms'])} ms",
        others=f"bare pytest takes {short(report['session_bare_cpu_ms'])} ms",
    )


def services(report: Any) -> Iterator[Row]:
    found = report["embedded"]
    ready, theirs = (
        found["ours: ready from warm cache (s)"],
        found["pytest-postgresql: first test's set-up (s)"],
    )
    yield Row(
        what="PostgreSQL without Docker: ready for the first test",
        ours=f"{ready:.2f} s",
        others=f"pytest-postgresql {theirs:.2f} s",
        goal="quicker",
        met=ready < theirs,
    )
    yield Row(
        what="the same, first use on a machine",
        ours=f"{found['first use on this machine, maybe with initdb (s)']:.2f} s",
    )
    yield Row(what="shut down", ours=f"{found['ours: down (s)']:.2f} s")


def databases(report: Any) -> Iterator[Row]:
    found = report["clone"]
    ours, bare = (
        found["ours, with proof of ownership (ms)"],
        found["bare CREATE DATABASE … TEMPLATE (ms)"],
    )
    ways = {way: found[f"bare, STRATEGY {way} (ms)"] for way in ("FILE_COPY", "WAL_LOG")}
    yield Row(
        what="a database of one's own from a template, with proof of ownership",
        ours=f"{short(ours)} ms",
        others=f"bare CREATE DATABASE {short(bare)} ms; {listed(ways)} ms",
        goal="no more than bare",
        met=ours <= bare,
    )
    for name in ("tests of 0 ms", "tests of 50 ms"):
        if f"{name}: isolated_db, set-up (ms)" in report.get("setup", {}):
            each = report["setup"]
            yield Row(
                what=f"what a test waits for it, {name}",
                ours=f"{short(each[f'{name}: isolated_db, set-up (ms)'])} ms",
                others=f"pytest-postgresql {short(each[f'{name}: pytest-postgresql, set-up (ms)'])} ms",
                goal="less",
                met=each[f"{name}: set-up, ours / theirs"] < 1,
            )


def cleanup(report: Any) -> Iterator[Row]:
    races = f"{report['runs killed']} runs killed, {report['cleanups']} cleanups beside living runs"
    for word, what in (
        ("lost", "databases of living runs taken"),
        ("left", "databases of dead runs left"),
        ("errors", "errors"),
    ):
        count = _length(report[word])
        yield Row(what=f"{races}: {what}", ours=str(count), goal="0", met=count == 0)


def _length(value: Any) -> int:
    return len(value) if isinstance(value, list) else int(value)


def environments(report: Any) -> Iterator[Row]:
    what = f"{report['runs']} runs at once, {report['servers started']} real servers"
    for word, told in (("failed", "runs that failed"), ("left", "things left behind")):
        count = _length(report[word])
        yield Row(what=f"{what}: {told}", ours=str(count), goal="0", met=count == 0)
    yield Row(
        what=f"{what}: time of all at once / one after the other",
        ours=short(report["all at once / one after the other"]),
    )


def load(report: Any) -> Iterator[Row]:
    what = f"sample API, {report['books']} books, {short(report['requests per second'])} requests per second"
    limit = report["limit of p99 (ms)"]
    yield Row(
        what=f"{what}: 99 % of answers within",
        ours=f"{short(report['p99 (ms)'])} ms",
        others=f"half of them within {short(report['median (ms)'])} ms",
        goal=f"at most {short(limit)} ms",
        met=report["p99 (ms)"] <= limit,
    )
    errors = report["errors"]
    yield Row(what=f"{what}: wrong or missing answers", ours=str(errors), goal="0", met=errors == 0)


def table(rows: Sequence[Row]) -> str:
    """Write rows as a table of Markdown; columns in which nothing stands are left out."""
    cells = [(row.what, row.ours, row.others, row.goal, _verdict(row)) for row in rows]
    heads = ("what", "ours", "beside it", "goal", "reached")
    kept = [place for place in range(len(heads)) if place < 2 or any(line[place] for line in cells)]
    lines = [[heads[place] for place in kept], ["---"] * len(kept)]
    lines += [[line[place].replace("|", "¦") for place in kept] for line in cells]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _verdict(row: Row) -> str:
    return "" if row.met is None else "yes" if row.met else "**no**"
