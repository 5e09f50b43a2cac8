"""The table: what is on disk → exit code and report of ``invoke gates.check --json``, schema included."""

import datetime as dt
import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from tests.gates.gated_project import STATEMENTS, Gated, advisory, measured, of_safety, result
from toolkit.config import load_config
from toolkit.gates.checking import GATES
from toolkit.gates.identity import code_identity
from toolkit.gates.schema import FILE
from toolkit.tasks import gates as gates_task

Run = Callable[..., tuple[int, str, str]]
Spoil = Callable[[Gated], None]
TODAY = dt.date(2026, 11, 22)
VALIDATOR = jsonschema.Draft202012Validator(json.loads(FILE.read_text(encoding="utf-8")))


@dataclass(frozen=True, kw_only=True)
class Case:
    """What is spoiled, what is called, and what must come out."""

    name: str
    gate: str
    spoil: Spoil
    exit_code: int
    expect: dict[str, str]
    arguments: tuple[str, ...] = ()
    says: str = ""


def case(name: str, gate: str, spoil: Spoil, expect: dict[str, str], *arguments: str, says: str = "") -> Case:
    """One row; whether it fails follows from what is expected."""
    bad = bool({"failed", "missing", "malformed"} & set(expect.values()))
    return Case(
        name=name, gate=gate, spoil=spoil, exit_code=int(bad), expect=expect, arguments=arguments, says=says
    )


def nothing(_project: Gated) -> None:
    """Leave it as it is."""


def waiver(rule: str, expires: str, where: str = "*") -> str:
    return (
        f'[tool.toolkit.gates.waivers.known]\nrule = "{rule}"\nwhere = "{where}"\n'
        f'reason = "it is mended next week"\nexpires = {expires}\n'
    )


def overall(*missing: int) -> Spoil:
    def spoil(project: Gated) -> None:
        project.settings('[tool.toolkit.gates]\noff = ["coverage.new"]\n')
        project.covered(core=missing, pay=missing)

    return spoil


def raw_coverage(text: str) -> Spoil:
    def spoil(project: Gated) -> None:
        overall()(project)
        project.write("reports/coverage.json", text)

    return spoil


def critical(missing: int, glob: str = "shop/pay*") -> Spoil:
    def spoil(project: Gated) -> None:
        project.settings(f'[tool.toolkit.gates]\noff = ["coverage.new"]\ncritical_paths = ["{glob}"]\n')
        project.covered(pay=range(1, missing + 1))

    return spoil


def branch(added: int, uncovered: int, *, text: str = "new_{} = 1\n") -> Spoil:
    """A branch that adds statements, of which the last ones are not covered."""

    def spoil(project: Gated) -> None:
        project.repository()
        lines = "".join(text.format(number) for number in range(added))
        project.write("shop/core.py", STATEMENTS + lines)
        count = 100 + (added if "=" in text else 0)
        missing = range(100 + added - uncovered + 1, 100 + added + 1)
        files = {"shop/core.py": measured(count, missing), "shop/pay.py": measured(100)}
        project.report("coverage.json", {"files": files})

    return spoil


def unmeasured(project: Gated) -> None:
    project.repository()
    project.write("shop/forgotten.py", "x = 1\n")


def omitted(project: Gated) -> None:
    unmeasured(project)
    project.settings('[tool.coverage.run]\nomit = ["shop/forgotten.py"]\n')


def in_repository(project: Gated) -> None:
    project.repository()


def grown(project: Gated) -> None:
    """A function is added after everything was measured; the report does not know of it."""
    project.repository()
    head, state = code_identity(load_config(project.root, {}))
    files = {"shop/core.py": measured(100), "shop/pay.py": measured(100)}
    project.report("coverage.json", {"meta": {"toolkit": {"head": head, "state": state}}, "files": files})
    project.write("shop/core.py", STATEMENTS + "def refund():\n    return 1\n")


def stale_file(project: Gated) -> None:
    overall()(project)
    project.drop("shop/pay.py")


def stale_line(project: Gated) -> None:
    overall()(project)
    project.write("shop/pay.py", "# a comment\n" + STATEMENTS)


