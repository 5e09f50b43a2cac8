"""The table: what is on disk → exit code and report of ``invoke gates.check --json``, schema included."""

import datetime as dt
import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest

from tests.gates.gated_project import STATEMENTS, Gated, advisory, junit_of, measured, of_safety, result
from toolkit.config import load_config
from toolkit.gates.checking import GATES
from toolkit.gates.identity import code_identity
from toolkit.gates.schema import FILE
from toolkit.load.verdicts import ActionFigures, LoadResult
from toolkit.load.writing import write_result
from toolkit.tasks import gates as gates_task

pytestmark = pytest.mark.usefixtures("unmeasured")  # the processes here are git and diff-cover

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


SCENARIO = 'rate = 20\nramp = 0\n[[actions]]\nname = "show"\npath = "/"\n'
FIGURES = ActionFigures(name="all", requests=5, mean_ms=1, p50_ms=1, p95_ms=1, p99_ms=1, max_ms=1)
LOAD = LoadResult(
    wanted_rate=20, sent_rate=20, throughput=20, error_rate=0, all=FIGURES, actions=(FIGURES,), errors={},
    late_p99_ms=0.1, client_share=0.1, processes=1,
)  # fmt: skip
BROKEN = "p99_ms: 160.0, expected at most 100"


def live(*sessions: str, settings: str = "") -> str:
    return f"[tool.toolkit.gates]\nlive = {json.dumps(sessions)}\n{settings}"


def loaded(
    *failed: str, settings: str = "", head: str = "", altered: tuple[str, ...] = (), **changed: Any
) -> Spoil:
    """Two load scenarios, of which one was sent just now, and of the other it is told here."""

    def spoil(project: Gated) -> None:
        project.settings(live("load", settings=settings))
        for name in ("browse", "buy"):
            project.write(f"tests/data/load/{name}.toml", SCENARIO)
        project.repository()
        code = (head or project.head(), "")
        write_result(project.reports, "buy", LOAD, code=(project.head(), ""))
        result = msgspec.structs.replace(LOAD, failed=failed, **changed)
        write_result(project.reports, "browse", result, code=code, altered=altered)

    return spoil


def never_loaded(project: Gated) -> None:
    loaded()(project)
    project.drop("reports/load/browse.json")


def load_of_something_else(project: Gated) -> None:
    loaded()(project)
    project.write("reports/load/browse.json", '{"verdict": "passed"}')


def load_of_before(project: Gated) -> None:
    loaded()(project)
    project.write("shop/core.py", STATEMENTS + "more = 1\n")


def wrong_scenario(project: Gated) -> None:
    loaded()(project)
    project.write("tests/data/load/browse.toml", "rate = 0\n")
    code = code_identity(load_config(project.root, {}))
    for name in ("browse", "buy"):
        write_result(project.reports, name, LOAD, code=code)


def fuzzed(
    operations: dict[str, str] | None = None, *, code: int = 0, settings: str = "", head: str = ""
) -> Spoil:
    def spoil(project: Gated) -> None:
        project.settings(live("fuzz", settings=settings))
        project.repository()
        project.judged("fuzz", "schemathesis", code, head=head)
        text = junit_of({"GET /ok": ""} if operations is None else operations)
        project.write("reports/fuzz/junit.xml", text)

    return spoil


BOOM = {"GET /ok": "", "GET /boom": "ST101 Server error"}


def cut_fuzz(project: Gated) -> None:
    fuzzed()(project)
    project.write("reports/fuzz/junit.xml", "<testsuites><testsuite>")


def attacked(
    *failed: str, tests: int = 3, code: int = 0, settings: str = "", sessions: tuple[str, ...] = ("security",)
) -> Spoil:
    """Sessions of the profile security, the first of which has these failures."""

    def spoil(project: Gated) -> None:
        project.settings(live("security", settings=settings))
        project.repository()
        for place, session in enumerate(sessions):
            mine = failed if place == 0 else ()
            project.judged(session, "pytest", code or int(bool(mine)))
            mishap = {"message": "a traceback is shown\nmore", "phase": "call"}
            rows = [{"test": one, "outcome": "failed", "mishaps": [mishap]} for one in mine]
            counts = {"tests": tests, "failed": len(mine), "errors": 0, "skipped": 0}
            project.report(f"{session}/summary.json", {"summary": counts, "failures": rows[:2]})

    return spoil


def attacked_long_ago(project: Gated) -> None:
    """Of two sessions one is of this code."""
    attacked(sessions=("security-3.12", "security-3.13"))(project)
    project.judged("security-3.12", "pytest", 1, head="0" * 40)


def attacked_without_a_report(project: Gated) -> None:
    attacked()(project)
    project.drop("reports/security/summary.json")


def fuzz_without_a_report(project: Gated) -> None:
    fuzzed()(project)
    project.drop("reports/fuzz/junit.xml")


