"""Runs on a real Dask cluster: every test once, killers named, differing machines refused."""

import contextlib
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from benchmarks import cluster as cluster_bench
from toolkit.cluster import runs
from toolkit.cluster.batches import Answer, Batch, journal_lines, run_batch
from toolkit.cluster.runs import ClusterRun, Settings
from toolkit.cluster.sameness import Sameness, differences, here, project_files
from toolkit.errors import EnvironmentFailed
from toolkit.records import Attempt, NodeId
from toolkit.scheduling.jobs import Job
from toolkit.scheduling.seats import Pacing

SUITE = """
import os, pytest
@pytest.mark.parametrize("i", range(6))
def test_fine(i): pass
def test_bad(): assert 0
"""
DEADLY = """
import os
def test_before(): pass
def test_deadly(): os._exit(9)
def test_after(): pass
"""
OURS = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTEST_ADDOPTS": "-p xdist -p toolkit"}
"""Batches load no other plugins: importing all that are installed here costs more than their tests."""
TESTS = [f"test_a.py::test_fine[{number}]" for number in range(6)] + ["test_a.py::test_bad"]
DEADLY_TESTS = [f"test_b.py::test_{name}" for name in ("before", "deadly", "after")]


pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("unmeasured")]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("TOOLKIT_RUN_DIR", "TOOLKIT_RUN_ID", "PYTEST_XDIST_WORKER", "PYTEST_ADDOPTS"):
        monkeypatch.delenv(name, raising=False)
    root = tmp_path / "project"
    root.mkdir()
    (root / "pyproject.toml").write_text("[tool.toolkit]\n")
    (root / "test_a.py").write_text(SUITE)
    (root / "test_b.py").write_text(DEADLY)
    return root


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real scheduler and two real workers with one thread each, in processes of their own.

    Not in this one: their threads draw random numbers, which hypothesis forbids while it draws its own.
    """
    folder = tmp_path_factory.mktemp("cluster")
    file = folder / "scheduler.json"
    scheduler = ["dask_scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard"]
    worker = ["dask_worker", "--nthreads", "1", "--no-nanny", "--host", "127.0.0.1", "--no-dashboard"]
    with contextlib.ExitStack() as stack:
        for command in (scheduler, worker, worker):
            stack.enter_context(_process(command, file, folder))
        end = time.monotonic() + 60
        while not file.exists() or "tcp://" not in file.read_text("utf-8"):
            assert time.monotonic() < end, "no scheduler after a minute"
            time.sleep(0.05)
        yield msgspec.json.decode(file.read_bytes())["address"]


@contextlib.contextmanager
def _process(command: list[str], file: Path, folder: Path) -> Iterator[None]:
    words = [
        sys.executable,
        "-m",
        f"distributed.cli.{command[0]}",
        "--scheduler-file",
        str(file),
        *command[1:],
    ]
    environ = {
        key: value for key, value in os.environ.items() if not key.startswith(("PYTEST_", "COVERAGE_"))
    }
    process = subprocess.Popen(
        words, cwd=folder, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        yield
    finally:
        process.kill()
        process.wait()


def settings_for(project: Path, address: str, **changes: Any) -> Settings:
    settings = Settings(
        address=address,
        root=str(project),
        arguments=("-p", "no:cacheprovider", "-p", "no:randomly"),
        environ=OURS,
        sameness=here(project),
        patience=5.0,
        pacing=Pacing(batch=4.0, least=1.0, share=0.5, holds=False),
    )
    return msgspec.structs.replace(settings, **changes)


def jobs_of(tests: list[str], **traits: Any) -> list[Job]:
    return [Job(test=NodeId(test), duration=1.0, known=True, **traits) for test in tests]


def test_a_batch_runs_in_a_process_of_its_own(project: Path) -> None:
    batch = Batch(
        tests=(NodeId(TESTS[6]), NodeId(TESTS[2])),
        root=str(project),
        arguments=("-p", "no:randomly"),
        environ={**OURS, "SAID": "hello"},
        sameness=here(project).digest,
    )
    answer = run_batch(batch)
    attempts = [line for line in journal_lines(answer) if isinstance(line, Attempt)]
    assert [attempt.test for attempt in attempts] == list(batch.tests)
    assert answer.code == 1
    assert len(answer.reports.splitlines()) == 6
    assert not list((project / ".toolkit").glob("runs/*")), "nothing is left on the machine"
    refused = run_batch(msgspec.structs.replace(batch, sameness="other"))
    assert refused.differs == here(project)


def test_torn_journals_of_a_killed_batch_are_read_up_to_the_tear() -> None:
    answer = Answer(machine="m", journals=b'{"kind":"finished","finished":1.0,"exit_code":0}\n{"kind":"att')
    assert len(journal_lines(answer)) == 1


def test_every_test_counts_once(project: Path, address: str) -> None:
    results = list(ClusterRun(jobs_of(TESTS), settings_for(project, address)).results())
    counted = Counter(test for result in results for test in result.tests)
    assert counted == Counter(map(NodeId, TESTS))
    outcomes = Counter(str(attempt.outcome) for result in results for attempt in result.attempts)
    assert outcomes == {"passed": 6, "failed": 1}
    assert len(results) > 1, "more than one batch"


def test_a_test_that_kills_its_process_is_named_and_the_rest_runs(project: Path, address: str) -> None:
    said: list[str] = []
    run = ClusterRun(jobs_of([*DEADLY_TESTS, *TESTS]), settings_for(project, address), say=said.append)
    results = list(run.results())
    counted = Counter(test for result in results for test in result.tests)
    assert counted == Counter(map(NodeId, {*DEADLY_TESTS, *TESTS} - {DEADLY_TESTS[1]}))
    assert [result.crashed for result in results if result.crashed] == [NodeId(DEADLY_TESTS[1])]
    assert sum("killed its process" in line for line in said) == 2


def test_a_batch_that_the_cluster_gives_up_is_split_until_the_one_test_is_found(
    project: Path, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when a batch kills the machines that get it, and Dask ends it with an error."""
    deadly = TESTS[3]

    def run(batch: Batch) -> Answer:
        if deadly in batch.tests:
            raise MemoryError("the machine is gone")
        return run_batch(batch)

    monkeypatch.setattr(runs, "run_batch", run)
    results = list(ClusterRun(jobs_of(TESTS), settings_for(project, address)).results())
    counted = Counter(test for result in results for test in result.tests)
    assert counted == Counter(map(NodeId, set(TESTS) - {deadly}))
    assert [result.crashed for result in results if result.crashed] == [deadly]