ABSOLUTE = '[tool.toolkit.gates]\noff = ["performance.paired"]\n'
PAIRED = '[tool.toolkit.gates]\noff = ["performance.absolute"]\n'


def speed(milliseconds: float, settings: str = "") -> Spoil:
    def spoil(project: Gated) -> None:
        project.settings(ABSOLUTE + settings)
        project.benchmarks({"tests/test_speed.py::test_search[10]": milliseconds})

    return spoil


def absolute(change: Spoil) -> Spoil:
    def spoil(project: Gated) -> None:
        project.settings(ABSOLUTE)
        change(project)

    return spoil


def against_base(percent: float, settings: str = "", *, noise: float = 0.001, **wrong: str) -> Spoil:
    """A comparison whose new code is so many percent slower in each of twelve blocks."""

    def spoil(project: Gated) -> None:
        project.settings(PAIRED + settings)
        project.repository()
        blocks = [
            {"seconds": 0.1, "copies": noise * (-1) ** index, "shift": math.log1p(percent / 100)}
            for index in range(12)
        ]
        report: dict[str, Any] = {"base": "b" * 40, "state": "", "timer": "wall", "seed": 1}
        report |= {"head": project.head(), "blocks": {"tests/test_speed.py::test_pay": blocks}} | wrong
        project.report("performance.json", report)

    return spoil


def compared(text: str) -> Spoil:
    def spoil(project: Gated) -> None:
        against_base(0)(project)
        project.write("reports/performance.json", text)

    return spoil


def ran(*, head: str = "", **exit_codes: int) -> Spoil:
    def spoil(project: Gated) -> None:
        project.settings('[tool.toolkit.gates]\nstatic = ["lint"]\n')
        project.repository()
        report = {"session": "lint", "head": head or project.head(), "exit_codes": exit_codes}
        project.report("lint/tools.json", report)

    return spoil


def found(*results: dict[str, Any], settings: str = "") -> Spoil:
    def spoil(project: Gated) -> None:
        project.bandit(*results)
        project.settings(settings)

    return spoil


def packages(*rows: dict[str, Any], settings: str = "") -> Spoil:
    def spoil(project: Gated) -> None:
        project.pip_audit(list(rows))
        project.settings(settings)

    return spoil


def unparsed(project: Gated) -> None:
    project.bandit(errors=[{"filename": "shop/core.py", "reason": "syntax error"}])


def unreachable(project: Gated) -> None:
    """Although there is a report: it is an older one."""
    told = {"tool": "pip-audit", "asked": "http://osv", "problem": "connection refused", "exit_code": 1}
    project.report("audit/answers.json", {"answers": [{"tool": "bandit", "exit_code": 0}, told]})


def asked_without_pip_audit(project: Gated) -> None:
    """Although there is a report: it is an older one, of before somebody left it out for a while."""
    project.report("audit/answers.json", {"answers": [{"tool": "bandit", "exit_code": 0}]})


def audit_of_other_code(project: Gated) -> None:
    project.repository()
    project.report("audit/answers.json", {"head": "0" * 40, "answers": []})


def benchmarks_of(commit: str) -> Spoil:
    def spoil(project: Gated) -> None:
        project.settings(ABSOLUTE)
        project.repository()
        rows = [{"fullname": "t.py::test_a", "stats": {"median": 0.001}}]
        told = {"id": commit or project.head()}
        project.report("benchmarks.json", {"benchmarks": rows, "commit_info": told})

    return spoil


def benchmarks_of_clean_code(changed: str) -> Spoil:
    """Measured before the file was changed or made."""

    def spoil(project: Gated) -> None:
        benchmarks_of("")(project)
        path = project.reports / "benchmarks.json"
        document = json.loads(path.read_text("utf-8"))
        document["commit_info"]["dirty"] = False
        project.report(path.name, document)
        project.write(changed, STATEMENTS + "more = 1\n")

    return spoil


