"""The weekly run on the example: exactly the garbage goes, and a second run finds nothing."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from toolkit.config import load_config
from toolkit.databases.marks import mark_text
from toolkit.databases.owners import DatabaseOwner, living_owners
from toolkit.databases.server import Server
from toolkit.errors import EnvironmentFailed
from toolkit.journal import Journal
from toolkit.leases.store import open_leases
from toolkit.leases.sweeping import Sweep, Swept
from toolkit.maintenance.collection import Comparison, Difference
from toolkit.records import Attempt, NodeId, Outcome, RunFinished, RunStarted
from toolkit.services import provisioning
from toolkit.smells.checking import check_paths
from toolkit.tasks import maintenance_steps

pytestmark = pytest.mark.usefixtures("unmeasured")

EXAMPLE = Path(__file__).parents[2] / "docs" / "example"
DAY = 86_400.0
Run = Callable[..., tuple[int, str, str]]

DATABASES = """
import sys
from toolkit.databases.owners import DatabaseOwner
from toolkit.databases.marks import mark_text, owned_name
owner = DatabaseOwner(sys.argv[1])
for number in range(2):
    name = owned_name("clone", owner.number, owner.next_number())
    owner.server.create(name, comment=mark_text(owner.mark("clone")))
    print(name, flush=True)
