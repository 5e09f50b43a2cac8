"""Variables read through ``os.environ``: names of what tests and the code under test ask for.

``os.environ`` passes every name through its ``encodekey``; that function is wrapped. Iterating passes every
name through ``decodekey``, which counts as reading all of them, except for a copy (as made for child
processes, which are followed in their own way).
"""

import os
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

IGNORED_PREFIXES = ("PYTEST_", "TOOLKIT_", "COV_", "COVERAGE_", "_PYTEST", "_TOOLKIT")
"""Variables of the runner itself."""

OF_THE_SHELL = frozenset({"PWD", "OLDPWD", "SHLVL", "_"})
"""Variables that change with every step in a shell and that no program should depend on."""

PLUMBING = ("os.py", "_collections_abc.py", "<frozen os>", "<frozen _collections_abc>")
"""Ends of file names between the mapping and whoever reads."""

NOT_READING = (
    f"{os.sep}_pytest{os.sep}",
    f"{os.sep}unittest{os.sep}mock.py",
    f"{os.sep}xdist{os.sep}",
    f"{os.sep}coverage{os.sep}",
    f"{os.sep}pytest_cov{os.sep}",
    f"{os.sep}subprocess.py",
    f"{os.sep}tempfile.py",
    f"{os.sep}toolkit{os.sep}tracing{os.sep}",
    f"{os.sep}toolkit{os.sep}plugin{os.sep}",
    f"{os.sep}execnet{os.sep}",
)
"""Parts of file names of code that reads variables for itself or to put them back later."""


class EnvironWatch:
    """Reports names read through ``os.environ`` until :meth:`stop`.

    Args:
        touch: is told about a name that was read.
        known: tells that it need not be told once more: looking who reads is what costs.
    """

    def __init__(self, touch: Callable[[str, str], None], known: Callable[[str, str], bool]) -> None:
        self._touch = touch
        self._known = known
        environ: Any = os.environ
        self._encode = environ.encodekey
        self._decode = environ.decodekey
        environ.encodekey = self._encoding
        environ.decodekey = self._decoding

    def stop(self) -> None:
        """Put the mapping's own functions back."""
        environ: Any = os.environ
        environ.encodekey, environ.decodekey = self._encode, self._decode

    def _encoding(self, name: Any) -> Any:
        if isinstance(name, str) and not name.startswith(IGNORED_PREFIXES):
            self._note(name, sys._getframe(1))
        return self._encode(name)

    def _decoding(self, raw: Any) -> Any:
        name = self._decode(raw)
        if isinstance(name, str) and not name.startswith(IGNORED_PREFIXES):
            self._note(name, sys._getframe(1))
        return name

    def _note(self, name: str, frame: FrameType | None) -> None:
        if name in OF_THE_SHELL or self._known("variable", name):
            return
        while frame is not None and frame.f_code.co_filename.endswith(PLUMBING):
            if frame.f_code.co_name in {"__setitem__", "copy", "__delitem__", "get_exec_path", "__repr__"}:
                return
            frame = frame.f_back
        if frame is not None and not any(part in frame.f_code.co_filename for part in NOT_READING):
            self._touch("variable", name)