def never_attacked(project: Gated) -> None:
    project.settings(live("security"))
    project.repository()
    project.judged("security-scan", "other")


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
    # load
    case("load-is-not-demanded", "load", nothing, {"load": "off"}),
    case("load-held", "load", loaded(), {"load.browse": "passed", "load.buy": "passed"},
         says="20.0 of 20 per second"),
    case("load-broken", "load", loaded(BROKEN), {"load.browse": "failed", "load.buy": "passed"}, says=BROKEN),
    case("load-without-a-verdict", "load", loaded(saturated="too busy"), {"load.browse": "failed"},
         says="no verdict: too busy"),
    case("load-waived", "load", loaded(BROKEN, settings=waiver("load.assertions", "2027-01-01", "browse")),
         {"load.browse": "passed"}, says="1 more are waived"),
    case("load-waived-by-assertion", "load", loaded(BROKEN, settings=waiver("p99_ms", "2027-01-01")),
         {"load.browse": "passed"}),
    case("load-waiver-is-over", "load", loaded(BROKEN, settings=waiver("p99_ms", "2026-11-21")),
         {"load.browse": "failed"}, says="no longer waived: known"),
    case("load-never-sent", "load", never_loaded, {"load.browse": "missing", "load.buy": "passed"},
         says="run: nox -s load -- browse"),
    case("load-malformed", "load", load_of_something_else, {"load.browse": "malformed"}),
    case("load-of-another-commit", "load", loaded(head="0" * 40), {"load.browse": "malformed"},
         says="of other code"),
    case("load-of-before-a-change", "load", load_of_before,
         {"load.browse": "malformed", "load.buy": "malformed"}, says="of other code"),
    case("load-made-lighter", "load", loaded(altered=("duration",)), {"load.browse": "malformed"},
         says="another duration"),
    case("load-of-another-rate", "load", loaded(wanted_rate=5), {"load.browse": "malformed"},
         says="another rate"),
    case("load-scenario-is-wrong", "load", wrong_scenario, {"load.browse": "malformed"}, says="rate"),
    case("no-load-scenario", "load", lambda project: project.settings(live("load")), {"load": "malformed"},
         says="no load scenario"),
    case("load-is-off", "load", loaded(BROKEN, settings='off = ["load"]\n'), {"load": "off"}),
    # fuzz
    case("fuzz-is-not-demanded", "security", nothing, {"security.fuzz": "off", "security.findings": "off"}),
    case("fuzz-found-nothing", "security", fuzzed(), {"security.fuzz": "passed"}, says="1 operations"),
    case("fuzz-found-something", "security", fuzzed(BOOM, code=1), {"security.fuzz": "failed"},
         says="GET /boom: Server error; again: curl -X GET"),
    case("fuzz-waived", "security", fuzzed(BOOM, code=1, settings=waiver("ST101", "2027-01-01", "GET /boom")),
         {"security.fuzz": "passed"}),
    case("fuzz-waived-elsewhere", "security",
         fuzzed(BOOM, code=1, settings=waiver("security.fuzz", "2027-01-01", "GET /ok")),
         {"security.fuzz": "failed"}),
    case("fuzz-never-ran", "security", lambda project: project.settings(live("fuzz")),
         {"security.fuzz": "missing"}, says="run: nox -s fuzz"),
    case("fuzz-of-other-code", "security", fuzzed(head="0" * 40), {"security.fuzz": "malformed"},
         says="of other code"),
    case("fuzz-asked-nothing", "security", fuzzed({}), {"security.fuzz": "malformed"},
         says="no operation was asked"),
    case("fuzz-was-not-done", "security", fuzzed(code=2), {"security.fuzz": "malformed"},
         says="ended with 2 and without findings"),
    case("fuzz-report-is-cut", "security", cut_fuzz, {"security.fuzz": "malformed"}),
    case("fuzz-report-is-gone", "security", fuzz_without_a_report, {"security.fuzz": "missing"},
         says="junit.xml: not there"),
    # security tests
    case("attacks-held", "security", attacked(), {"security.findings": "passed"},
         says="3 security tests ran"),
    case("attack-succeeded", "security", attacked("t.py::test_sql", code=1), {"security.findings": "failed"},
         says="t.py::test_sql: a traceback is shown"),
    case("many-attacks-succeeded", "security", attacked("t.py::a", "t.py::b", "t.py::c"),
         {"security.findings": "failed"}, says="1 more"),
    case("attack-waived", "security",
         attacked("t.py::test_sql", settings=waiver("security.findings", "2027-01-01", "t.py::*")),
         {"security.findings": "passed"}),
    case("attacks-ended-badly", "security", attacked(code=3), {"security.findings": "failed"},
         says="pytest ended with exit code 3"),
    case("no-attack", "security", attacked(tests=0, code=5), {"security.findings": "malformed"},
         says="no security test ran"),
    case("never-attacked", "security", never_attacked, {"security.findings": "missing"},
         says="run: nox -s security"),
    case("attacked-on-one-python", "security", attacked_long_ago, {"security.findings": "passed"},
         says="security-3.13"),
    case("attacks-on-two-pythons", "security", attacked("t.py::a", sessions=("security-1", "security-2")),
         {"security.findings": "failed"}, says="6 security tests ran"),
    case("attack-report-is-gone", "security", attacked_without_a_report, {"security.findings": "missing"},
         says="summary.json: not there"),
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


@pytest.mark.slow
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
