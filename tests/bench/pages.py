"""The dashboard and the list of jobs, with few finished jobs and with ten thousand."""

import statistics
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

from borgui.config import Config
from borgui.jobs.backup import BackupJob
from borgui.jobs.dashboard import PER_PAGE
from borgui.jobs.job import Status
from borgui.models import Repository, Session, now
from borgui.models import session as database
from borgui.security import keys
from borgui.security.sealing import Sealer
from tests.bench.browser import Browser
from tests.bench.figures import Bench, Figure
from tests.integration.product import Product, running

REPOSITORIES = 5
PAGES = {"dashboard": "/", "list of jobs": "/jobs"}
BLOCK = 10
FEW = PER_PAGE
"""As many as the list shows at once, so that both sides have the same to show."""
NO_SLOWER = 1.1
"""What "no slower" means between two processes on a busy machine."""


def measure(bench: Bench) -> Iterator[Figure]:
    """Two products at once, asked in turn."""
    many_jobs = 1_000 if bench.quick else 10_000
    found: dict[tuple[str, str], list[float]] = {}
    ratios: dict[str, list[float]] = {name: [] for name in PAGES}
    with running(bench.folder / "few") as few, running(bench.folder / "many") as many:
        _seed(few, FEW)
        _seed(many, many_jobs)
        browsers = {"few": Browser(few), "many": Browser(many)}

        def ask(which: str, path: str) -> list[float]:
            return [browsers[which].seconds(path) * 1000 for _ in range(BLOCK)]

        for which in browsers:
            for path in PAGES.values():
                ask(which, path)
        for turn in bench.times(20, 5):
            order = ("few", "many") if turn % 2 else ("many", "few")
            for name, path in PAGES.items():
                taken = {which: ask(which, path) for which in order}
                for which in order:
                    found.setdefault((name, which), []).extend(taken[which])
                medians = {which: statistics.median(taken[which]) for which in order}
                ratios[name].append(medians["many"] / medians["few"])
        for browser in browsers.values():
            browser.close()
    for name in PAGES:
        yield Figure(f"{name}, {FEW} finished jobs", found[name, "few"], "ms", 20)
        yield Figure(f"{name}, {many_jobs:,} finished jobs", found[name, "many"], "ms", 20)
        yield Figure(f"{name}, many against few", ratios[name], "x", NO_SLOWER)


def _seed(product: Product, jobs: int) -> None:
    config = Config(data_dir=Path(product.data_dir))
    engine = database.configure(config.sqlalchemy_url, Sealer(keys.load(config)))
    repositories = [_repository(number) for number in range(REPOSITORIES)]
    Session.add_all(repositories)
    Session.flush()
    for number in range(jobs):
        Session.add(_job(repositories[number % REPOSITORIES], jobs - number))
    Session.commit()
    Session.remove()
    engine.dispose()


def _repository(number: int) -> Repository:
    place = Repository.place_of("local", f"/srv/backup/r{number}")
    return Repository(
        name=f"repository {number}",
        path=f"/srv/backup/r{number}",
        place=place,
        lane=place,
        status="ready",
        encryption="none",
        source_directories=["/home"],
    )


def _job(repository: Repository, age: int) -> BackupJob:
    moment = now() - timedelta(minutes=10 * age)
    failed = age % 50 == 0
    return BackupJob(
        repository_id=repository.id,
        repository_name=repository.name,
        machine="local",
        status=Status.FAILED if failed else Status.COMPLETED,
        error_message="borg could not reach the repository." if failed else None,
        created_at=moment,
        started_at=moment,
        completed_at=moment + timedelta(seconds=90),
        nfiles=20_771,
        original_size=31_415_926_535,
        compressed_size=29_979_245_800,
        deduplicated_size=1_618_033_988,
        backup_speed=96.4,
        log="borg create\n" * 50,
        log_size=600,
        archive_name=f"host-{moment:%Y-%m-%dT%H:%M:%S}",
    )
