import pytest

from borgui.borg.events import LogMessage, ProgressPercent
from borgui.borg.extracted import Loss, fatal_of, loss, path_of
from borgui.borg.progress import ProgressFold
from tests.unit.borg.streams import VERSIONS, load


def warning(text: str) -> LogMessage:
    return LogMessage("WARNING", "borg.archiver", text)


@pytest.mark.parametrize(
    ("text", "expected", "path"),
    [
        ("a/b: open: [Errno 13] Permission denied: '/x/a/b'", Loss.FILE, "a/b"),
        ("a: b: open: [Errno 21] Is a directory: '/x/a: b'", Loss.FILE, "a: b"),
        ("a: [Errno 1] Operation not permitted: '/x/a'", Loss.FILE, "a"),
        ("a: attrs: [Errno 1] Operation not permitted: '/x/a'", Loss.METADATA, "a"),
        ("a: write: [Errno 28] No space left on device", Loss.ALL, "a"),
        ("a: attrs: [Errno 28] No space left on device", Loss.ALL, "a"),
        ("a: makedirs: [Errno 30] Read-only file system: '/x'", Loss.ALL, "a"),
        (
            "when setting extended attribute user.x: fs full or xattr too big? ([Errno 28] No)",
            Loss.METADATA,
            None,
        ),
        (
            "a: File has damaged (all-zero) chunks. Try running borg",
            Loss.CONTENT,
            "a",
        ),
        ("a: backup error", Loss.CONTENT, "a"),
        ("Include pattern 'a: [Errno 5] ' never matched.", Loss.UNMATCHED, None),
        ("Killed stale lock host@1.6430-0.", Loss.NOTHING, None),
    ],
)
def test_what_is_lost(text: str, expected: Loss, path: str | None) -> None:
    assert loss(warning(text)) is expected
    if expected is not Loss.UNMATCHED:
        assert path_of(warning(text)) == path
    assert (fatal_of(warning(text)) is not None) == (expected is Loss.ALL)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    ("case", "expected"),
    [
        ("extract-target-disk-full", Loss.ALL),
        ("extract-target-readonly-fs", Loss.ALL),
        ("extract-target-is-nonempty-dir", Loss.FILE),
        ("extract-path-never-matched", Loss.UNMATCHED),
        ("extract-after-repair", Loss.CONTENT),
        ("extract-progress-logjson-list", None),
    ],
)
def test_recorded_runs(version: str, case: str, expected: Loss | None) -> None:
    events = load(version, case).events
    found = {loss(event) for event in events if isinstance(event, LogMessage)} - {Loss.NOTHING}
    assert found == ({expected} if expected else set())


def test_time_left() -> None:
    fold = ProgressFold("extract", 0.0)
    fold.feed(ProgressPercent(1, "extract", False, "Calculating", 0, 0), 0.1)
    assert fold.snapshot(0.1).restored_size is None
    fold.feed(ProgressPercent(1, "extract", False, "", 250, 1000), 1.0)
    state = fold.snapshot(1.0)
    assert (state.restored_size, state.progress_percent, state.eta_seconds) == (250, 25.0, 3)
    other = ProgressFold("preview", 0.0)
    other.feed(ProgressPercent(1, "extract", False, "", 250, 1000), 1.0)
    assert other.snapshot(1.0).restored_size is None
