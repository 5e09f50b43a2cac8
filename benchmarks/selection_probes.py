"""Plugins of pytest that the runs of ``selection.py`` load: what came out, and what was entered."""

OUTCOMES = """
import json, os
results = {}
def pytest_runtest_logreport(report):
    bad = report.failed
    results[report.nodeid] = results.get(report.nodeid, False) or bad
def pytest_collectreport(report):
    if report.failed:
        results["collecting " + report.nodeid] = True
def pytest_sessionfinish():
    with open(os.environ["PROBE_FILE"], "w") as stream:
        json.dump(results, stream)
"""
ENTERED = """
import json, os, sys
import pytest
entered, here, top = {}, set(), os.getcwd() + os.sep
def note(code, _offset):
    if not code.co_filename.startswith(top):
        return sys.monitoring.DISABLE
    here.add(f"{code.co_filename[len(top):]}:{code.co_firstlineno}")
if hasattr(sys, "monitoring"):
    sys.monitoring.use_tool_id(3, "needed")
    sys.monitoring.register_callback(3, sys.monitoring.events.PY_START, note)
    sys.monitoring.set_events(3, sys.monitoring.events.PY_START)
shared = {}
@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_fixture_setup(fixturedef, request):
    before = set(here)
    here.clear()
    try:
        return (yield)
    finally:
        if fixturedef.scope != "function":
            shared[id(fixturedef)] = (fixturedef, set(here))
        here.update(before)
def pytest_collection_finish():
    entered.update(dict.fromkeys(here))  # imports need them: nobody knows by whom
@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item):
    here.clear()
    result = yield
    for place in here:
        if entered.setdefault(place, []) is not None:
            entered[place].append(item.nodeid)
    return result
@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown(item):
    for definition in getattr(item._request, "_fixture_defs", {}).values():
        here.update(shared.get(id(definition), (None, ()))[1])
    return (yield)
def pytest_sessionfinish():
    with open(os.environ["PROBE_FILE"], "w") as stream:
        json.dump(entered, stream)
"""
