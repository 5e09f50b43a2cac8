"""On an xdist worker: run what you hold, then wait.

A worker of xdist starts a test only when it knows the next one. So a scheduler that wants one test to run
*now*, and to decide later what follows, has nothing to say. We let it send a *pause*: the index of a test
counted from the end of the list (negative). The worker takes that test for the next one, as far as the
tear-down of fixtures is concerned, runs what it holds, and on reaching the pause waits without running it.
"""

from typing import Any

import pytest


def understands_pauses(interactor: Any) -> bool:
    """Whether xdist's worker (object or class) has the parts that a pause needs."""
    wanted = ("run_one_test", "sendevent")
    return all(callable(getattr(interactor, name, None)) for name in wanted)


def find_interactor(config: pytest.Config) -> Any | None:
    """Return xdist's object that runs the tests of this worker; None in other processes."""
    for plugin in config.pluginmanager.get_plugins():
        if type(plugin).__name__ == "WorkerInteractor" and hasattr(plugin, "torun"):
            return plugin
    return None


def follows_at_once(interactor: Any | None) -> bool:
    """Whether the worker will begin its next test without waiting for the scheduler."""
    if interactor is None or not isinstance(interactor.nextitem_index, int) or interactor.nextitem_index < 0:
        return False
    return bool(getattr(getattr(interactor, "torun", None), "_items", None))


def teach_pauses(config: pytest.Config) -> bool:
    """Make this worker understand pauses; whether it is a worker at all."""
    interactor = find_interactor(config)
    if interactor is None or not understands_pauses(interactor):
        return False
    run_one_test = interactor.run_one_test

    def run_one_test_or_pause() -> None:
        if isinstance(interactor.nextitem_index, int) and interactor.nextitem_index < 0:
            _pause(interactor)
        else:
            run_one_test()

    interactor.run_one_test = run_one_test_or_pause
    return True


def _pause(interactor: Any) -> None:
    """Wait for what follows, then tear down the fixtures that it does not need."""
    index: int = interactor.nextitem_index
    interactor.item_index = index
    interactor.nextitem_index = interactor.torun.get()
    items = interactor.session.items
    following = items[interactor.nextitem_index] if isinstance(interactor.nextitem_index, int) else None
    call = pytest.CallInfo.from_call(
        lambda: interactor.session._setupstate.teardown_exact(following),  # noqa: SLF001 - as the runner does
        when="teardown",
    )
    if call.excinfo is not None:
        item = items[index]
        report = item.config.hook.pytest_runtest_makereport(item=item, call=call)
        item.ihook.pytest_runtest_logreport(report=report)
    interactor.sendevent("runtest_protocol_complete", item_index=index, duration=0.0)
