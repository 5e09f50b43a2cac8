"""Stages run one after the other, steps side by side; whatever happens, nothing runs on."""

import os
import signal
import time
from pathlib import Path

import pytest

from tests.pipeline.conftest import Go, Heard
from toolkit.leases.owners import process_start
from toolkit.pipeline.state import load
from toolkit.pipeline.steps import Place, remove_left_behind, start_step
from toolkit.pipeline.stopping import Stop, listening

pytestmark = [
    pytest.mark.slow,  # what it shows does not depend on the Python
    pytest.mark.skipif(os.name == "nt", reason="its processes act by signals of POSIX"),
]


def statuses(state: object) -> dict[str, str]:
    return {stage.name: stage.status for stage in state.stages}  # type: ignore[attr-defined]


def test_a_stage_begins_when_the_one_before_has_passed(go: Go, heard: Heard) -> None:
    state = go("a b", "c")
    assert state.status == "passed"
    assert sorted(heard.events[:2]) == ["+a", "+b"]
    assert heard.events[4:] == ["+c", "-c"]
    assert heard.most == 2


def test_durations_are_measured(go: Go) -> None:
    state = go("a", "b")
    for stage in state.stages:
        assert stage.seconds is not None
        assert all(0 < (step.seconds or 0) <= stage.seconds for step in stage.steps)
    assert state.seconds >= sum(stage.seconds or 0 for stage in state.stages)


def test_what_comes_after_a_failed_stage_does_not_run(go: Go, heard: Heard) -> None:
    state = go("a fail", "c")
    assert state.status == "failed"
    assert statuses(state) == {"a": "failed", "c": "pending"}
    assert state.stages[0].reason == "fail: exit code 1: fail failed"
    assert "+c" not in heard.events


def test_a_stage_may_go_on_at_failure(go: Go) -> None:
    state = go("fail", "c", on_failure="go-on")
    assert statuses(state) == {"fail": "failed", "c": "passed"}
    assert state.status == "failed"


def test_at_once_limits_what_runs_side_by_side(go: Go, heard: Heard) -> None:
    assert go("a b c", at_once=1).status == "passed"
    assert heard.most == 1


def test_what_nox_skipped_has_not_passed(go: Go) -> None:
    state = go("skip")
    assert state.status == "failed"
    assert state.stages[0].steps[0].status == "skipped"


def test_a_killed_session_has_failed(go: Go) -> None:
    step = go("die").stages[0].steps[0]
    assert (step.status, step.exit_code, step.reason) == ("failed", -9, "signal 9")


def test_output_is_kept_and_the_steps_share_build_and_url(go: Go) -> None:
    (step,) = go("say").stages[0].steps
    assert Path(step.log).read_text() == "something was said, by the-build http://127.0.0.1:1\n"


def test_a_step_that_takes_too_long_has_failed(go: Go) -> None:
    (step,) = go("wait", timeout=0.3).stages[0].steps
    assert (step.status, step.reason) == ("failed", "took longer than 0.3 s")


def test_a_signal_ends_every_step_and_the_pipeline(go: Go, heard: Heard, stop: Stop, place: Place) -> None:
    heard.act = lambda running: stop(signal.SIGINT) if (place.root / "began-wait+b").exists() else None
    state = go("wait wait+b", "c")
    assert state.status == "interrupted"
    assert statuses(state) == {"wait": "interrupted", "c": "pending"}
    assert {step.reason for step in state.stages[0].steps} == {"SIGINT"}
    assert list(place.store.leases()) == []


def test_what_does_not_listen_is_killed(go: Go, heard: Heard, stop: Stop, place: Place) -> None:
    """At once, when Ctrl-C is pressed twice; else after grace seconds, here an hour."""

    def press(_: object) -> None:
        if (place.root / "deaf").exists():
            stop(signal.SIGINT)
            stop(signal.SIGINT)

    heard.act = press
    assert go("deaf", grace=3600.0).status == "interrupted"


def test_nothing_that_a_step_started_runs_on(go: Go, place: Place) -> None:
    """Not even a process in a session of its own."""
    assert go("child").status == "passed"
    child = int((place.root / "child.pid").read_text())
    deadline = time.monotonic() + 30
    while process_start(child) is not None:  # it is killed; when it is gone is up to the kernel
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_resumed_pipeline_runs_what_has_not_passed(go: Go, heard: Heard, place: Place) -> None:
    state = go("a", "b once", "c")
    assert statuses(state) == {"a": "passed", "b": "failed", "c": "pending"}
    before = state.seconds
    heard.events.clear()
    (place.root / "again").touch()
    state = go(state=load(place.folder))
    assert heard.events == ["+once", "-once", "+c", "-c"]
    assert state.status == "passed"
    assert state.seconds > before


def test_the_state_on_disk_is_that_of_every_moment(go: Go, heard: Heard, place: Place) -> None:
    seen: list[str] = []
    heard.act = lambda _: seen.append(load(place.folder).stages[0].steps[0].status)
    state = go("a", "b")
    assert seen[0] == "running"
    assert load(place.folder) == state


def test_steps_of_a_killed_pipeline_are_stopped(place: Place, tmp_path: Path, go: Go) -> None:
    """Only those whose pipeline is dead."""
    del go
    from toolkit.pipeline.state import StepState

    step = start_step(place, "s", StepState(session="wait"), attempt=1)
    assert remove_left_behind(place.store, tmp_path) == 0
    dead = place.owner.__class__(
        id="0" * 12, kind="process", machine=place.owner.machine, pid=2**22 - 1, started="1"
    )
    place.store.update(step.lease, owner=dead)
    assert remove_left_behind(place.store, tmp_path / "another project") == 0
    assert remove_left_behind(place.store, tmp_path) == 1
    assert process_start(int(step.lease.what["pid"])) is None


def test_what_does_not_listen_gets_some_time(go: Go, heard: Heard, stop: Stop, place: Place) -> None:
    heard.act = lambda _: stop(signal.SIGTERM) if (place.root / "deaf").exists() else None
    state = go("deaf", grace=0.1)
    assert state.stages[0].steps[0].reason == "SIGTERM"


def test_signals_are_noted_and_handlers_put_back() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with listening() as stop:
        assert stop.exit_code == 0
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGINT)
        assert (stop.signal, stop.times, stop.exit_code) == (signal.SIGTERM, 2, 143)
    assert signal.getsignal(signal.SIGTERM) is before
