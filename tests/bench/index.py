"""The archive index: what making it costs beside ``borg list``, and how soon it answers.

``BENCH_ENTRIES`` says how many entries an archive has: 200,000, or 1,000,000 for the real thing
(making the archives then takes a quarter of an hour).
"""

import io
import json
import os
import random
import statistics
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

from borgui.config import ROOT
from borgui.index import ArchiveIndex, IndexWriter, Query, Sort, search
from tests.bench.browser import Browser
from tests.bench.figures import Bench, Figure
from tests.bench.raw import PASSPHRASE, RawBorg
from tests.integration.product import Product, running

ARCHIVES = 20
FLAT = 1_000_000
"""Entries of the one huge folder."""
PER_FOLDER = 100
WORDS = ("report", "invoice", "photo", "draft", "notes", "summary", "budget", "scan", "letter")
ENDS = ("txt", "jpg", "pdf", "c")
MTIME = 1_700_000_000


def making(bench: Bench) -> Iterator[Figure]:
    """Against ``borg list --json-lines`` in turn; then the same tree again."""
    entries = _entries(bench)
    borg = RawBorg(bench.folder)
    repository = borg.init()
    _import(borg, repository, entries)
    ratios, peaks, seconds = [], [], []
    path = bench.folder / "indexes" / "1.db"
    for turn in bench.times(5, 2):
        ours = None if turn % 2 else _index(borg, repository, path.with_name(f"{turn}.db"), "one")
        began = time.monotonic()
        borg.list_to_nowhere(repository, "archive")
        theirs = time.monotonic() - began
        ours = ours or _index(borg, repository, path.with_name(f"{turn}.db"), "one")
        ratios.append(ours["seconds"] / theirs)
        seconds.append(theirs)
        peaks += ours["peaks"]
    first = path.with_name("0.db")
    size = first.stat().st_size
    again = _index(borg, repository, first, "two")
    name = f"index of {entries:,} files (raw list {statistics.median(seconds):.1f} s)"
    yield Figure(name, ratios, "x", 1.3)
    yield Figure("  largest process", peaks, "MiB", 150, worst=True)
    yield Figure("  bytes an entry", [size / entries], "")
    yield Figure("  space of an unchanged second archive", [first.stat().st_size / size], "x", 1.01)
    yield Figure(
        "  its time against raw list", [again["seconds"] / statistics.median(seconds)], "x"
    )


def beside(bench: Bench) -> Iterator[Figure]:
    """How soon ``/health`` answers while the product makes an index, and while it does nothing."""
    borg = RawBorg(bench.folder)
    repository = borg.init()
    _import(borg, repository, _entries(bench))
    with running(bench.folder / "product") as product:
        browser = Browser(product)
        job = product.post(f"/api/archives/{_adopt(product, repository)}/index").json
        busy: list[float] = []
        while product.job(job["job_id"])["status"] in {"pending", "running"}:
            busy += _asked(browser, 1)
        assert product.job(job["job_id"])["status"] == "completed"
        idle = _asked(browser, 2)
        browser.close()
    yield Figure("/health while an index is made, p99", [_p99(busy)], "ms", 50)
    yield Figure("  median", busy, "ms")
    yield Figure("  while nothing runs, p99", [_p99(idle)], "ms")


def _adopt(product: Product, repository: Path) -> int:
    """Import the repository; returns the id of its one archive."""
    body = {"name": "big", "path": str(repository), "mode": "import", "passphrase": PASSPHRASE}
    answer = product.post("/api/repositories", body)
    assert answer.status == 201, answer.body
    done = product.wait_job(answer.json["job_id"], seconds=300)
    assert done["status"] == "completed", done
    archives = product.get(f"/api/repositories/{answer.json['id']}/archives").json["items"]
    return int(archives[0]["id"])


def _asked(browser: Browser, seconds: float) -> list[float]:
    """Milliseconds of each of the answers had meanwhile, fifty a second."""
    taken = []
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        taken.append(browser.seconds("/health") * 1000)
        time.sleep(0.02)
    return taken


def _p99(values: list[float]) -> float:
    return statistics.quantiles(values, n=100)[98]


