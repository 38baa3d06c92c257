from datetime import UTC, datetime

import pytest

from borgui.borg import commands
from borgui.borg.causes import BY_EXIT_CODE, BY_MSGID
from borgui.borg.errors import Verdict, is_warning, judge, unread_sources
from borgui.borg.events import LogMessage, PlainText
from borgui.borg.evidence import MAX_WARNINGS, BackupWarning, Evidence
from borgui.borg.output import Archive, ArchiveStats, Created, Repository
from tests.unit.borg.streams import ROOT, VERSIONS, all_names, load

FAILURES = {
    "error-additional-free-space": "disk_full",
    "error-archive-already-exists": "archive_exists",
    "error-bad-archive-name": "bad_options",
    "error-disk-full-create": "disk_full",
    "error-init-nonempty-dir": "path_not_empty",
    "error-keyfile-missing": "key_missing",
    "error-lock-timeout-create": "lock_timeout",
    "error-lock-timeout-list": "lock_timeout",
    "error-no-repo-given": "bad_options",
    "error-not-a-repo-dir": "repository_invalid",
    "error-not-a-repo-file": "repository_invalid",
    "error-passcommand-fails": "passphrase_missing",
    "error-passphrase-missing-noninteractive": "passphrase_missing",
    "error-placeholder": "bad_options",
    "error-repo-missing": "repository_missing",
    "error-repo-parent-missing-init": "parent_missing",
    "error-repo-permission-denied-read": "permission_denied",
    "error-repo-permission-denied-write": "permission_denied",
    "error-repo-readonly-fs-create": "read_only",
    "error-ssh-connection-refused": "ssh_unreachable",
    "error-ssh-host-key-unknown": "ssh_host_key",
    "error-ssh-path-not-allowed": "path_not_allowed",
    "error-ssh-remote-borg-missing": "remote_borg_missing",
    "error-ssh-remote-prints-garbage": "remote_output",
    "error-ssh-remote-repo-missing": "repository_missing",
    "error-storage-quota": "quota_exceeded",
    "error-unknown-option": "bad_options",
    "error-wrong-passphrase": "passphrase_wrong",
    "extract-corrupt-data-segment": "integrity_error",
    "init-already-exists": "repository_exists",
    "create-while-create-runs": "lock_timeout",
    "prompt-relocated-noninteractive": "repository_relocated",
    "prompt-unknown-unencrypted-noninteractive": "unencrypted_unknown",
    "stale-lock-other-host-list": "lock_timeout",
    "config-bad-key": "borg_crashed",
}
MODERN = {(v, n) for v, n in all_names() if n.endswith("-modern")}


def created(nfiles: int = 3) -> Created:
    stats = ArchiveStats(10, 8, 4, nfiles)
    archive = Archive("ab" * 32, "one", datetime(2026, 11, 23, tzinfo=UTC), stats=stats)
    return Created(archive, stats, Repository("cd" * 32, "none"))


def recorded(version: str, name: str, step: str = "create") -> Verdict:
    case = load(version, name)
    return judge(step, case.exit_code, case.evidence)


def test_a_borg_without_fuse() -> None:
    verdict = recorded("1.4.5", "error-mount-no-fuse", "mount")
    assert (verdict.status, verdict.error_code) == ("failed", "mount_unavailable")
    assert "python3-pyfuse3" in (verdict.error_message or "")
    said = (ROOT / "1.4.5" / "error-mount-no-fuse.stderr").read_text()
    assert commands.mount_problem(said) is not None
    assert commands.mount_problem("Mountpoint must be a writable directory") is None


@pytest.mark.parametrize(
    "said",
    [
        "fusermount3: mount failed: Operation not permitted",
        "fuse: device not found, try 'modprobe fuse' first",
    ],
)
def test_a_machine_that_refuses_to_mount(said: str) -> None:
    evidence = Evidence()
    evidence.feed(PlainText(said))
    verdict = judge("mount", 2, evidence)
    assert (verdict.error_code, verdict.retryable) == ("mount_unavailable", False)
    assert verdict.detail == said


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", FAILURES)
def test_recorded_failures(version: str, name: str) -> None:
    for variant in (name, f"{name}-modern"):
        if variant != name and (version, variant) not in MODERN:
            continue
        verdict = recorded(version, variant)
        assert (verdict.status, verdict.error_code) == ("failed", FAILURES[name])
        assert verdict.error_message
        assert verdict.detail
        assert verdict.retryable == (FAILURES[name] in {"lock_timeout", "ssh_unreachable"})


