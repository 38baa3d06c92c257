"""Ending processes that are no children of ours."""

import subprocess

from borgui.runner import pids
from tests.integration.product import wait_for


def test_end_by_kill() -> None:
    """Of one that ignores SIGTERM, and of its children."""
    script = "trap '' TERM; sleep 100 & echo $!; while :; do sleep 0.1; done"
    child = subprocess.Popen(
        ["/bin/sh", "-c", script], stdout=subprocess.PIPE, start_new_session=True
    )
    assert child.stdout is not None
    below = pids.identify(int(child.stdout.readline()))
    identity = pids.identify(child.pid)
    assert below is not None
    assert identity is not None

    assert pids.end(identity, 0.2)
    wait_for(lambda: not below.is_alive(), 10, "its child lives on")
    child.wait()
    child.stdout.close()
