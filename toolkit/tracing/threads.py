"""What the threads of this process are at."""

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from threading import get_ident
from types import CodeType, FrameType

NOT_AT_WORK = f"{os.sep}execnet{os.sep}"
"""Part of the file names of code whose threads only carry messages: those of xdist's workers."""

_FOLDER = os.path.dirname(os.__file__)
WAITING = frozenset(
    (os.path.join(_FOLDER, file), name)
    for file, name in (
        ("threading.py", "wait"),
        ("selectors.py", "select"),
        ("socket.py", "accept"),
        (os.path.join("concurrent", "futures", "thread.py"), "_worker"),
    )
)
"""File and name of functions of the standard library in which threads wait for something to do."""


def others_at_work(frames: Mapping[int, FrameType], ours: Callable[[CodeType], bool]) -> bool:
    """Whether there are threads beside this one that may be in the middle of work for tests.

    One that waits for something to do, with no function of the project on its stack, is not: what it gets to
    do later it begins in the test that runs then, as a thread would that is started then.

    Args:
        frames: thread → innermost frame, as ``sys._current_frames`` returns them.
        ours: whether a code object belongs to the project.
    """
    if len(frames) == 1:
        return False
    here = get_ident()
    return any(_is_at_work(top, ours) for thread, top in frames.items() if thread != here)


def _is_at_work(top: FrameType, ours: Callable[[CodeType], bool]) -> bool:
    waiting = (top.f_code.co_filename, top.f_code.co_name) in WAITING
    root = top
    for frame in stack(top):
        if ours(frame.f_code):
            return True
        root = frame
    return not waiting and NOT_AT_WORK not in root.f_code.co_filename


def stack(top: FrameType | None) -> Iterator[FrameType]:
    """Yield a frame and those that called it, the innermost first."""
    while top is not None:
        yield top
        top = top.f_back


def is_running(code: CodeType) -> bool:
    """Whether a code object is on the stack of any thread; this one is looked at first, from within."""
    return _is_on_stack(code, sys._getframe(1)) or any(
        _is_on_stack(code, top) for top in sys._current_frames().values()
    )


def _is_on_stack(code: CodeType, top: FrameType) -> bool:
    return any(frame.f_code is code for frame in stack(top))