def reading(bench: Bench) -> Iterator[Figure]:
    """Folders, names and histories, each time with the file opened anew."""
    entries = _entries(bench)
    flat_entries = min(FLAT, entries) if bench.quick else FLAT
    flat, many = bench.folder / "flat.db", bench.folder / "many.db"
    _write(flat, "flat", _flat(flat_entries))
    for number in range(ARCHIVES):
        _write(many, str(number), _tree(entries, number))
    times = bench.times(21, 5)
    name = f"a page of a folder with {flat_entries:,} entries"
    for sort in Sort:
        taken: list[float] = []
        for turn in times:
            offset = turn * flat_entries // len(times)
            taken += _timed(range(1), _page, flat, "flat", "srv", sort, offset)
        yield Figure(f"{name}, by {sort.value}", taken, "ms", 50)
    yield Figure(
        "a page of a small folder",
        _timed(times, _page, many, "7", "srv/00003", Sort.SIZE, 0),
        "ms",
        50,
    )
    for text in ("nowhere-to-be-found", "report-0001", "*77?.pdf", "letter"):
        taken = _timed(times, _search, many, text)
        yield Figure(f"search of {text} in {ARCHIVES} × {entries:,} other names", taken, "ms", 1000)


def _entries(bench: Bench) -> int:
    return 20_000 if bench.quick else int(os.environ.get("BENCH_ENTRIES", "200000"))


def _index(borg: RawBorg, repository: Path, path: Path, borg_id: str) -> dict:
    words = [sys.executable, "-m", "tests.bench.indexing", str(path), borg_id, "archive"]
    done = subprocess.run(
        words, cwd=ROOT, env=borg.env(repository), stdout=subprocess.PIPE, check=True
    )
    return json.loads(done.stdout)


def _import(borg: RawBorg, repository: Path, entries: int) -> None:
    with borg.importing(repository, "archive") as stdin:
        _write_tar(stdin, entries)


def _write_tar(stdin: IO[bytes], entries: int) -> None:
    chance = random.Random(entries)
    contents = [chance.randbytes(chance.randint(1, 400)) for _ in range(500)]
    with tarfile.open(fileobj=stdin, mode="w|", format=tarfile.GNU_FORMAT) as tar:
        for number in range(entries):
            folder = f"srv/{number // PER_FOLDER // 100:03}/{number // PER_FOLDER:05}"
            if number % PER_FOLDER == 0:
                item = tarfile.TarInfo(folder)
                item.type, item.mode, item.mtime = tarfile.DIRTYPE, 0o755, MTIME
                tar.addfile(item)
            content = chance.choice(contents)
            item = tarfile.TarInfo(f"{folder}/{_name(number)}")
            item.size, item.mtime = len(content), MTIME + chance.randrange(10**7)
            tar.addfile(item, io.BytesIO(content))


def _name(number: int) -> str:
    return f"{WORDS[number % 9]}-{number:07}.{ENDS[number % 4]}"


def _line(kind: str, size: int, mtime: int, path: str) -> str:
    mode = "drwxr-xr-x" if kind == "d" else "-rw-r--r--"
    return f"{kind}{mode}\t0\t0\t'root'\t'root'\t{size}\t{mtime}.000000\thealthy\t''\t'{path}'\n"


def _flat(entries: int) -> Iterator[str]:
    """One folder, in the order of inodes: none."""
    yield _line("d", 0, MTIME, "srv")
    for number in range(entries):
        shuffled = number * 7919 % entries
        yield _line("-", shuffled * 31 % 65536, MTIME + number, f"srv/{_name(shuffled)}")


def _tree(entries: int, archive: int) -> Iterator[str]:
    """Names that no other archive has."""
    for number in range(entries):
        folder = f"srv/{number // PER_FOLDER:05}"
        if number % PER_FOLDER == 0:
            yield _line("d", 0, MTIME, folder)
        name = _name(archive * entries + number)
        yield _line("-", number % 65536, MTIME + number, f"{folder}/{name}")


def _write(path: Path, borg_id: str, lines: Iterator[str]) -> None:
    with IndexWriter(path, borg_id) as writer:
        for line in lines:
            writer.feed(line.encode())
        writer.finish()


def _timed(times: range, ask: Callable[..., object], *arguments: object) -> list[float]:
    taken = []
    for _ in times:
        began = time.perf_counter()
        ask(*arguments)
        taken.append((time.perf_counter() - began) * 1000)
    return taken


def _page(path: Path, borg_id: str, folder: str, sort: Sort, offset: int) -> None:
    with ArchiveIndex(path) as index:
        assert index.folder(borg_id, folder, sort=sort, offset=offset, limit=100).entries


def _search(path: Path, text: str) -> None:
    with ArchiveIndex(path) as index:
        assert search(index, Query(text), [str(number) for number in range(ARCHIVES)]).is_complete
