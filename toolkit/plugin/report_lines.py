"""Reports of tests that ran in another process, as lines of a file."""

import base64
import contextlib
import json
from collections.abc import Iterable, Iterator
from typing import Any

import pytest


def pack(config: pytest.Config, report: pytest.TestReport) -> bytes:
    """Return one line for a report, as xdist would send it: tuples stay tuples."""
    import execnet

    data: Any = config.hook.pytest_report_to_serializable(config=config, report=report)
    try:
        packed = execnet.dumps(data)
    except execnet.DumpError:  # something in user_properties that only this process understands
        packed = execnet.dumps(json.loads(json.dumps(data, default=repr)))
    return base64.b64encode(packed) + b"\n"


def unpack(config: pytest.Config, lines: Iterable[bytes]) -> Iterator[pytest.TestReport]:
    """Yield the reports of whole lines; a process may have died while it wrote the last one."""
    import execnet

    for line in lines:
        with contextlib.suppress(ValueError, execnet.DataFormatError):
            data = execnet.loads(base64.b64decode(line, validate=True))
            yield config.hook.pytest_report_from_serializable(config=config, data=data)