def two_sources(project: Gated) -> None:
    project.safety(of_safety("jinja2", "CVE-1"))
    project.pip_audit([advisory("jinja2", "PYSEC-1", "CVE-1")])
    project.settings('[tool.toolkit.audit]\nsources = ["pip-audit", "safety"]\n')


def history(good: int, contradicted: int = 0, *, flaky: int = 0, settings: str = "") -> Spoil:
    """Runs of one commit; in some a test needs two tries; ``flaky`` tests do so in three."""

    def spoil(project: Gated) -> None:
        project.settings(settings)
        names = [f"test_a.py::test_flaky_{number}" for number in range(flaky)]
        runs = []
        for index in range(good + contradicted):
            outcomes = {"test_a.py::test_good": "fp" if index < contradicted else "p"}
            outcomes |= dict.fromkeys(names, "fp" if index % 6 == 5 else "p")
            runs.append(outcomes)
        project.runs(runs)

    return spoil


def quarantine(count: int, expires: str, *, flaky: int = 0, settings: str = "") -> Spoil:
    def spoil(project: Gated) -> None:
        history(20, flaky=flaky, settings=settings)(project)
        entry = (
            '[[test]]\nid = "test_a.py::test_flaky_{}"\nowner = "@a"\nreason = "late"\n'
            "since = 2026-01-01\nexpires = " + expires + "\n"
        )
        project.write("quarantine.toml", "".join(entry.format(number) for number in range(count)))

    return spoil


def bad_quarantine(project: Gated) -> None:
    history(20)(project)
    project.write("quarantine.toml", "[[test]\n")


def damaged_history(project: Gated) -> None:
    project.write(".toolkit/history.sqlite", "this is no database, whatever its name may say" * 100)


def everything(project: Gated) -> None:
    history(20)(project)
    branch(30, 0)(project)


OFF = "[tool.toolkit.thresholds]\nreliability = 0\n"

