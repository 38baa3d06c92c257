"""The signals by which a horse is made to stop."""

import os
import signal
from types import FrameType

EXIT_CODE = 3
"""Of a horse that was made to stop and has left its outcome."""


class _Signals:
    worker = 0
    stop: str | None = None


def install_signals() -> None:
    """SIGTERM is noted and obeyed at the next look; Ctrl-C in a terminal is the worker's."""
    _Signals.worker = os.getppid()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _note_stop)


def reason() -> str | None:
    """Why this process is to end: ``stopped`` with borgui, or ``worker_killed``; None if not."""
    return _Signals.stop


def _note_stop(_number: int, _frame: FrameType | None) -> None:
    # the kernel sends it when the worker dies, the worker when borgui is stopped
    _Signals.stop = "stopped" if os.getppid() == _Signals.worker else "worker_killed"
