"""What is known of a run while it lasts: what a worker tells and everyone else reads."""

from dataclasses import dataclass
from typing import Final

MOST_PERCENT: Final = 99.9
"""A bar is full only when the run has ended."""


@dataclass(frozen=True, slots=True)
class Figures:
    """None is unknown, never 0. Sizes in bytes, speed in MB/s (10^6)."""

    progress_percent: float | None = None
    progress_message: str | None = None
    current_file: str | None = None
    nfiles: int | None = None
    original_size: int | None = None
    compressed_size: int | None = None
    deduplicated_size: int | None = None
    restored_size: int | None = None
    backup_speed: float | None = None
    eta_seconds: int | None = None