CASES = [
    # coverage of everything
    case("covered", "coverage", overall(), {"coverage.overall": "passed", "coverage.new": "off"}),
    case("exactly-at-the-threshold", "coverage", overall(*range(1, 11)), {"coverage.overall": "passed"}),
    case("one-statement-below", "coverage", overall(*range(1, 12)), {"coverage.overall": "failed"}),
    case(
        "threshold-as-option", "coverage", overall(1), {"coverage.overall": "failed"},
        "--coverage-threshold=99.5",
    ),
    case("option-of-zero", "coverage", overall(*range(1, 101)), {"coverage.overall": "passed"},
         "--coverage-threshold=0"),
    case("no-report", "coverage", lambda project: project.drop("reports/coverage.json"),
         {"coverage.overall": "missing", "coverage.new": "missing"}, says="run: nox -s ci"),
    case("empty-report", "coverage", raw_coverage(""), {"coverage.overall": "malformed"}, says="empty"),
    case("no-json", "coverage", raw_coverage("<coverage/>"), {"coverage.overall": "malformed"}),
    case("other-json", "coverage", raw_coverage("[1]"), {"coverage.overall": "malformed"}),
    case("nothing-measured", "coverage", raw_coverage('{"files": {}}'), {"coverage.overall": "malformed"},
         says="measured no statement"),
    case("grown-since", "coverage", grown, {"coverage.overall": "malformed", "coverage.new": "malformed"},
         says="of other code"),
    case("file-is-gone", "coverage", stale_file, {"coverage.overall": "malformed"}, says="of other code"),
    case("lines-have-moved", "coverage", stale_line, {"coverage.overall": "malformed"},
         says="shop/pay.py:1 is no statement"),
    # critical paths
    case("critical-exactly", "coverage", critical(5), {"coverage.critical": "passed"}),
    case("critical-below", "coverage", critical(6), {"coverage.critical": "failed"}),
    case("critical-idle", "coverage", critical(0, "shop/nowhere/**"), {"coverage.critical": "malformed"}),
    # new code
    case("new-code-covered", "coverage", branch(30, 0), {"coverage.new": "passed"}),
    case("new-code-uncovered", "coverage", branch(30, 1), {"coverage.new": "failed"}),
    case("new-code-exactly", "coverage", branch(40, 2), {"coverage.new": "passed"},
         "--coverage-new-threshold=95"),
    case("empty-diff", "coverage", in_repository, {"coverage.new": "passed"}, says="the diff is empty"),
    case("comments-only", "coverage", branch(3, 0, text="# comment {}\n"), {"coverage.new": "passed"},
         says="no line that can be executed is new"),
    case("tiny-diff", "coverage", branch(3, 1), {"coverage.new": "passed"}, says="tolerated"),
    case("tiny-diff-too-much", "coverage", branch(3, 2), {"coverage.new": "failed"}),
    case("not-tiny", "coverage", branch(20, 1), {"coverage.new": "failed"}),
    case("changed-and-not-measured", "coverage", unmeasured, {"coverage.new": "failed"},
         says="shop/forgotten.py"),
    case("omitted-on-purpose", "coverage", omitted, {"coverage.new": "passed"}),
    case("unknown-base", "coverage", in_repository, {"coverage.new": "missing"}, "--base=nowhere"),
    case("no-repository", "coverage", nothing, {"coverage.new": "missing"}, says="no base"),
    # performance
    case("fast", "performance", absolute(nothing), {"performance.absolute": "passed"}),
    case("exactly-the-limit", "performance", speed(5000), {"performance.absolute": "passed"}),
    case("slow", "performance", speed(5000.001), {"performance.absolute": "failed"}),
    case("limit-as-option", "performance", speed(12), {"performance.absolute": "failed"},
         "--performance-threshold=10"),
    case("budget", "performance", speed(12, '[tool.toolkit.gates.budgets]\n"*test_search*" = 11\n'),
         {"performance.absolute": "failed"}, says="11 ms are allowed"),
    case("slow-but-waived", "performance", speed(9000, waiver("performance.absolute", "2027-01-01")),
         {"performance.absolute": "passed"}),
    case("slow-waiver-is-over", "performance", speed(9000, waiver("performance.absolute", "2026-11-21")),
         {"performance.absolute": "failed"}),
    case("no-benchmarks", "performance", absolute(lambda project: project.drop("reports/benchmarks.json")),
         {"performance.absolute": "missing"}, says="run: nox -s performance"),
    case("no-benchmark-ran", "performance", absolute(lambda project: project.benchmarks({})),
         {"performance.absolute": "malformed"}),
    case("benchmarks-of-this-code", "performance", benchmarks_of(""), {"performance.absolute": "passed"}),
    case("benchmarks-before-a-change", "performance", benchmarks_of_clean_code("shop/core.py"),
         {"performance.absolute": "malformed"}, says="without the changes beside it"),
    case("benchmarks-beside-a-new-file", "performance", benchmarks_of_clean_code("shop/new.py"),
         {"performance.absolute": "passed"}),
    case("benchmarks-of-other-code", "performance", benchmarks_of("0" * 40),
         {"performance.absolute": "malformed"}, says="of other code"),
    case("never-compared", "performance", lambda project: project.settings(PAIRED),
         {"performance.paired": "missing"}, says="run: invoke gates.performance"),
    case("as-fast-as-before", "performance", against_base(0), {"performance.paired": "passed"}),
    case("slower-but-not-by-much", "performance", against_base(1.99), {"performance.paired": "passed"}),
    case("slower", "performance", against_base(5), {"performance.paired": "failed"}, says="+5.0%"),
    case("slower-allowed", "performance", against_base(5), {"performance.paired": "passed"}, "--slowdown=6"),
    case("slower-but-waived", "performance",
         against_base(5, waiver("performance.paired", "2027-01-01", "*pay")),
         {"performance.paired": "passed"}),
    case("too-noisy", "performance", against_base(0, noise=0.2), {"performance.paired": "failed"},
         says="too noisy to tell"),
    case("compared-other-code", "performance", against_base(0, head="0" * 40),
         {"performance.paired": "malformed"}, says="of other code"),
    case("comparison-is-malformed", "performance", compared('{"base": 1}'),
         {"performance.paired": "malformed"}),
    # security
    case("clean", "security", nothing, {"security.bandit": "passed", "security.pip-audit": "passed",
                                        "security.critical": "passed"}),
    case("risky", "security", found(result()), {"security.high": "failed"}),
    case("risky-within-budget", "security", found(result()), {"security.high": "passed"},
         "--security-high-max=1"),
    case("risky-above-budget", "security", found(result(), result("B301")), {"security.high": "failed"},
         "--security-high-max=1"),
    case("low-is-not-counted", "security", found(result(severity="LOW")), {"security.low": "passed"}),
    case("low-with-a-budget", "security", found(result(severity="LOW")), {"security.low": "failed"},
         "--security-low-max=0"),
    case("waived", "security", found(result(), settings=waiver("B602", "2027-01-01", "shop/*")),
         {"security.high": "passed"}),
    case("waived-until-today", "security", found(result(), settings=waiver("B602", "2026-11-22")),
         {"security.high": "passed"}),
    case("waiver-is-over", "security", found(result(), settings=waiver("B602", "2026-11-21")),
         {"security.high": "failed"}, says="no longer waived: known"),
    case("waived-elsewhere", "security", found(result(), settings=waiver("B602", "2027-01-01", "docs/*")),
         {"security.high": "failed"}),
    case("file-not-parsed", "security", unparsed, {"security.bandit": "failed"}, says="syntax error"),
    case("bandit-looked-at-nothing", "security",
         lambda project: project.report(
             "audit/bandit.json", {"errors": [], "metrics": {"_totals": {"loc": 0}}, "results": []}),
         {"security.bandit": "malformed"}, says="looked at no file"),
    case("vulnerable", "security", packages(advisory()), {"security.critical": "failed"}),
    case("vulnerable-within-budget", "security", packages(advisory()), {"security.critical": "passed"},
         "--security-critical-max=1"),
    case("vulnerable-waived-by-alias", "security",
         packages(advisory("jinja2", "PYSEC-1", "CVE-7"), settings=waiver("CVE-7", "2027-01-01")),
         {"security.critical": "passed"}),
    case("package-skipped", "security", packages({"name": "own", "skip_reason": "not found"}),
         {"security.pip-audit": "failed"}, says="own"),
    case("package-skipped-on-purpose", "security",
         packages({"name": "own", "skip_reason": "?"}, settings=waiver("not-checked", "2027-01-01", "own")),
         {"security.pip-audit": "passed"}),
    case("no-packages", "security", packages(), {"security.pip-audit": "malformed"}),
    case("no-answer", "security", unreachable, {"security.pip-audit": "missing"}, says="connection refused"),
    case("not-asked", "security", asked_without_pip_audit, {"security.pip-audit": "missing"},
         says="pip-audit was not asked the last time"),
    case("audit-of-other-code", "security", audit_of_other_code,
         {"security.bandit": "malformed", "security.pip-audit": "malformed"}, says="of other code"),
    case("answers-are-malformed", "security", lambda project: project.report("audit/answers.json", [1]),
         {"security.bandit": "malformed", "security.pip-audit": "malformed"}),
    case("no-audit", "security", lambda project: project.drop("reports/audit"),
         {"security.bandit": "missing", "security.pip-audit": "missing"}, says="run: nox -s audit"),
    case("safety", "security", lambda project: project.safety(), {"security.safety": "passed"},
         says="advisories in advisories"),
    case("safety-vulnerable", "security", lambda project: project.safety(of_safety(severity="HIGH")),
         {"security.high": "failed", "security.critical": "passed"}),
    case("safety-looked-at-nothing", "security", lambda project: project.safety(packages=0),
         {"security.safety": "malformed"}),
    case("counted-once", "security", two_sources, {"security.critical": "passed"},
         "--security-critical-max=1"),
    # reliability
    case("reliable", "reliability", history(20), {"reliability.consistency": "passed"}),
    case("exactly-reliable", "reliability", history(19, 1), {"reliability.consistency": "passed"}),
    case("not-reliable", "reliability", history(18, 2), {"reliability.consistency": "failed"}),
    case("reliability-as-option", "reliability", history(18, 2), {"reliability.consistency": "passed"},
         "--reliability-threshold=90"),
    case("too-few-runs", "reliability", history(4), {"reliability.consistency": "missing",
                                                     "reliability.flaky": "missing"}, says="1 times more"),
    case("no-history", "reliability", nothing,
         {"reliability.consistency": "missing", "reliability.flaky": "missing"}),
    case("damaged-history", "reliability", damaged_history,
         {"reliability.consistency": "malformed", "reliability.flaky": "malformed"}),
    case("flaky-at-the-budget", "reliability", history(24, flaky=2, settings=OFF),
         {"reliability.flaky": "passed"}, "--flaky-max=2"),
    case("flaky-above-the-budget", "reliability", history(24, flaky=3, settings=OFF),
         {"reliability.flaky": "failed"}, "--flaky-max=2"),
    case("flaky-in-quarantine", "reliability", quarantine(1, "2027-01-01", flaky=1, settings=OFF),
         {"reliability.flaky": "passed", "reliability.quarantine": "passed"}, "--flaky-max=0"),
    case("quarantine-is-over", "reliability", quarantine(1, "2026-11-21", flaky=1, settings=OFF),
         {"reliability.quarantine": "failed", "reliability.flaky": "failed"}, "--flaky-max=0"),
    case("quarantine-above-cap", "reliability",
         quarantine(3, "2027-01-01", settings="[tool.toolkit.flaky]\ncap = 2\n"),
         {"reliability.quarantine": "failed"}),
    # static
    case("static-is-not-demanded", "static", nothing, {"static": "off"}),
    case("tools-content", "static", ran(ruff=0, pylint=0), {"static.lint": "passed"}),
    case("tool-found-something", "static", ran(ruff=0, pylint=4), {"static.lint": "failed"}, says="pylint"),
    case("lint-of-other-code", "static", ran(head="0" * 40, ruff=0), {"static.lint": "malformed"}),
    case("no-tool-was-run", "static", ran(), {"static.lint": "malformed"}),
    case("lint-never-ran", "static", lambda project: project.settings(
        '[tool.toolkit.gates]\nstatic = ["lint"]\n'), {"static.lint": "missing"}, says="run: nox -s lint"),
    case("quarantine-malformed", "reliability", bad_quarantine, {"reliability.quarantine": "malformed"}),
]  # fmt: skip


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Gated:
    made = Gated(tmp_path / "shop")
    monkeypatch.chdir(made.root)
    for name in ("GITHUB_BASE_REF", "GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY", "TOOLKIT_HISTORY_URL", "CI"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(
        gates_task, "now", lambda: dt.datetime(TODAY.year, TODAY.month, TODAY.day, 12, tzinfo=dt.UTC)
    )
    return made


@pytest.mark.parametrize("row", CASES, ids=lambda row: row.name)
def test_gates(row: Case, project: Gated, invoke: Run) -> None:
    """Exit code, status of each check, and a report that the schema allows."""
    row.spoil(project)
    code, out, err = invoke("gates.check", "--json", f"--only={row.gate}", *row.arguments)
    report = json.loads(out)
    VALIDATOR.validate(report)
    statuses = {check["id"]: check["status"] for gate in report["gates"] for check in gate["checks"]}
    assert {name: statuses[name] for name in row.expect} == row.expect, out
    assert (code, report["passed"]) == (row.exit_code, row.exit_code == 0), (out, err)
    bad = {"failed", "missing", "malformed"}
    unexpected = {name for name, status in statuses.items() if status in bad} - set(row.expect)
    assert not unexpected, out
    assert row.says in out
    assert json.loads((project.reports / "quality-gates-report.json").read_text("utf-8")) == report
    for gate in report["gates"]:
        for check in gate["checks"]:
            assert check["remedy"] or check["status"] not in bad, check


def test_there_are_enough_cases_of_each_kind() -> None:
    """Forty at least, of every gate good and bad ones."""
    assert len(CASES) >= 40
    assert len({row.name for row in CASES}) == len(CASES)
    for gate in GATES:
        assert {row.exit_code for row in CASES if row.gate == gate} == {0, 1}