@pytest.mark.parametrize(("version", "name"), all_names())
def test_every_run_gets_a_verdict(version: str, name: str) -> None:
    case = load(version, name)
    verdict = judge("other", case.exit_code, case.evidence)
    assert (verdict.error_message is None) == (verdict.status == "completed")


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", ["create-sigterm", "create-sigint", "create-sigkill"])
def test_signals(version: str, name: str) -> None:
    verdict = recorded(version, name)
    assert (verdict.status, verdict.error_code) == ("interrupted", "killed_by_signal")
    assert "untouched" in (verdict.error_message or "")


def test_what_ssh_said_is_the_detail() -> None:
    verdict = recorded("1.2.4", "error-ssh-auth-denied")
    assert verdict.error_code == "ssh_auth"
    assert "Permission denied (publickey" in (verdict.detail or "")
    # in this recording ssh's words were lost in the race
    assert recorded("1.2.4", "error-ssh-host-unresolvable").error_code == "connection_lost"


def test_detail_of_a_crash_is_its_last_exception() -> None:
    verdict = recorded("1.2.4", "ssh-create-sigterm-group")
    assert verdict.detail == "BrokenPipeError: [Errno 32] Broken pipe"
    assert verdict.error_code == "connection_lost"


@pytest.mark.parametrize("version", VERSIONS)
def test_warnings_are_completed_with_paths(version: str) -> None:
    case = load(version, "warning-permission-denied")
    verdict = judge("create", case.exit_code, case.evidence, created=created(), sources=["/srv"])
    assert (verdict.status, verdict.warning_count) == ("completed", 2)
    assert [warning.path for warning in verdict.warnings] == [
        "/srv/data-perm/secretdir",
        "/srv/data-perm/secret.txt",
    ]
    changed = load(version, "warning-file-changed").evidence
    assert [warning.path for warning in changed.warnings] == ["/srv/changing/growing.log"]


@pytest.mark.parametrize("version", VERSIONS)
def test_missing_source(version: str) -> None:
    case = load(version, "error-source-missing")
    verdict = judge(
        "create", case.exit_code, case.evidence, created=created(), sources=["/srv/nope/", "/srv/a"]
    )
    assert verdict.status == "completed"
    assert verdict.unread_sources == ("/srv/nope/",)


@pytest.mark.parametrize("version", VERSIONS)
def test_nothing_readable(version: str) -> None:
    case = load(version, "error-source-missing-all")
    verdict = judge(
        "create", case.exit_code, case.evidence, created=created(0), sources=["/srv/nope"]
    )
    assert (verdict.status, verdict.error_code) == ("failed", "nothing_readable")
    assert "archive one" in (verdict.error_message or "")
    assert verdict.warning_count == 1


@pytest.mark.parametrize(
    ("version", "name"), [each for each in all_names() if "file-changed" in each[1]]
)
def test_a_source_that_is_a_file_and_changed_was_read(version: str, name: str) -> None:
    case = load(version, name)
    source = "/srv/changing/growing.log"
    verdict = judge("create", case.exit_code, case.evidence, created=created(1), sources=[source])
    assert (verdict.status, verdict.warning_count) == ("completed", 1)
    assert verdict.unread_sources == ()


def test_unread_sources_fail_nothing_where_files_were_stored() -> None:
    """What lies in a folder that a warning names may be in the archive."""
    evidence = Evidence()
    evidence.feed(LogMessage("WARNING", "borg.archiver", "/srv: scandir: [Errno 5] I/O error"))
    verdict = judge("create", 1, evidence, created=created(3), sources=["/srv"])
    assert (verdict.status, verdict.unread_sources) == ("completed", ("/srv",))


def test_empty_source_is_no_failure() -> None:
    verdict = judge("create", 0, Evidence(), created=created(0), sources=["/srv"])
    assert verdict == Verdict("completed")


def test_create_without_its_object_failed() -> None:
    assert judge("create", 0, Evidence()).error_code == "no_answer"


@pytest.mark.parametrize("version", VERSIONS)
def test_removal_of_a_stale_lock_is_no_warning(version: str) -> None:
    case = load(version, "stale-lock-same-host-list")
    assert any("Killed stale lock" in getattr(event, "message", "") for event in case.events)
    assert case.evidence.warning_count == 0


