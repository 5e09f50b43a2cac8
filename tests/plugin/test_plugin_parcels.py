"""Parcels: whatever a worker tells arrives, in order, and nothing that somebody waits for stays behind."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolkit.journal import read_run
from toolkit.plugin.parcels import PARCELS_KEY, SHORT_SECONDS, Packer, unpack_from
from toolkit.records import Outcome

Event = tuple[str, dict[str, Any]]
Run = Callable[..., pytest.RunResult]

SHORT, LONG = SHORT_SECONDS / 2, SHORT_SECONDS * 2


def report(outcome: str = "passed", seconds: float = SHORT) -> Event:
    return "testreport", {"data": {"outcome": outcome, "duration": seconds}}


EVENTS = st.lists(
    st.sampled_from(
        [
            ("logstart", {}),
            ("logfinish", {}),
            ("runtest_protocol_complete", {"item_index": 1}),
            ("warning_recorded", {}),
            ("workerfinished", {}),
            report(),
            report("failed"),
            report("skipped"),
            report(seconds=LONG),
            ("testreport", {"data": {}}),
        ]
    )
)


class Line:
    """A worker and its controller; ``arrived`` is what the latter has got so far."""

    def __init__(self, *, following: int) -> None:
        self.arrived: list[Event] = []
        self.messages = 0
        self.node = SimpleNamespace(workerinput={}, process_from_remote=self.arrived.append)
        unpack_from(self.node)
        queue = SimpleNamespace(_items=list(range(following)))
        self.interactor = SimpleNamespace(sendevent=self._send, nextitem_index=1, torun=queue)
        self.tell = Packer(self.interactor).tell

    def _send(self, name: str, **details: Any) -> None:
        self.messages += 1
        self.node.process_from_remote((name, details))


@settings(max_examples=50, deadline=None)
@given(EVENTS, st.integers(0, 2))
def test_everything_arrives_in_order_with_the_next_event_that_cannot_wait(
    events: list[Event], following: int
) -> None:
    line = Line(following=following)
    for count, (name, details) in enumerate(events, start=1):
        line.tell(name, **details)
        assert line.arrived == events[: len(line.arrived)]
        waits = (name, details) == report() or name == "logfinish"
        waits |= name == "runtest_protocol_complete" and following > 0
        assert waits or len(line.arrived) == count
    line.tell("workerfinished")
    assert line.arrived == [*events, ("workerfinished", {})]


def test_the_end_of_a_test_is_told_at_once_before_a_pause() -> None:
    line = Line(following=1)
    line.interactor.nextitem_index = -3
    line.tell("runtest_protocol_complete", item_index=0)
    assert line.arrived == [("runtest_protocol_complete", {"item_index": 0})]


def test_a_short_test_that_passes_is_one_message() -> None:
    line = Line(following=1)
    for name, details in [report(), report(), report(), ("logfinish", {}), ("logstart", {})]:
        line.tell(name, **details)
    assert line.messages == 1
    assert len(line.arrived) == 5


def test_what_cannot_be_sent_does_not_stop_what_follows() -> None:
    """What xdist cannot serialize, it refuses; the error that this causes must still get through."""
    line = Line(following=1)
    send, line.interactor.sendevent = line.interactor.sendevent, _refuse
    packer = Packer(line.interactor)
    packer.tell("logfinish")
    with pytest.raises(TypeError):
        packer.tell("logstart")
    packer._send = send
    packer.tell("internal_error", formatted_error="…")
    assert line.arrived == [("internal_error", {"formatted_error": "…"})]


def _refuse(*_: object, **__: object) -> None:
    raise TypeError


def test_the_controller_promises_parcels_only_where_it_gets_the_messages() -> None:
    node = SimpleNamespace(workerinput={})
    unpack_from(node)
    assert PARCELS_KEY not in node.workerinput


@pytest.mark.slow
def test_a_worker_killed_among_short_tests_loses_none_of_their_results(
    pytester: pytest.Pytester, run: Run
) -> None:
    """Also one that dies in the tear-down: of that test only the crash is known, of the others everything."""
    pytester.makepyprojecttoml("[tool.toolkit]\n")
    pytester.makepyfile(
        """
        import os, pytest
        @pytest.fixture
        def deadly():
            yield
            os.kill(os.getpid(), 9)
        @pytest.mark.parametrize("i", range(20))
        def test_before(i): pass
        def test_killed(): os.kill(os.getpid(), 9)
        def test_torn(deadly): pass
        @pytest.mark.parametrize("i", range(20))
        def test_after(i): pass
        """
    )
    result = run("-n", "1", "--order=declared")
    result.assert_outcomes(passed=40, failed=2)
    record = read_run(next((pytester.path / ".toolkit" / "runs").iterdir()))
    crashed = [case.test.rpartition("::")[2] for case in record.cases if case.outcome is Outcome.CRASHED]
    assert crashed == ["test_killed", "test_torn"]