def test_a_batch_on_a_machine_that_does_not_answer_is_sent_again_and_counted_once(
    project: Path, address: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def run(batch: Batch) -> Answer:
        """The first batch answers nothing until another machine has it as well."""
        cut, again = tmp_path / "cut", tmp_path / "again"
        try:
            with cut.open("x", encoding="utf-8") as stream:
                stream.write(str(batch.tests))
        except FileExistsError:
            if cut.read_text(encoding="utf-8") == str(batch.tests):
                again.touch()
        else:
            deadline = time.monotonic() + 60
            while not again.exists() and time.monotonic() < deadline:
                time.sleep(0.05)
        return run_batch(batch)

    monkeypatch.setattr(runs, "run_batch", run)
    monkeypatch.setattr(runs, "LATE_FACTOR", 0.1)
    monkeypatch.setattr(runs, "LATE_SECONDS", 1.0)
    said: list[str] = []
    results = list(ClusterRun(jobs_of(TESTS[:3]), settings_for(project, address), say=said.append).results())
    counted = Counter(test for result in results for test in result.tests)
    assert counted == Counter(map(NodeId, TESTS[:3]))
    assert any("is late" in line for line in said)


@pytest.mark.isolated  # a client that lost its scheduler goes on trying in a thread, by chance
@pytest.mark.slow
@pytest.mark.parametrize("scenario", ["killed", "cut", "scheduler"])
def test_totals_are_those_of_one_machine_whatever_dies(scenario: str, tmp_path: Path) -> None:
    """Separate processes; killed with -9 in the middle of the run (benchmarks/cluster.py repeats it)."""
    files = 2
    root = cluster_bench.make_project(tmp_path / "project", files)
    counts = {"passed": 25 * files, "failed": files, "skipped": files}
    alone = {"printed": counts, "recorded": counts, "code": 1}
    with cluster_bench.Cluster(3, namespaces=False, folder=tmp_path) as cluster:
        cluster.wait()
        found = cluster_bench.rehearse(scenario, root, cluster)
    assert cluster_bench.same(found, alone), found["output"]
    assert found["before"], "it happened in the middle"


def test_serial_and_exclusive_tests_run_on_a_cluster(project: Path, address: str) -> None:
    jobs = [*jobs_of(TESTS[:2], serial=True), *jobs_of(TESTS[2:4], uses=("x",)), *jobs_of(TESTS[4:])]
    results = list(ClusterRun(jobs, settings_for(project, address)).results())
    counted = Counter(test for result in results for test in result.tests)
    assert counted == Counter(map(NodeId, TESTS))
    spans = {
        attempt.test: (attempt.started, attempt.started + attempt.duration)
        for result in results
        for attempt in result.attempts
    }
    for serial in map(NodeId, TESTS[:2]):
        begin, end = spans[serial]
        assert not [
            test for test, span in spans.items() if test != serial and span[0] < end and begin < span[1]
        ]


def test_a_machine_with_other_code_is_refused_by_name(project: Path, address: str) -> None:
    wanted = here(project)
    other = msgspec.structs.replace(wanted, files={**wanted.files, "test_a.py": "changed"})
    run = ClusterRun(jobs_of(TESTS), settings_for(project, address, sameness=other))
    with pytest.raises(EnvironmentFailed, match=r"file test_a\.py differs"):
        list(run.results())


@pytest.mark.isolated  # a client that lost its scheduler goes on trying in a thread, by chance
def test_without_a_scheduler_the_run_ends_with_the_address(project: Path) -> None:
    run = ClusterRun(jobs_of(TESTS), settings_for(project, "tcp://127.0.0.1:9", patience=0.5))
    with pytest.raises(EnvironmentFailed, match=r"tcp://127\.0\.0\.1:9"):
        list(run.results())


def test_a_project_that_cannot_be_run_says_what_pytest_printed(project: Path, address: str) -> None:
    (project / "conftest.py").write_text("raise RuntimeError('no way')\n")
    run = ClusterRun(jobs_of(TESTS), settings_for(project, address))
    with pytest.raises(EnvironmentFailed, match="no way"):
        list(run.results())


def test_differences_name_python_packages_and_files() -> None:
    mine = Sameness(python="CPython 3.12", packages={"a": "1", "b": "1"}, files={"x.py": "1", "y.py": "1"})
    theirs = Sameness(python="CPython 3.13", packages={"a": "2", "c": "1"}, files={"x.py": "1", "z.py": "1"})
    lines = differences(mine, theirs)
    assert "Python is CPython 3.13, here CPython 3.12" in lines
    assert "package a differs: 2, here 1" in lines
    assert "package b is missing there" in lines
    assert "package c is only there" in lines
    assert "file y.py is missing there" in lines
    assert differences(mine, mine) == []
    many = msgspec.structs.replace(mine, files={f"{number}.py": "0" for number in range(20)})
    assert differences(mine, many)[-1].startswith("and ")


def test_files_of_a_project_are_those_of_git_or_all_but_caches(project: Path) -> None:
    (project / "__pycache__").mkdir()
    (project / "__pycache__" / "x.pyc").write_bytes(b"")
    assert set(project_files(project)) == {"pyproject.toml", "test_a.py", "test_b.py"}


def test_pytest_on_a_cluster_prints_and_records_one_result(
    pytester: pytest.Pytester, project: Path, address: str
) -> None:
    (project / "test_b.py").unlink()
    os.chdir(project)
    arguments = [
        "--cluster",
        address,
        "-n",
        "3",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:randomly",
        "--junitxml=out.xml",
    ]
    result = pytester.run(sys.executable, "-m", "pytest", *arguments, timeout=120)
    with contextlib.suppress(FileNotFoundError):
        os.chdir(pytester.path)
    result.assert_outcomes(passed=6, failed=1)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert 'tests="7"' in (project / "out.xml").read_text()
    from toolkit.journal import read_run

    (folder,) = (project / ".toolkit" / "runs").iterdir()
    record = read_run(folder)
    assert record.complete
    assert len(record.cases) == 7
    assert all(len(case.attempts) == 1 for case in record.cases)
