"""The audit session: asks bandit about the code, pip-audit and safety about everything installed.

A tool that could not look is not a tool that found nothing. So who was asked and how each ended is recorded
beside the reports, and :mod:`toolkit.gates.security` judges them: here and in ``invoke gates.check``.
"""

import datetime as dt
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import msgspec
import nox
from nox.command import CommandFailed

from toolkit.config import Config
from toolkit.gates.identity import code_identity
from toolkit.gates.inputs import ANSWERS, AUDIT, Answer, Answers, read_sources
from toolkit.gates.security import judge_security
from toolkit.gates.verdicts import Absent, Check, Finding, Status
from toolkit.reports.writing import place
from toolkit.sessions.guarding import fail
from toolkit.sessions.running import exit_code_of
from toolkit.sessions.tools import install_tools, installs_only

ADVISORIES = "TOOLKIT_OSV_URL"
"""Environment variable: address of an OSV service (https://google.github.io/osv.dev/api/) of your own."""
OSV = "https://api.osv.dev"
SAFETY = "safety>=3.2,<3.8"
"""The last versions whose ``check`` works without an account and with advisories in a folder."""
_FREEZE = (
    "import importlib.metadata as m;"
    "print(*sorted({f'{d.name}=={d.version}' for d in m.distributions() if d.name}), sep=chr(10))"
)
_SAFETY_PROBLEMS = {
    65: "it failed", 66: "its settings are wrong", 67: "there are no advisories in the folder",
    68: "its service did not answer", 69: "the advisories cannot be read",
}  # fmt: skip

Ask = Callable[[nox.Session, Config, Path], Answer]


def audit(session: nox.Session, config: Config) -> None:
    """Look for risky code and for known vulnerabilities of what is installed, and judge by the budget."""
    sources = config.audit.sources
    install_tools(session, config, "audit", project=True, more=[SAFETY] if "safety" in sources else [])
    if installs_only(session):
        return
    folder = config.reports_dir / AUDIT
    folder.mkdir(parents=True, exist_ok=True)
    (folder / ANSWERS).unlink(missing_ok=True)
    answers = [ASK[name](session, config, _fresh(folder / f"{name}.json")) for name in sources]
    head, state = code_identity(config)
    told = Answers(head=head, state=state, answers=tuple(answers))
    place(folder / ANSWERS, [msgspec.json.format(msgspec.json.encode(told), indent=2).decode(), "\n"])
    read = read_sources(config)
    checks = judge_security(read, config.gates, dt.datetime.now(tz=dt.UTC).date())
    silent = [answer for answer in answers if answer.problem and answer.tool != "bandit"]
    for answer in silent:
        session.warn("NOT CHECKED: known vulnerabilities by %s: %s", answer.tool, answer.problem)
    tell(session, checks)
    excused = [f"security.{one.tool}" for one in silent if config.audit.unreachable == "warn"]
    failed = [check for check in checks if not check.status.good and check.id not in excused]
    if failed:
        fail(session, "; ".join(f"{check.id}: {check.message}" for check in failed))
    if excused and all(isinstance(read[name], Absent) for name in sources):
        session.warn("no source answered: nothing was audited")


def _fresh(report: Path) -> Path:
    report.unlink(missing_ok=True)
    return report


def tell(session: nox.Session, checks: Iterable[Check]) -> None:
    """Say who answered, and what was found."""
    for check in checks:
        if check.status is Status.PASSED and not check.findings:
            session.log("%s: %s", check.id, check.message)
        for finding in check.findings:
            waived = "" if finding.waiver is None else f" (waived: {finding.waiver})"
            session.warn("%s%s", finding_line(finding), waived)


def finding_line(finding: Finding) -> str:
    """Say a finding in one line."""
    place_ = finding.where if finding.line is None else f"{finding.where}:{finding.line}"
    return f"{finding.tool}: {place_}: {finding.rule} {finding.severity}: {finding.message}"


def ask_bandit(session: nox.Session, config: Config, report: Path) -> Answer:
    """Run bandit over the project's source; 0: clean, 1: findings."""
    settings = ["-c", "pyproject.toml"] if (config.root / "pyproject.toml").is_file() else []
    command = ["bandit", "--quiet", *settings, "-r", *config.source, "-f", "json", "-o", str(report)]
    code = run(session, command)
    problem = "" if code in {0, 1} and report.is_file() else f"bandit ended with {code}"
    return Answer(tool="bandit", asked="bandit", exit_code=code, problem=problem)


def ask_pip_audit(session: nox.Session, _config: Config, report: Path) -> Answer:
    """Ask an OSV service about every installed package; 0: clean, 1: findings or no answer."""
    address = os.environ.get(ADVISORIES)
    service = ["--osv-url", address] if address else []
    command = ["pip-audit", "--progress-spinner=off", "-s", "osv", *service, "-f", "json", "-o", str(report)]
    log = report.with_suffix(".log")
    code = run(session, command, log=log)
    problem = "" if code in {0, 1} and report.is_file() else _last_line(log) or f"pip-audit ended with {code}"
    return Answer(tool="pip-audit", asked=address or OSV, exit_code=code, problem=problem)


def ask_safety(session: nox.Session, config: Config, report: Path) -> Answer:
    """Run ``safety check`` on what is installed; 0: clean, 64: findings, all else: no answer."""
    frozen = report.with_suffix(".txt")
    listed = session.run("python", "-c", _FREEZE, silent=True)
    frozen.write_text(str(listed), encoding="utf-8")
    folder = config.audit.advisories
    advisories = ["--db", str(config.root / folder)] if folder else []
    command = ["safety", "check", "-r", str(frozen), *advisories, "--save-json", str(report)]
    code = run(session, command, log=report.with_suffix(".log"))
    problem = ""
    if code not in {0, 64} or not report.is_file():
        problem = _SAFETY_PROBLEMS.get(code, f"safety ended with {code}")
    return Answer(tool="safety", asked=folder or "safety's own service", exit_code=code, problem=problem)


ASK: Mapping[str, Ask] = {"bandit": ask_bandit, "pip-audit": ask_pip_audit, "safety": ask_safety}
"""One for each source that the configuration may name."""


def run(session: nox.Session, command: Sequence[str], *, log: Path | None = None) -> int:
    """Run a tool, whatever its exit code, and return it; its output goes to a file if one is given."""
    try:
        if log is None:
            session.run(*command)
        else:
            with log.open("w", encoding="utf-8") as stream:
                session.run(*command, stdout=stream)
    except CommandFailed as error:
        return exit_code_of(error)
    return 0


def _last_line(log: Path) -> str:
    return log.read_text(encoding="utf-8", errors="replace").strip().rpartition("\n")[2]
