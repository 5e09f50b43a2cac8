"""What load, fuzz and security sessions left → records; of other code, or of a part only, is said."""

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from toolkit.config import Config
from toolkit.errors import InputError
from toolkit.gates.identity import code_identity
from toolkit.gates.inputs import read_document, read_session
from toolkit.gates.live import RUN_FUZZ, RUN_SECURITY, Attacked, run_load
from toolkit.gates.static import Ran
from toolkit.gates.verdicts import Absent
from toolkit.load.scenarios import LoadScenario, find_scenario, scenario_files
from toolkit.load.writing import FOLDER, LoadReport, read_result
from toolkit.security.fuzzing import Fuzzed, read_fuzzed

PROFILE = "security"
_SESSION = re.compile(rf"{PROFILE}(-(pypy)?\d[\w.]*)?")
CUT = 200
"""Characters of what a failed test said."""

T = TypeVar("T")


def read_loads(config: Config) -> dict[str, LoadReport | Absent]:
    """Read what became of each load scenario of the project."""
    folder = config.root / config.load
    code = code_identity(config)
    return {name: _read_load(config, name, code) for name in sorted(scenario_files(folder))}


def _read_load(config: Config, name: str, code: tuple[str, str]) -> LoadReport | Absent:
    path = config.reports_dir / FOLDER / f"{name}.json"

    def parse() -> LoadReport:
        scenario, found = find_scenario(config.root / config.load, name), read_result(path)
        _refuse_other(scenario, found, code)
        return found

    return _read(path, parse, run_load(name))


def _refuse_other(scenario: LoadScenario, found: LoadReport, code: tuple[str, str]) -> None:
    """Raise unless a report is of this code and of the scenario as it is written."""
    if (found.head, found.state) != code:
        raise InputError(f"it is of other code: {found.head[:12]}, or of other changes beside it")
    if found.altered or found.wanted_rate != scenario.rate:
        changed = ", ".join(found.altered) or "rate"
        raise InputError(f"it is not of the scenario as it is written: another {changed}")


def _read(path: Path, parse: Callable[[], T], remedy: str) -> T | Absent:
    """Read a report of our own formats, or say why there is none."""
    where, run = path.name, f"run: {remedy}"
    if not path.exists():
        return Absent(reason=f"{where}: not there", remedy=run, source=where)
    try:
        return parse()
    except InputError as error:
        reason = error.message.replace(str(path), where)
        told = reason if reason.startswith(where) else f"{where}: {reason}"
        return Absent(reason=told, remedy=run, source=where, malformed=True)


def read_fuzz(config: Config) -> Fuzzed | Absent:
    """Read what schemathesis found, if it was asked about all of this code and came to an end."""
    ran = read_session(config, "fuzz")
    if isinstance(ran, Absent):
        return msgspec.structs.replace(ran, remedy=f"run: {RUN_FUZZ}")
    path = config.reports_dir / "fuzz" / "junit.xml"

    def parse() -> Fuzzed:
        found = read_fuzzed(path)
        ended = sum(ran.exit_codes.values())
        if ended and not found.findings:
            raise InputError(f"schemathesis ended with {ended} and without findings: it was not done")
        return found

    return _read(path, parse, RUN_FUZZ)


def read_attacked(config: Config) -> Attacked | Absent:
    """Read what the tests of the profile security said on this code; sessions of other code do not count."""
    names = sorted(path.parent.name for path in config.reports_dir.glob(f"{PROFILE}*/tools.json"))
    mine = [name for name in names if _SESSION.fullmatch(name)]
    found = {name: read_session(config, name) for name in mine or [PROFILE]}
    ran = {name: one for name, one in found.items() if isinstance(one, Ran)}
    if not ran:
        first = next(one for one in found.values() if isinstance(one, Absent))
        return msgspec.structs.replace(first, remedy=f"run: {RUN_SECURITY}")
    told = [_read_tests(config, name, one) for name, one in ran.items()]
    bad = next((one for one in told if isinstance(one, Absent)), None)
    return bad or _together(one for one in told if isinstance(one, Attacked))


def _together(parts: Iterator[Attacked]) -> Attacked | Absent:
    parts_ = list(parts)
    whole = Attacked(
        sessions=tuple(name for one in parts_ for name in one.sessions),
        tests=sum(one.tests for one in parts_),
        failed={test: said for one in parts_ for test, said in one.failed.items()},
        ended_badly={name: code for one in parts_ for name, code in one.ended_badly.items()},
    )
    if whole.tests:
        return whole
    said = f"{', '.join(whole.sessions)}: no security test ran"
    return Absent(reason=said, remedy="mark tests with security", source="summary.json", malformed=True)


def _read_tests(config: Config, session: str, ran: Ran) -> Attacked | Absent:
    def parse(document: Mapping[str, Any]) -> Attacked:
        counts = document["summary"]
        failed = {one["test"]: _said(one) for one in document["failures"]}
        bad = counts["failed"] + counts["errors"]
        if bad > len(failed):
            failed["…"] = f"{bad - len(failed)} more"
        code = 0 if bad else sum(ran.exit_codes.values())
        return Attacked(
            sessions=(session,),
            tests=counts["tests"] - counts["skipped"],
            failed=failed,
            ended_badly={session: code} if code else {},
        )

    path = config.reports_dir / session / "summary.json"
    return read_document(path, config.root, parse, remedy=f"nox -s {session}")


def _said(failure: Mapping[str, Any]) -> str:
    mishaps = failure.get("mishaps") or [{}]
    lines = str(mishaps[-1].get("message") or failure["outcome"]).strip().splitlines()
    return (lines or [""])[0][:CUT]
