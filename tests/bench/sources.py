"""Folders to back up."""

import os
import random
from pathlib import Path

MIB = 1024 * 1024


def small_files(folder: Path, count: int, *, per_folder: int = 100) -> Path:
    """``count`` files of 0.5 to 4 KiB that neither compress nor repeat; returns ``folder``."""
    sizes = random.Random(count)
    for number in range(count):
        if number % per_folder == 0:
            place = folder / f"folder-{number // per_folder:04}"
            place.mkdir(parents=True)
        (place / f"file-{number:06}.dat").write_bytes(os.urandom(sizes.randrange(512, 4096)))
    return folder


def large_file(folder: Path, mib: int) -> Path:
    """One file of ``mib`` MiB, half of it compressible; returns ``folder``."""
    folder.mkdir(parents=True)
    with (folder / "large.bin").open("wb") as file:
        for number in range(mib):
            file.write(os.urandom(MIB) if number % 2 else os.urandom(MIB // 4) * 4)
    return folder


def tiny(folder: Path) -> Path:
    """Three files of a few bytes; returns ``folder``."""
    folder.mkdir(parents=True)
    for name in ("one", "two", "three"):
        (folder / name).write_text(name)
    return folder


def warm(folder: Path) -> None:
    """Read everything once, so that the first of two competitors does not pay for both."""
    for place, _, names in os.walk(folder):
        for name in names:
            with (Path(place) / name).open("rb") as file:
                while file.read(MIB):
                    pass
