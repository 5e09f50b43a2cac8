"""What the threads of this process are at."""

import os
import sys
from collections.abc import Mapping
from threading import get_ident
from types import FrameType

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


def running_codes() -> set[int]:
    """Return the ids of all code objects on the stacks of all threads."""
    running = set()
    for top in sys._current_frames().values():
        frame: FrameType | None = top
        while frame is not None:
            running.add(id(frame.f_code))
            frame = frame.f_back
    return running