def test_warnings_are_capped_but_counted() -> None:
    evidence = Evidence()
    for number in range(MAX_WARNINGS + 7):
        evidence.feed(LogMessage("WARNING", "borg.archiver", f"/{number}: open: [Errno 13] no"))
    assert len(evidence.warnings) == MAX_WARNINGS
    assert evidence.warning_count == MAX_WARNINGS + 7
    verdict = judge("create", 1, evidence, created=created())
    assert verdict.warning_count == MAX_WARNINGS + 7


def test_source_that_is_not_utf8_is_found_again() -> None:
    warnings = [BackupWarning("x", "/srv/caf?")]
    assert unread_sources(warnings, ["/srv/caf\udce9", "/srv"]) == ("/srv/caf\udce9",)


def test_exit_codes() -> None:
    assert [code for code in range(128) if is_warning(code)] == [1, *range(100, 128)]
    assert judge("list", 73, Evidence()).error_code == "lock_timeout"
    assert judge("list", 99, Evidence()).error_code == "feature_unsupported"
    assert not set(BY_EXIT_CODE) & {0, 1, 2}
    assert "Exception" not in BY_MSGID


def test_python_memory_error() -> None:
    evidence = Evidence()
    evidence.feed(PlainText("MemoryError"))
    assert judge("info", 2, evidence).error_code == "out_of_memory"


@pytest.mark.parametrize(
    ("exit_code", "msgid", "is_sure"),
    [
        (-9, None, False),
        (143, None, False),
        (2, None, False),
        (52, None, True),
        (2, "PassphraseWrong", True),
        (2, "ConnectionClosed", False),
    ],
)
@pytest.mark.parametrize(
    ("step", "sure", "unsure"),
    [
        ("create", "No new archive was made", "whether a new one was made"),
        ("init", "No repository was made", "Whether a repository was made"),
    ],
)
def test_what_is_said_of_what_was_to_be_made(
    exit_code: int, msgid: str | None, is_sure: bool, step: str, sure: str, unsure: str
) -> None:
    """A borg that ended mid-way may have made it: that is not denied."""
    evidence = Evidence()
    if msgid is not None:
        evidence.feed(LogMessage("ERROR", "borg", "x", msgid))
    told = str(judge(step, exit_code, evidence).error_message)
    assert (sure in told) is is_sure
    assert (unsure in told) is not is_sure


def test_a_full_disk_that_was_warned_of_is_why_borg_crashed() -> None:
    evidence = Evidence()
    full = "No space left on device, cleaning up partial transaction to free space."
    crash = "Traceback (most recent call last):\nAssertionError"
    evidence.feed(LogMessage("ERROR", "borg.archiver", crash))
    assert judge("create", 2, evidence).error_code == "borg_crashed"
    evidence.feed(LogMessage("WARNING", "borg.repository", full))
    assert judge("create", 2, evidence).error_code == "disk_full"


def bare_traceback(last: str, *, lines: int = 1) -> Evidence:
    """What Python prints where borg's own handlers do not stand yet (1.2.4, seen)."""
    evidence = Evidence()
    evidence.feed(PlainText("Traceback (most recent call last):"))
    for number in range(lines):
        evidence.feed(PlainText(f'  File "/usr/lib/python3.11/argparse.py", line {number}, in f'))
    evidence.feed(PlainText(last))
    return evidence


@pytest.mark.parametrize("step", ["create", "delete", "extract", "list"])
@pytest.mark.parametrize("lines", [1, 100])
def test_a_signal_while_borg_reads_its_arguments(step: str, lines: int) -> None:
    """Python then ends with 1, which is borg's code for "done, with warnings"."""
    verdict = judge(step, 1, bare_traceback("borg.helpers.process.SigTerm", lines=lines))
    assert (verdict.status, verdict.error_code) == ("interrupted", "killed_by_signal")
    assert "SIGTERM" in (verdict.error_message or "")


@pytest.mark.parametrize("step", ["create", "delete", "extract", "list"])
def test_a_borg_that_python_cannot_run(step: str) -> None:
    verdict = judge(step, 1, bare_traceback("ModuleNotFoundError: No module named 'borg'"))
    assert (verdict.status, verdict.error_code) == ("failed", "borg_crashed")
    assert verdict.detail == "ModuleNotFoundError: No module named 'borg'"
