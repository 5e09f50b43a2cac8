"""The sessions load and fuzz on the services that they name: judged, reported, failed with the reason."""

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import nox.command
import pytest

from toolkit.config import Config, parse_config
from toolkit.errors import UsageError
from toolkit.gates.static import Ran
from toolkit.load.scenarios import LoadScenario
from toolkit.load.verdicts import ActionFigures, LoadResult
from toolkit.load.writing import read_result
from toolkit.services.environment import Endpoint, Environment
from toolkit.sessions import fuzz, load, tools

FIGURES = ActionFigures(name="all", requests=5, mean_ms=1, p50_ms=1, p95_ms=1, p99_ms=1, max_ms=1)
RESULT = LoadResult(
    wanted_rate=20, sent_rate=20, throughput=20, error_rate=0, all=FIGURES, actions=(FIGURES,), errors={},
    late_p99_ms=0.1, client_share=0.1, processes=1,
)  # fmt: skip


class Failed(Exception):
    """What the session says when it fails."""


class Session:
    """As much of a nox session as these bodies use; installs nothing."""

    venv_backend = "none"
    bin = "/venv/bin"
    bin_paths = ("/venv/bin",)

    def __init__(self, *posargs: str, install_only: bool = False, code: int = 0) -> None:
        self.posargs = list(posargs)
        self.said: list[str] = []
        self.ran: list[tuple[str, ...]] = []
        self._code = code
        self._runner = SimpleNamespace(global_config=SimpleNamespace(install_only=install_only))

    def log(self, text: str, *values: object) -> None:
        self.said.append(text % values if values else text)

    def run(self, *words: str) -> None:
        self.ran.append(words)
        if self._code:
            raise nox.command.CommandFailed(f"Returned code {self._code}")


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Config:
    """A project with two scenarios, whose services are up in name only."""
    folder = tmp_path / "tests" / "data" / "load"
    folder.mkdir(parents=True)
    for name in ("browse", "buy"):
        text = 'rate = 20\n[[actions]]\nname = "show"\npath = "/"\n'
        (folder / f"{name}.toml").write_text(text, encoding="utf-8")
    endpoint = Endpoint(service="api", kind="http", runtime="external", url="http://x", variable="API_URL")
    up = Environment(id="e", name="api", project=str(tmp_path), made=0.0, endpoints=(endpoint,))

    @contextlib.contextmanager
    def running(_config: Config, names: list[str], **_: Any) -> Iterator[Environment]:
        assert names == ["api"]
        yield up

    def fail(_session: Session, text: str) -> None:
        raise Failed(text)

    for module in (load, tools):
        monkeypatch.setattr(module, "code_identity", lambda _config: ("c0", "changed"))
    for module in (load, fuzz):
        monkeypatch.setattr(module, "running", running)
        monkeypatch.setattr(module, "fail", fail)
    return parse_config({}, root=tmp_path, environ={})


def test_every_scenario_is_sent_and_reported(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the interpreter of the session; the verdicts decide."""
    asked: list[tuple[str, str]] = []

    def run_load(scenario: LoadScenario, url: str, *, python: str, **_: Any) -> LoadResult:
        asked.append((url, python))
        return RESULT if len(asked) != 3 else msgspec.structs.replace(RESULT, saturated="too busy")

    monkeypatch.setattr(load, "run_load", run_load)
    session: Any = Session()
    load.load(session, config)
    assert asked == [("http://x", "/venv/bin/python")] * 2
    assert [line.partition(": passed")[0] for line in session.said] == ["browse", "buy"]
    written = read_result(config.reports_dir / "load" / "buy.json")
    assert (written.verdict, written.head, written.altered) == ("passed", "c0", ())
    named: Any = Session("buy")
    with pytest.raises(Failed, match=r"^buy: refused$"):
        load.load(named, config)
    with pytest.raises(UsageError, match="nothing"):
        load.load(Session("nothing"), config)  # type: ignore[arg-type]
    load.load(Session(install_only=True), config)  # type: ignore[arg-type]
    assert len(asked) == 3


def test_without_an_environment_of_its_own_the_python_of_nox_sends(config: Config) -> None:
    """``nox --no-venv``, where a session has no folder of programs."""
    session: Any = Session()
    assert load.interpreter(session) == "/venv/bin/python"
    session.bin_paths = None
    assert load.interpreter(session) == sys.executable


def test_without_a_scenario_it_says_what_to_write(config: Config) -> None:
    for file in (config.root / config.load).glob("*.toml"):
        file.unlink()
    with pytest.raises(UsageError, match="no load scenario there"):
        load.load(Session(), config)  # type: ignore[arg-type]


def test_findings_of_schemathesis_fail_the_session(config: Config) -> None:
    good: Any = Session("--max-examples", "5")
    fuzz.fuzz(good, config)
    assert good.ran[0][:3] == ("schemathesis", "run", "http://x/openapi.json")
    assert good.said == [f"report: {config.reports_dir / 'fuzz' / 'junit.xml'}"]
    with pytest.raises(Failed, match="ended with 1; its findings: "):
        fuzz.fuzz(Session(code=1), config)  # type: ignore[arg-type]
    idle: Any = Session(install_only=True)
    fuzz.fuzz(idle, config)
    assert idle.ran == []


@pytest.mark.parametrize(
    ("arguments", "left"),
    [((), True), (("/v2/api.json",), True), (("--max-examples", "1"), False)],
    ids=["all", "other document", "a part"],
)
def test_the_gates_learn_how_schemathesis_ended(
    config: Config, arguments: tuple[str, ...], *, left: bool
) -> None:
    """On which code, and not when it may have asked a part only; what was before is forgotten."""
    file = config.reports_dir / "fuzz" / "tools.json"
    fuzz.fuzz(Session(), config)  # type: ignore[arg-type]
    with pytest.raises(Failed):
        fuzz.fuzz(Session(*arguments, code=1), config)  # type: ignore[arg-type]
    assert file.exists() is left
    if left:
        ran = msgspec.json.decode(file.read_bytes(), type=Ran)
        assert (ran.head, ran.state, ran.exit_codes) == ("c0", "changed", {"schemathesis": 1})
