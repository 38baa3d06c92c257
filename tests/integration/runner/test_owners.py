"""A worker that may not give files to others says so, and makes no program of its own user's."""

import ctypes
import os
from pathlib import Path
from typing import Any

import pytest

from borgui.borg import commands
from borgui.runner.spec import pack
from borgui.runner.worker import MachineWorker
from tests.integration.runner.machine_at_work import Machine, create, step

CAP_CHOWN, PR_CAPBSET_DROP = 0, 24


class Unprivileged(MachineWorker):
    """Of root's rights it lacks the one to change owners, and so do those it starts."""

    def work(self, *arguments: Any, **options: Any) -> bool:
        libc = ctypes.CDLL(None, use_errno=True)
        assert libc.prctl(PR_CAPBSET_DROP, CAP_CHOWN, 0, 0, 0) == 0
        header = (ctypes.c_uint32 * 2)(0x20080522, 0)
        rights = (ctypes.c_uint32 * 6)()  # effective, permitted, inheritable, twice
        assert libc.capget(header, rights) == 0
        rights[0] &= ~1
        rights[1] &= ~1
        assert libc.capset(header, rights) == 0
        return super().work(*arguments, **options)


@pytest.mark.parametrize("overwrite", [False, True])
def test_owners_cannot_be_set(
    machine: Machine, repository: Path, source: Path, tmp_path: Path, overwrite: bool
) -> None:
    program, own = source / "program", source / "own"
    for path in (program, own):
        path.write_text("#!/bin/sh")
    os.chown(program, 1234, 4321)
    for path in (program, own):
        path.chmod(0o6755)
    machine._start(Unprivileged)
    assert machine.run([create(repository, source)])["status"] == "completed"
    out = tmp_path / "out"
    parameters = {"destination_b64": pack(str(out)), "overwrite": overwrite}
    argv = commands.extract("a")
    result = machine.run([step("extract", argv, repository, parameters=parameters)], job=2)
    assert (result["status"], result["warning_count"]) == ("completed", 2), result
    assert "Of 1 restored" in result["warnings"][0]["message"]
    assert result["warnings"][1]["path"] == str(program).lstrip("/")
    there = out / str(source).lstrip("/")
    assert oct((there / "program").stat().st_mode) == oct(0o100755)
    assert oct((there / "own").stat().st_mode) == oct(0o106755)
    assert (there / "program").stat().st_uid == 0
