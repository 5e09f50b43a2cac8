"""What the threads of this process are at."""

import os
import sys
from collections.abc import Mapping
from threading import get_ident
from types import CodeType, FrameType

NOT_AT_WORK = f"{os.sep}execnet{os.sep}"
"""Part of the file names of code whose threads only carry messages: those of xdist's workers."""


def others_at_work(frames: Mapping[int, FrameType]) -> bool:
    """Whether there are threads beside this one that may work for tests.

    Args:
        frames: thread → innermost frame, as ``sys._current_frames`` returns them.
    """
    if len(frames) == 1:
        return False
    here = get_ident()
    return any(NOT_AT_WORK not in _root(top) for thread, top in frames.items() if thread != here)


def _root(top: FrameType) -> str:
    """Return the file of the function that a thread was started with."""
    frame = top
    while frame.f_back is not None:
        frame = frame.f_back
    return frame.f_code.co_filename


def is_running(code: CodeType) -> bool:
    """Whether a code object is on the stack of any thread; this one is looked at first, from within."""
    return _is_on_stack(code, sys._getframe(1)) or any(
        _is_on_stack(code, top) for top in sys._current_frames().values()
    )


def _is_on_stack(code: CodeType, top: FrameType) -> bool:
    frame: FrameType | None = top
    while frame is not None:
        if frame.f_code is code:
            return True
        frame = frame.f_back
    return False
