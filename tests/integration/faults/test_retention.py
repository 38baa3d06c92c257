"""How much of history and logs is kept."""

from pathlib import Path

from borgui import queueing
from tests.integration.faults.havoc import Place, at_work, query, settled
from tests.integration.product import Product, wait_for


def test_old_jobs_go_with_their_logs(
    product: Product, sources: dict[str, Path], tmp_path: Path
) -> None:
    """The last two stay; so do the newest success and the newest failure, however old."""
    path = tmp_path / "repository"
    source = sources["tiny"]
    repo_id = product.add_repository("kept", path, [source])
    place = Place(product, repo_id, path)
    change = {"source_directories": [str(tmp_path / "nowhere")]}

    good = [place.works()["id"] for _ in range(2)]
    assert product.request("PUT", f"/api/repositories/{repo_id}", change).status == 200
    bad = [settled(product, place.back_up())["id"] for _ in range(3)]
    assert product.request("PUT", "/api/settings", {"log_retention_jobs": 2}).status == 200
    bad.append(settled(product, place.back_up())["id"])

    def kept() -> set[int]:
        answer = product.get(f"/api/jobs?repository_id={repo_id}&kind=backup&per_page=50")
        return {each["id"] for each in answer.json["items"]}

    expected = {good[-1], *bad[-2:]}
    wait_for(lambda: kept() == expected, 10, lambda: f"{kept()} instead of {expected}")

    def logged() -> set[int]:
        return {job for job in (*good, *bad) if (product.data_dir / "logs" / f"{job}.log").exists()}

    # the rows go first
    wait_for(lambda: logged() == expected, 10, lambda: f"{logged()} instead of {expected}")
    orphans = "SELECT count(*) FROM backup_jobs WHERE id NOT IN (SELECT id FROM jobs)"
    assert query(product, orphans) == [(0,)]
    # the archives of forgotten jobs are still known
    assert place.known() == len(place.archives())


def test_what_no_machine_had_is_not_kept_for_ever(product: Product, tmp_path: Path) -> None:
    """Such jobs end without an outcome. The hourly housekeeping counts them."""
    repo_id = product.add_repository("sourceless", tmp_path / "repository", [])
    assert product.request("PUT", "/api/settings", {"log_retention_jobs": 2}).status == 200
    ended = [settled(product, product.back_up(repo_id)) for _ in range(4)]
    assert {(each["status"], each["error_code"]) for each in ended} == {("failed", "no_sources")}
    queueing.enqueue_control(product.redis(), queueing.HOUSEKEEP)
    where = f"/api/jobs?repository_id={repo_id}&kind=backup"
    wait_for(lambda: product.get(where).json["total"] == 2, 10, "old jobs are still there")
    kept = [each["id"] for each in product.get(where).json["items"]]
    assert kept == [each["id"] for each in reversed(ended[2:])]


def test_a_long_log_is_cut_in_the_row_and_whole_in_its_file(
    product: Product, sources: dict[str, Path], tmp_path: Path
) -> None:
    missing = [tmp_path / f"{number:03}-{'x' * 200}" for number in range(300)]
    path = tmp_path / "repository"
    repo_id = product.add_repository("long log", path, [sources["tiny"], *missing])
    job = settled(product, product.back_up(repo_id))
    assert (job["status"], job["warning_count"]) == ("completed", 300)
    ((row, size),) = query(product, "SELECT log, log_size FROM jobs WHERE id = ?", job["id"])
    whole = (product.data_dir / "logs" / f"{job['id']}.log").read_text()
    assert len(whole.encode()) == job["log_size"] == size
    assert size > 80_000 > len(row)
    assert "bytes" in row
    assert "bytes" not in whole.replace("bytes from borg", "")
    for each in missing:
        assert str(each) in whole


def test_a_job_that_runs_keeps_its_log(product: Product, large: Place) -> None:
    """Housekeeping removes logs without a job, and only those."""
    stray = product.data_dir / "logs" / "99999999.log"
    stray.write_text("of nobody")
    job = large.back_up()
    at_work(large, job)
    queueing.enqueue_control(product.redis(), queueing.HOUSEKEEP)
    wait_for(lambda: not stray.exists(), 10, "the stray log is still there")
    assert (product.data_dir / "logs" / f"{job}.log").exists()
    product.post(f"/api/jobs/{job}/cancel")
    settled(product, job)