sys.stdin.read()
"""

SERVICES = """
import sys
from pathlib import Path
from toolkit.config import load_config
from toolkit.leases.store import open_leases
from toolkit.services.provisioning import running
config = load_config(Path(sys.argv[1]))
with open_leases() as store, running(config, ["cache"], runtime=sys.argv[2], store=store):
    print("up", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    for name in [name for name in os.environ if name.endswith("_URL") or name.startswith("TOOLKIT_RUN")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("TOOLKIT_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("TOOLKIT_CACHE_HOME", str(tmp_path / "cache"))
    root = tmp_path / "example"
    shutil.copytree(
        EXAMPLE, root, ignore=shutil.ignore_patterns(".toolkit", "reports", ".nox", "__pycache__")
    )
    monkeypatch.chdir(root)
    with tempfile.TemporaryDirectory(prefix="tk-") as data:  # the name of a socket has 107 bytes
        monkeypatch.setenv("TOOLKIT_DATA_HOME", data)
        yield root


def end(child: "subprocess.Popen[str]") -> None:
    """Kill -9, as a machine that runs out of memory does."""
    child.send_signal(signal.SIGKILL)
    child.wait()
    for stream in (child.stdin, child.stdout):
        assert stream is not None
        stream.close()


def started(script: str, *words: str, lines: int) -> "tuple[subprocess.Popen[str], list[str]]":
    child = subprocess.Popen(
        [sys.executable, "-c", script, *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    return child, [child.stdout.readline().strip() for _ in range(lines)]


def recorded(root: Path, run: str, days: float) -> Path:
    """Record a run, as many days ago."""
    then = time.time() - days * DAY
    folder = root / ".toolkit" / "runs" / run
    journal = Journal(folder, "controller")
    journal.write(RunStarted(run=run, started=then, project="bookshop"))
    journal.write(Attempt(test=NodeId("tests/a.py::b"), outcome=Outcome.PASSED, started=then, duration=0.1))
    journal.write(RunFinished(finished=then, exit_code=0))
    journal.close()
    aged(folder / "controller.jsonl", days)
    return folder


def aged(path: Path, days: float) -> Path:
    for each in (path, path.parent):
        os.utime(each, (time.time() - days * DAY,) * 2)
    return path


def report(root: Path, name: str, days: float) -> Path:
    path = root / "reports" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("x", encoding="utf-8")
    return aged(path, days)


STEPS = ("artifacts", "smells", "inventory", "slow", "databases", "services", "history")
REMOVING = ("artifacts", "databases", "services", "history")


def maintained(invoke: Run, *words: str) -> tuple[int, dict[str, Any]]:
    steps = [word for step in STEPS for word in ("--step", step)]
    code, out, err = invoke("maintenance.weekly", *steps, "--json", *words)
    assert out, err
    return code, {step["name"]: step for step in json.loads(out)["steps"]}


def gone(steps: dict[str, Any]) -> dict[str, list[str]]:
    return {
        name: sorted(item["what"] for item in steps[name]["items"] if item["action"] in {"remove", "drop"})
        for name in REMOVING
    }


@pytest.fixture
def server(project: Path) -> Iterator[Server]:
    """The example's database, up and owned by this process."""
    with open_leases() as store:
        up = provisioning.up(
            load_config(project), ["database"], owner=store.owner("process"), store=store, runtime="embedded"
        )
        with Server(up.urls["DATABASE_URL"]) as opened:
            yield opened
        provisioning.down(store, up.id)


@pytest.mark.slow
@pytest.mark.parametrize(
    "runtime", ["embedded", pytest.param("compose", marks=pytest.mark.uses("engine"), id="compose")]
)
def test_exactly_the_garbage_goes_and_the_second_run_finds_nothing(
    project: Path, server: Server, invoke: Run, runtime: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if runtime == "compose":
        from tests.runtimes import require_engine

        require_engine()
    else:
        monkeypatch.setenv("DOCKER_HOST", f"unix://{project}/no.sock")
    child, databases = started(DATABASES, server.url, lines=2)
    end(child)
    while any(f"{number:016x}" in name for number in living_owners(server) for name in databases):
        time.sleep(0.01)  # the server notices a dead client in its own time
    child, _ = started(SERVICES, str(project), runtime, lines=1)
    end(child)
    old = [recorded(project, "20250101T000000-aaaaaa", 400), recorded(project, "20261101T000000-bbbbbb", 9)]
    new = recorded(project, "20261121T000000-cccccc", 1)
    old_report, new_report = report(project, "old/junit.xml", 31), report(project, "summary.json", 29)
    smelly = project / "tests" / "unit" / "test_garbage.py"
    smelly.write_text(
        "import time\n\n\ndef test_garbage():\n    time.sleep(1)\n    assert 1\n", encoding="utf-8"
    )

    with DatabaseOwner(server.url) as living:
        server.create("in_use_by_a_living_run", comment=mark_text(living.mark("clone")))
        server.create("somebodys")
        kept = {database.name for database in server.databases()} - set(databases)
        with open_leases() as store:
            leases = {lease.id for lease in store.leases()}
        code, planned = maintained(invoke, "--dry-run")
        assert all(path.exists() for path in (*old, new, old_report, new_report))
        assert {database.name for database in server.databases()} == kept | set(databases)
        with open_leases() as store:
            assert {lease.id for lease in store.leases()} == leases
        assert not (project / "reports" / "maintenance.json").exists()
        code, done = maintained(invoke)
        assert code == 1, "a smell needs attention"
        assert gone(done) == gone(planned)
        assert gone(done)["databases"] == sorted(databases)
        assert [item["why"] for item in done["smells"]["items"]] == [
            "TS102 test_garbage waits for a fixed time: time.sleep(1)"
        ]
        assert [path.exists() for path in (*old, old_report, new, new_report)] == [False] * 3 + [True] * 2
        assert {database.name for database in server.databases()} == kept
        assert len(gone(done)["services"]) >= 2
        with open_leases() as store:
            assert all(store.judge(lease.owner).state == "alive" for lease in store.leases())
        assert gone(done)["history"] == ["20250101T000000-aaaaaa"]
        assert "# Maintenance of bookshop" in (project / "reports" / "maintenance.md").read_text("utf-8")

        smelly.unlink()
        code, again = maintained(invoke)
        assert code == 0
        assert {name: again[name]["state"] for name in STEPS} == dict.fromkeys(STEPS, "nothing")
        assert gone(again) == {name: [] for name in REMOVING}
        server.drop("somebodys")


def test_the_example_has_no_smells(project: Path) -> None:
    assert check_paths(load_config(project)).findings == ()


def test_a_failing_step_does_not_stop_the_others_and_shows_in_the_exit_code(
    project: Path, invoke: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_asked: maintenance_steps.Asked) -> Any:
        raise EnvironmentFailed("the disk is full")

    monkeypatch.setitem(maintenance_steps.BODIES, "artifacts", broken)
    code, out, _ = invoke("maintenance.weekly", "--step", "artifacts", "--step", "inventory", "--dry-run")
    assert code == 4
    assert "✘ artifacts: the disk is full" in out
    assert "· inventory: " in out
    assert invoke("maintenance.weekly", "--step", "artefacts")[0] == 2


def test_each_step_is_a_task_and_tells_what_it_lacks(project: Path, invoke: Run) -> None:
    code, out, _ = invoke("maintenance.databases", "--json")
    (step,) = json.loads(out)["steps"]
    assert (code, step["state"]) == (0, "skipped")
    assert "which PostgreSQL server?" in step["summary"]
    code, out, _ = invoke("maintenance.coverage")
    assert (code, "coverage.json: not there" in out) == (0, True)
    code, out, _ = invoke("maintenance.slow")
    assert (code, "no durations yet" in out) == (0, True)
    recorded(project, "20261121T000000-cccccc", 0)
    assert "0 of 1 tests take more than 5 s" in invoke("maintenance.slow")[1]
    assert not (project / "reports").exists()


def test_coverage_is_compared_with_what_is_demanded(project: Path, invoke: Run) -> None:
    def measured(covered: int) -> tuple[int, str]:
        summary = {"num_statements": 10, "covered_lines": covered}
        lines = {"executed_lines": [], "missing_lines": [], "excluded_lines": [], "summary": summary}
        path = project / "reports" / "coverage.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps({"files": {"src/bookshop/__init__.py": lines}}), encoding="utf-8")
        return invoke("maintenance.coverage")[:2]

    assert measured(9)[0] == 0
    code, out = measured(8)
    assert (code, "8 of 10 statements" in out) == (1, True)
    (project / "reports" / "coverage.json").write_text("{", encoding="utf-8")
    assert invoke("maintenance.coverage")[0] == 1


def test_what_cannot_be_read_needs_attention(project: Path, invoke: Run) -> None:
    (project / "tests" / "test_broken.py").write_text("def (:\n", encoding="utf-8")
    for step in ("smells", "inventory"):
        code, out, _ = invoke(f"maintenance.{step}", "--dry-run")
        assert (code, "look tests/test_broken.py: cannot be read" in out) == (1, True)


def test_runs_stay_for_ever_when_that_is_said(project: Path, invoke: Run) -> None:
    with (project / "pyproject.toml").open("a", encoding="utf-8") as stream:
        stream.write("\n[tool.toolkit.maintenance]\nhistory_days = 0\n")
    code, out, _ = invoke("maintenance.history")
    assert (code, "- history: maintenance.history_days is 0" in out) == (0, True)


def test_what_could_not_be_removed_fails_the_step(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    row = Swept(id="1", kind="folder", name="x", project="p", why="Permission denied")
    monkeypatch.setattr(maintenance_steps, "sweep_everything", lambda *_a, **_k: Sweep(failed=(row,)))
    asked = maintenance_steps.asked_now(load_config(project), dry_run=False, python="")
    outcome = maintenance_steps.services(asked)
    assert (outcome.state, outcome.items[0].action) == ("failed", "could not remove")


def test_processes_that_collect_other_tests_are_told(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = Difference(process="worker gw1 of 2", missing=("a", "b"))
    found = Comparison(tests=9, processes=8, differences=(other,))
    monkeypatch.setattr(maintenance_steps, "compare_collections", lambda *_a, **_k: found)
    asked = maintenance_steps.asked_now(load_config(project), dry_run=False, python="py")
    outcome = maintenance_steps.collection(asked)
    assert outcome.state == "attention"
    assert outcome.items[0].why == "misses 2, has 0 more; first: a"


def test_the_page_is_inert_whatever_files_are_called(project: Path, invoke: Run) -> None:
    name = "</script><script>alert(1)<!--"
    report(project, f"{name.replace('/', '_')}\n.txt", 31)
    code, _, _ = invoke("maintenance.weekly", "--step", "artifacts")
    assert code == 0
    page = (project / "reports" / "maintenance.html").read_text("utf-8")
    _, _, data = page.partition('<script id="data" type="application/json">')
    told = json.loads(data.partition("</script>")[0])
    assert told["steps"][0]["items"][0]["what"].startswith("reports/<_script><script>alert(1)")
    assert page.count("<script") == 2
    assert "default-src 'none'" in page
    assert json.loads((project / "reports" / "maintenance.json").read_text("utf-8")) == told


def test_the_schedule_is_printed(project: Path, invoke: Run) -> None:
    code, out, _ = invoke("maintenance.schedule", "cron", "--at", "Sun 04:00", "--python", "py")
    assert (code, out) == (0, f"0 4 * * 0 cd {project} && py -m toolkit.program maintenance.weekly\n")
    assert invoke("maintenance.schedule", "cronn")[0] == 2


@pytest.mark.slow
def test_parameters_out_of_a_set_are_found(
    project: Path, invoke: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With real pytest, in as many processes as it takes."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")  # the others cost a second a process
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    shutil.rmtree(project / "tests")
    (project / "pyproject.toml").write_text('[tool.toolkit]\ntests = ["tests"]\n', encoding="utf-8")
    (project / "tests").mkdir()
    suite = "import pytest\n@pytest.mark.parametrize('word', {})\ndef test_it(word): assert word\n"
    words = [f"word{number}" for number in range(9)]
    (project / "tests" / "test_a.py").write_text(suite.format(set(words)), encoding="utf-8")
    code, out, _ = invoke("maintenance.collection", "--dry-run", "--python", sys.executable)
    assert code == 1
    assert "8 processes collect 9 tests" in out
    assert "another order from tests/test_a.py::test_it[word" in out
