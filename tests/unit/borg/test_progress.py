import pytest
from hypothesis import given
from hypothesis import strategies as st

from borgui.borg.events import ArchiveProgress, LogMessage, ProgressMessage, ProgressPercent
from borgui.borg.output import ArchiveStats
from borgui.borg.progress import ProgressFold
from tests.unit.borg.streams import VERSIONS, load


def at(size: int, path: str = "srv/a") -> ArchiveProgress:
    return ArchiveProgress(False, size, size, size, 1, path)


def test_all_is_unknown_at_first() -> None:
    fields = ProgressFold("create", 0.0).snapshot(1.0).as_numbers()
    assert fields.pop("warning_count") == 0
    assert set(fields.values()) == {None}


def test_percent_needs_a_total_and_stays_below_100() -> None:
    fold = ProgressFold("create", 0.0)
    fold.feed(at(500), 1.0)
    assert fold.snapshot(1.0).progress_percent is None
    fold.expect(1000)
    assert fold.snapshot(1.0).progress_percent == 50.0
    fold.feed(at(1000), 2.0)
    assert fold.snapshot(2.0).progress_percent == 99.9
    fold.feed(at(1900), 2.5)
    assert fold.snapshot(2.5).progress_percent == 99.9
    fold.feed(at(1000 + 4097), 3.0)
    assert fold.snapshot(3.0).progress_percent is None
    assert fold.snapshot(3.0).eta_seconds is None


def test_finished_keeps_the_figures() -> None:
    fold = ProgressFold("create", 0.0)
    fold.feed(at(500), 1.0)
    fold.feed(ArchiveProgress(True), 2.0)
    assert fold.snapshot(2.0).original_size == 500
    assert fold.snapshot(2.0).current_file == "/srv/a"


def test_speed_and_eta() -> None:
    fold = ProgressFold("create", 0.0, expected_size=100_000_000)
    fold.feed(at(0), 0.2)
    assert fold.snapshot(0.2).backup_speed is None
    for second in range(1, 11):
        fold.feed(at(5_000_000 * second), float(second))
    state = fold.snapshot(10.0)
    assert state.backup_speed == pytest.approx(5.0)
    assert state.eta_seconds == 10
    stalled = fold.snapshot(60.0).backup_speed
    assert stalled is not None
    assert stalled < 0.1


def test_phases() -> None:
    fold = ProgressFold("create", 0.0)
    fold.feed(ProgressMessage(2, "cache.commit", False, "Saving files cache"), 1.0)
    assert fold.snapshot(1.0).progress_message == "Saving files cache"
    fold.feed(ProgressMessage(2, "cache.commit", True), 1.1)
    assert fold.snapshot(1.1).progress_message is None
    fold.feed(LogMessage("INFO", "borg.output.progress", "Setting permissions  50%"), 2.0)
    assert fold.snapshot(2.0).progress_message == "Setting permissions  50%"
    fold.feed(LogMessage("INFO", "borg.output.progress", ""), 2.1)
    assert fold.snapshot(2.1).progress_message is None


def test_percent_is_our_own_and_survives_a_zero_total() -> None:
    fold = ProgressFold("info", 0.0)
    fold.feed(ProgressPercent(1, "extract", False, "Calculating", 0, 0), 1.0)
    assert fold.snapshot(1.0).progress_percent is None
    fold.feed(ProgressPercent(1, "cache.sync", False, "  0% Syncing", 1, 4), 1.0)
    state = fold.snapshot(1.0)
    assert (state.progress_percent, state.progress_message) == (25.0, "Syncing")
    fold.feed(ProgressPercent(1, "cache.sync", False, "100% Syncing", 5, 4), 1.0)
    assert fold.snapshot(1.0).progress_percent == 99.9


def test_syncing_the_cache_is_no_progress_of_a_backup() -> None:
    fold = ProgressFold("create", 0.0)
    fold.feed(ProgressPercent(1, "cache.sync", False, "50% Syncing chunks cache.", 1, 2), 1.0)
    state = fold.snapshot(1.0)
    assert (state.progress_percent, state.progress_message) == (None, "Syncing chunks cache.")


def test_final_figures_are_borgs() -> None:
    fold = ProgressFold("create", 10.0, expected_size=5)
    state = fold.final(ArchiveStats(4_000_000, 3, 2, 9), 12.0)
    assert (state.progress_percent, state.backup_speed, state.nfiles) == (100.0, 2.0, 9)
    assert state.current_file is None


@pytest.mark.parametrize("version", VERSIONS)
def test_recorded_backup(version: str) -> None:
    case = load(version, "ssh-create-json-logjson-progress")
    fold = ProgressFold("create", 0.0)
    sizes = []
    for number, event in enumerate(case.events):
        fold.feed(event, number * 0.2)
        sizes.append(fold.snapshot(number * 0.2).original_size or 0)
    assert sizes == sorted(sizes)
    assert sizes[-1] > 0
    assert fold.snapshot(99.0).progress_message is None


@given(st.lists(st.tuples(st.integers(0, 10**15), st.floats(0, 1e9)), max_size=30))
def test_never_raises_and_never_100(steps: list[tuple[int, float]]) -> None:
    fold = ProgressFold("create", 0.0, expected_size=10**9)
    for size, now in steps:
        fold.feed(at(size), now)
        percent = fold.snapshot(now).progress_percent
        assert percent is None or 0 <= percent < 100
