"""All gates of one project: reads what the tools left behind and judges it."""

import datetime as dt
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

from toolkit.config import Config
from toolkit.errors import ChangesUnknown
from toolkit.gates import coverage, inputs, live, live_inputs, performance, reliability, security, static
from toolkit.gates.newcode import base_revision, read_new_code
from toolkit.gates.verdicts import Absent, Check, Gate, Report, Status, gate_of, off_check
from toolkit.gates.waivers import uses
from toolkit.impact.changes import base_of

GATES = ("coverage", "performance", "load", "security", "reliability", "static")


def check_gates(
    config: Config, *, now: dt.datetime, environ: Mapping[str, str], base: str = "",
    only: Collection[str] = GATES,
) -> Report:  # fmt: skip
    """Judge everything that is demanded.

    Args:
        config: of the project; its thresholds and ``gates`` are the demands.
        now: with a time zone; decides which waivers hold.
        environ: of the process; CI systems tell there what a merge request is compared with.
        base: the revision against which code is new; empty: found.
        only: gates to judge; the others are reported as not demanded.
    """
    gates = tuple(_gate(name, config, now.date(), environ, base, wanted=name in only) for name in GATES)
    findings = [one for gate in gates for check in gate.checks for one in check.findings]
    return Report(
        project=config.project,
        commit=_commit(config),
        created=now.astimezone(dt.UTC).isoformat(timespec="seconds"),
        passed=all(gate.status.good for gate in gates),
        gates=gates,
        waivers=uses(config.gates.waivers, findings, now.date()),
    )


def _gate(
    name: str, config: Config, today: dt.date, environ: Mapping[str, str], base: str, *, wanted: bool
) -> Gate:
    if not wanted or name in config.gates.off:
        return gate_of(name, [off_check(name, *([] if wanted else ["not asked for"]))])
    judges: Mapping[str, Callable[[], Iterable[Check]]] = {
        "coverage": lambda: _coverage(config, environ, base),
        "performance": lambda: _performance(config, today),
        "load": lambda: _load(config, today),
        "security": lambda: _security(config, today),
        "reliability": lambda: _reliability(config, today),
        "static": lambda: _static(config),
    }
    return gate_of(name, judges[name]())


def _demanded(config: Config, judges: Mapping[str, Callable[[], Check]]) -> Iterator[Check]:
    for name, judge in judges.items():
        yield off_check(name) if name in config.gates.off else judge()


def _coverage(config: Config, environ: Mapping[str, str], base: str) -> Iterator[Check]:
    gates, limits = config.gates, config.thresholds
    measured = inputs.read_coverage(config)

    def new() -> Check:
        if isinstance(measured, Absent):
            return coverage.judge_new(measured, limits.coverage_new, tiny=0, tolerated=0)
        found = read_new_code(config, base_revision(config, environ, base))
        return coverage.judge_new(
            found, limits.coverage_new, tiny=gates.tiny_diff, tolerated=gates.tiny_missing
        )

    return _demanded(
        config,
        {
            "coverage.overall": lambda: coverage.judge_overall(measured, limits.coverage),
            "coverage.critical": lambda: coverage.judge_critical(
                measured, gates.critical_paths, limits.coverage_critical
            ),
            "coverage.new": new,
        },
    )


def _performance(config: Config, today: dt.date) -> Iterator[Check]:
    return _demanded(
        config,
        {
            "performance.absolute": lambda: performance.judge_absolute(
                inputs.read_benchmarks(config), config.gates, today
            ),
            "performance.paired": lambda: performance.judge_paired(
                inputs.read_paired(config), config.gates, today
            ),
        },
    )


def _load(config: Config, today: dt.date) -> Iterable[Check]:
    if "load" not in config.gates.live:
        return [live.off_live("load")]
    return live.judge_load(live_inputs.read_loads(config), config.gates.waivers, today)


def _security(config: Config, today: dt.date) -> Iterator[Check]:
    demanded, waivers = config.gates.live, config.gates.waivers
    yield from security.judge_security(inputs.read_sources(config), config.gates, today)
    if "security" in demanded:
        yield live.judge_attacked(live_inputs.read_attacked(config), waivers, today)
    else:
        yield live.off_live(live.FINDINGS)
    if "fuzz" in demanded:
        yield live.judge_fuzz(live_inputs.read_fuzz(config), waivers, today)
    else:
        yield live.off_live(live.FUZZ)


def _reliability(config: Config, today: dt.date) -> Iterator[Check]:
    gates = config.gates
    found, quarantine = inputs.read_reliability(config), inputs.read_quarantine(config)
    entries = () if isinstance(quarantine, Absent) else quarantine
    return _demanded(
        config,
        {
            "reliability.consistency": lambda: reliability.judge_consistency(
                found, config.thresholds.reliability, least=gates.least_runs
            ),
            "reliability.flaky": lambda: reliability.judge_flaky(found, entries, gates, today),
            "reliability.quarantine": lambda: reliability.judge_quarantine(
                quarantine, cap=config.flaky.cap, today=today
            ),
        },
    )


def _static(config: Config) -> Iterator[Check]:
    if not config.gates.static:
        yield off_check("static", "no session is demanded ([tool.toolkit.gates] static)")
    for session in config.gates.static:
        yield static.judge_session(session, inputs.read_session(config, session))


def _commit(config: Config) -> str:
    try:
        return base_of(config.root, "HEAD..HEAD")
    except ChangesUnknown:
        return ""


def failed_checks(report: Report) -> Iterator[Check]:
    """Yield what keeps a merge from going on."""
    for gate in report.gates:
        yield from (check for check in gate.checks if not check.status.good)


def status_line(check: Check) -> str:
    """Say a check in one line, with what to do when it is not good."""
    measured = ""
    if check.measured is not None and check.threshold is not None and check.comparison:
        measured = f" [{check.measured:.6g} {check.unit}; {check.comparison} {check.threshold:g}]"
    remedy = f" → {check.remedy}" if check.remedy and check.status is not Status.OFF else ""
    return f"{check.id}: {check.status.value}: {check.message}{measured}{remedy}"
