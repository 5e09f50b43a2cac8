"""Every worker of every run has its own folder, ports and name."""

import itertools
import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.errors import EnvironmentFailed
from toolkit.plugin.isolation import (
    BLOCK,
    FIRST_PORT,
    LAST_PORT,
    LOOPBACK,
    blocks,
    can_listen,
    claim_ports,
    ephemeral_ports,
    namespace,
)
from toolkit.plugin.worker import Worker, this_worker

Run = Callable[..., pytest.RunResult]

HOLDER = """
import sys
from toolkit.plugin.isolation import claim_ports
ports = claim_ports()
print(ports.first, ports.last, flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, Worker(id="main", index=0, count=1)),
        ({"PYTEST_XDIST_WORKER": "master"}, Worker(id="main", index=0, count=1)),
        (
            {"PYTEST_XDIST_WORKER": "gw12", "PYTEST_XDIST_WORKER_COUNT": "16"},
            Worker(id="gw12", index=12, count=16),
        ),
        ({"PYTEST_XDIST_WORKER": "remote"}, Worker(id="remote", index=0, count=1)),
        (
            {"PYTEST_XDIST_WORKER": "gw1", "PYTEST_XDIST_WORKER_COUNT": "?"},
            Worker(id="gw1", index=1, count=1),
        ),
    ],
)
def test_the_worker_is_what_the_runner_says(environ: dict[str, str], expected: Worker) -> None:
    assert this_worker(environ) == expected


def test_workers_share_nothing(pytester: pytest.Pytester, run: Run, active: Path) -> None:
    """Four workers: four identities, folders, port ranges and names, and each test gets a port it can use."""
    pytester.makepyfile(
        """
        import json, pathlib, pytest, socket, time
        @pytest.mark.parametrize("x", range(8))
        def test_take(x, worker, worker_tmp, worker_ports, free_port, worker_namespace):
            with socket.create_server(("127.0.0.1", free_port)):
                assert free_port in worker_ports
                again = worker_ports.take()
                assert again != free_port
            mine = [worker.id, str(worker_tmp), list(worker_ports), worker_namespace]
            pathlib.Path(f"{worker.id}.json").write_text(json.dumps(mine))
            time.sleep(0.05)
        def test_index(worker):
            assert worker.id == f"gw{worker.index}" and worker.count == 3
        """
    )
    run("-n3", "--dist=load").assert_outcomes(passed=9)
    found = [json.loads(path.read_text(encoding="utf-8")) for path in active.glob("gw*.json")]
    assert len(found) >= 2
    ports = [port for _, _, taken, _ in found for port in taken]
    assert len(ports) == len(set(ports)) == len(found) * (BLOCK - 1)
    assert len({folder for _, folder, _, _ in found}) == len({name for *_, name in found}) == len(found)


def test_a_session_inside_a_worker_is_no_worker(pytester: pytest.Pytester, run: Run, active: Path) -> None:
    """The variables of xdist are inherited by what a test starts; they name the outer worker."""
    pytester.makepyfile(
        test_outer="""
        import subprocess, sys
        def test_outer(tmp_path):
            (tmp_path / "pytest.ini").write_text("[pytest]")
            (tmp_path / "test_inner.py").write_text("def test_inner(worker): assert worker.id == 'main'")
            subprocess.run([sys.executable, "-m", "pytest", "--no-record"], cwd=tmp_path, check=True)
        """
    )
    run("-n1").assert_outcomes(passed=1)


def test_kill_minus_nine_gives_a_range_back() -> None:
    """No file and no clock tells whose it is: the kernel does."""
    starts = blocks(ephemeral_ports())
    lower = [start for start in starts if start < ephemeral_ports()[0] - BLOCK] or starts
    with closing(claim_ports(lower[::-1])) as free:  # others take the lowest
        start = free.first - 1
    command = [sys.executable, "-c", HOLDER.replace("claim_ports()", f"claim_ports([{start}])")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == f"{start + 1} {start + BLOCK - 1}\n"
        with pytest.raises(EnvironmentFailed):
            claim_ports([start])
        holder.kill()
    with closing(claim_ports([start])) as again:
        assert again.first == start + 1


def test_runs_on_one_machine_have_different_ports() -> None:
    holders = [
        subprocess.Popen(
            [sys.executable, "-c", HOLDER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(3)
    ]
    try:
        ranges = [tuple(map(int, holder.stdout.readline().split())) for holder in holders if holder.stdout]
        with closing(claim_ports()) as ours:
            firsts = sorted([*(first for first, _ in ranges), ours.first])
            assert all(b - a >= BLOCK for a, b in itertools.pairwise(firsts))
    finally:
        for holder in holders:
            with holder:
                holder.kill()


def test_a_port_on_which_somebody_listens_is_passed_over() -> None:
    with closing(claim_ports()) as ports, socket.create_server((LOOPBACK, ports.first)):
        assert not can_listen(ports.first)
        assert ports.take() == ports.first + 1
        assert repr(ports) == f"PortRange({ports.first}-{ports.last})"
        assert next(iter(ports)) in ports
        assert "x" not in ports


def test_ports_that_run_out_are_an_error_that_says_what_to_do() -> None:
    with closing(claim_ports()) as ports:
        servers = [socket.create_server((LOOPBACK, port)) for port in ports]
        try:
            with pytest.raises(EnvironmentFailed, match=f"no free port in {ports.first}-{ports.last}"):
                ports.take()
        finally:
            for server in servers:
                server.close()
        with pytest.raises(EnvironmentFailed, match="all 1 port ranges"):
            claim_ports([ports.first - 1])


@given(st.integers(1, 65_535), st.integers(1, 65_535))
def test_ranges_are_disjoint_and_those_of_outgoing_connections_come_last(low: int, high: int) -> None:
    starts = blocks((low, high))
    assert len(starts) == len(set(starts)) == (LAST_PORT - FIRST_PORT + 1) // BLOCK
    assert all(FIRST_PORT <= start <= LAST_PORT - BLOCK + 1 for start in starts)
    clashes = [start <= high and start + BLOCK > low for start in starts]
    assert clashes == sorted(clashes)


def test_the_range_of_outgoing_connections_has_a_default(tmp_path: Path) -> None:
    assert ephemeral_ports(tmp_path / "absent") == (49_152, 65_535)
    file = tmp_path / "range"
    file.write_text("32768\t60999\n", encoding="ascii")
    assert ephemeral_ports(file) == (32_768, 60_999)


@given(st.text(), st.lists(st.one_of(st.integers(), st.text(st.characters(codec="utf-8"))), max_size=3))
def test_a_name_is_safe_for_every_service(worker: str, origin: list[object]) -> None:
    name = namespace(worker, *origin)
    assert re.fullmatch(r"t_[0-9a-f]{10}_[a-z0-9]{0,24}", name)
    assert name == namespace(worker, *origin)
    assert name != namespace(worker, *origin, os.getpid())
