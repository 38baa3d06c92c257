"""A data folder with a believable life in it, for screenshots and for pages under load.

Rows and live hashes only: no borg has run. Names are long, odd and in several scripts on purpose.
"""

import os
import random
from datetime import datetime, timedelta
from typing import Any

import redis

from borgui import embedded_redis, live
from borgui.borg.differences import Change, Difference
from borgui.borg.listing import Attributes, render
from borgui.config import Config
from borgui.diff_file import DiffWriter
from borgui.index import IndexWriter
from borgui.jobs import kind_of
from borgui.jobs.backup import BackupJob
from borgui.jobs.job import Job, Status
from borgui.jobs.mount import MountJob, mountpoint_name
from borgui.jobs.restore import RestoreJob
from borgui.models import Archive, Repository, Session, User, now
from borgui.security.passwords import hash_password

PASSWORD = "correct horse battery"
ODD = os.fsdecode(b"/srv/m\xfcsic/Bj\xf6rk - H\xfdperballad.flac")
LONG = (
    "/srv/projects/2026/client-archive/very-long-folder-name-that-somebody-chose/"
    "another level/deliverables/final/really-final/Photos of the opening night (edited).tiff"
)

_random = random.Random(7)
_START = now()


def people() -> None:
    """``admin``, ``operator`` and ``viewer``, all with :data:`PASSWORD`."""
    digest = hash_password(PASSWORD)
    for name in ("admin", "operator", "viewer"):
        if Session.query(User).filter_by(username=name).first() is None:
            Session.add(User(username=name, role=name, password_hash=digest))
    Session.commit()


def repository(name: str, path: str, **values: Any) -> Repository:
    """A repository that is ready, unless ``values`` say otherwise."""
    row = Repository(
        **{
            "name": name,
            "path": path,
            "lane": f"place:{name}",
            "place": f"place:{name}",
            "status": "ready",
            "encryption": "repokey-blake2",
            "passphrase": "hunter2",
            "source_directories": ["/home/anna/Documents"],
            "borg_id": f"{abs(hash(name)):064x}"[:64],
            **values,
        }
    )
    Session.add(row)
    Session.flush()
    return row


def ended(
    row: Repository, at: datetime, status: str = "completed", kind: str = "backup", **values: Any
) -> Job:
    """A job that ended at ``at``, with an archive if it is a completed backup."""
    took = _random.randint(40, 5000)
    figures: dict[str, Any] = {}
    if kind == "backup" and status == "completed":
        size = _random.randint(10**8, 9 * 10**11)
        figures = {
            "archive_name": f"anna-{at:%Y-%m-%dT%H:%M:%S.%f}",
            "nfiles": _random.randint(80, 900_000),
            "original_size": size,
            "compressed_size": int(size * 0.7),
            "deduplicated_size": size // _random.randint(30, 900),
            "backup_speed": 84.3,
        }
    job = kind_of(kind).new(
        **{
            "status": status,
            "repository_id": row.id,
            "repository_name": row.name,
            "machine": "local",
            "created_at": at - timedelta(seconds=took + 2),
            "started_at": at - timedelta(seconds=took),
            "completed_at": at,
            "attempt": 1,
            "exit_code": 0 if status == "completed" else 2,
            **figures,
            **values,
        }
    )
    Session.add(job)
    Session.flush()
    if figures:
        Session.add(
            Archive(
                repository_id=row.id,
                job_id=job.id,
                name=figures["archive_name"],
                borg_id=f"{job.id:064x}",
                start=job.started_at,
                end=at,
                **{key: figures[key] for key in ("nfiles", "original_size", "deduplicated_size")},
            )
        )
    return job


def running(
    client: redis.Redis,
    row: Repository,
    *,
    percent: float | None,
    job: Job | None = None,
    **facts: Any,
) -> Job:
    """A job that runs, with its live hash; a backup unless one is given."""
    job = job or BackupJob(
        status=Status.RUNNING,
        repository_id=row.id,
        repository_name=row.name,
        machine="local",
        attempt=1,
        created_at=now() - timedelta(seconds=760),
        admitted_at=now() - timedelta(seconds=759),
        started_at=now() - timedelta(seconds=758),
        process_pid=48213,
        archive_name="anna-2026-11-23T20:41:06.123456",
        command="BORG_REPO=/mnt/backup/photos borg create --json --log-json --progress "
        "--compression zstd,3 --list --filter AME ::anna-2026-11-23T20:41:06 /srv/photos",
    )
    Session.add(job)
    Session.flush()
    live.announce(
        client,
        job.id,
        attempt=1,
        kind=job.kind,
        machine="local",
        repository_id=row.id,
        repository_name=row.name,
        label=kind_of(job.kind).label,
        created_at=job.created_at,
    )
    tail = "".join(f"A /srv/photos/2024/11/IMG_{number:05d}.CR3\n" for number in range(400))
    fields = {
        "status": "running",
        "step": "create",
        "pid": 48213,
        "start_time": live.timestamp(job.started_at),
        "progress_percent": percent,
        "progress_message": "",
        "current_file": LONG,
        "nfiles": 81_234,
        "original_size": 412_345_678_901,
        "compressed_size": 388_345_678_901,
        "deduplicated_size": 1_845_678_901,
        "backup_speed": 84.31,
        "eta_seconds": 412 if percent is not None else None,
        "warning_count": 0,
        "log_base": 0,
        "log_end": len(tail),
        "updated_at": live.timestamp(),
        **facts,
    }
    client.hset(live.job_key(job.id), mapping=live.encode(fields))
    client.set(live.log_key(job.id), tail)
    return job


def waiting(row: Repository, reason: str, kind: str = "backup") -> Job:
    """A job that waits."""
    job = kind_of(kind).new(
        status=Status.PENDING,
        repository_id=row.id,
        repository_name=row.name,
        machine="local",
        wait_reason=reason,
        created_at=now() - timedelta(seconds=95),
    )
    Session.add(job)
    Session.flush()
    return job


def alive(client: redis.Redis, seconds: int = 3600, **report: Any) -> None:
    """Every process says that it lives."""
    live.beat(client, "control", seconds)
    live.beat(client, "scheduler", seconds)
    values = {
        "reported_at": live.timestamp(),
        "borg_version": "1.2.4",
        "borg_error": None,
        "workers": 2,
        "live": [],
        "outcomes": [],
        **report,
    }
    client.hset(live.machine_key("local"), mapping=live.encode(values))
    client.expire(live.machine_key("local"), seconds)


def one_good() -> None:
    """One repository with one good backup, and nothing that runs or waits."""
    ended(repository("letters", "/mnt/backup/letters"), now() - timedelta(hours=7))
    Session.commit()
    Session.remove()


def life(config: Config, finished: int = 1000) -> dict[str, int]:
    """Fill the database; returns the ids of the jobs worth a look, by what they are."""
    client = live.connect(embedded_redis.url(config), timeout=2)
    alive(client)
    rows = [
        repository(
            "documents",
            "/mnt/backup/documents",
            total_size=4_120_345_678_901,
            unique_csize=184_345_678_901,
            refreshed_at=now() - timedelta(days=12),
            exclude_patterns=["*/.cache", "sh:/home/*/Downloads"],
        ),
        repository(
            "photos",
            "/mnt/backup/photos",
            unique_csize=2_384_345_678_901,
            total_size=9_000_345_678_901,
            compression="zstd,3",
            source_directories=["/srv/photos", LONG.rpartition("/")[0], ODD.rpartition("/")[0]],
        ),
        repository("mail server", "/mnt/backup/mail", unique_csize=9_345_678_901),
        repository("Ärchiv 東京 семья", os.fsdecode(b"/mnt/b\xe4ckup/family")),
        repository("web-db", LONG.replace("srv", "mnt").rpartition("/")[0]),
        repository(
            "old laptop",
            "/mnt/usb/laptop",
            status="error",
            mode="import",
            encryption=None,
            error_message="The passphrase is wrong. Give the right one in its settings.",
        ),
        repository("scratch", "/mnt/usb/scratch", encryption="none", passphrase=None),
    ]
    start = now()
    busy = [*rows[:5]]
    for number in range(finished, 0, -1):
        row = busy[number % len(busy)]
        at = start - timedelta(minutes=37 * number + 11)
        choice = number % 29
        if choice == 5:
            ended(
                row,
                at,
                "failed",
                error_code="repository_locked",
                error_message="Another borg has locked the repository.",
            )
        elif choice == 11:
            ended(row, at, "cancelled", error_message="Cancelled by admin.")
        else:
            ended(row, at)
    ids = {}
    ids["warned"] = ended(
        rows[0],
        start - timedelta(minutes=31),
        warning_count=3,
        warnings=[
            {
                "path": "/home/anna/Documents/locked.kdbx",
                "message": "open: [Errno 13] Permission denied",
                "msgid": None,
            },
            {"path": ODD, "message": "file changed while we backed it up", "msgid": None},
            {"path": LONG, "message": "stat: [Errno 2] No such file or directory", "msgid": None},
        ],
        log="Creating archive\n/home/anna/Documents/locked.kdbx: open: [Errno 13]\n" * 3,
        log_size=210,
        exit_code=1,
        command="BORG_REPO=/mnt/backup/documents borg create --json --log-json --progress "
        "--compression lz4 ::anna-2026-11-23T20:41:06.123456 /home/anna/Documents",
    ).id
    ids["failed"] = ended(
        rows[2],
        start - timedelta(minutes=4),
        "failed",
        error_code="no_space",
        error_message="The disk that holds the repository is full. Free some space on it, then "
        "run the backup again.",
        log='Creating archive at "/mnt/backup/mail::mail-2026-11-23"\n'
        "No space left on device, cleaning up partial transaction to free space.\n"
        "Local Exception\nOSError: [Errno 28] No space left on device\n",
        log_size=230,
        command="BORG_REPO=/mnt/backup/mail borg create --json --log-json ::mail /var/mail",
    ).id
    ids["held"] = ended(
        rows[4],
        start - timedelta(hours=3),
        "failed",
        machine="attic",
        lane=rows[4].lane,
        lane_held=True,
        error_code="machine_silent",
        error_message="The machine attic has not answered for 120 seconds. Its repository stays "
        "reserved until it answers, or until an admin frees it: borg may still be running there.",
    ).id
    ended(
        rows[5],
        start - timedelta(days=2),
        "failed",
        kind="import",
        error_code="passphrase_wrong",
        error_message="The passphrase is wrong.",
    )
    ids["running"] = running(client, rows[1], percent=42.4).id
    ids["unknown"] = running(client, rows[3], percent=None, current_file=ODD).id
    ids["waiting"] = waiting(rows[1], f"Waits for backup #{ids['running']}.").id
    waiting(rows[4], f"waits for backup #{ids['held']}, whose machine is silent")
    ids["repository"], ids["odd"], ids["fresh"] = rows[1].id, rows[3].id, rows[6].id
    ids |= contents(config, rows[1])
    ids["restored"] = restored(rows[1], ids["before"])
    ids |= compared(config, rows[1], ids)
    mounts = (mounted(client, rows[2], is_there=each) for each in (True, False))
    ids["mounted"], ids["mounting"] = mounts
    ids["unmounted"] = unmounted(rows[2], ids["running"])
    ids |= drilled(client, rows)
    Session.commit()
    client.close()
    return ids


def _item(kind: str = "-", size: int = 0, days: float = 30, source: str = "") -> Attributes:
    mtime = int((_START - timedelta(days=days)).timestamp() * 10**6)
    mode = {"d": "rwxr-xr-x", "l": "rwxrwxrwx"}.get(kind, "rw-r--r--")
    shown = 0 if kind in "dh" else size
    return Attributes(kind, mode, 1000, 1000, "anna", "users", shown, mtime, False, source)


def _contents(version: int) -> dict[str, Attributes]:
    """What an archive of the photos holds; a later ``version`` has lost and changed some."""
    home = "home/anna/Documents"
    found = {
        f"{home}/Invoices": _item("d"),
        f"{home}/Thesis": _item("d"),
        f"{home}/thesis draft (final) [2].odt": _item(size=1_204_331 + 40_960 * version, days=9),
        f"{home}/{'A very long name that somebody gave to a scan of the contract ' * 3}.pdf": _item(
            size=48_204_331
        ),
        f"{home}/current": _item("l", source="/home/anna/Documents/Thesis"),
        f"{home}/same as draft.odt": _item("h", source=f"{home}/thesis draft (final) [2].odt"),
        f"{home}/socket": _item("s"),
        f"{home}/disk": _item("b"),
        f"{home}/empty.txt": _item(size=0, days=400),
        f"{home}/lost.db": _item(size=4_812_000)._replace(is_broken=True),
        f"{home}/ブックマーク.html": _item(size=88_123, days=2),
        os.fsdecode(os.fsencode(f"{home}/") + b"r\xe9sum\xe9.doc"): _item(size=33_000, days=800),
        f"{home}/tab\tand\nline.txt": _item(size=12),
        LONG.lstrip("/"): _item(size=91_000_000),
    }
    for number in range(1000):
        name = f"srv/photos/2024/11/IMG_{number:05d}.CR3"
        found[name] = _item(size=24_000_000 + number * 1711, days=380 - number / 300)
    for number in range(40):
        name = f"{home}/Invoices/2026-{number % 12 + 1:02d} invoice {number}.pdf"
        if number % 5 != version:
            found[name] = _item(size=80_000 + number * 911 * (1 + version), days=90 - number)
    if not version:
        found[f"{home}/Thesis/chapter 4 – results.odt"] = _item(size=610_000, days=24)
    return found


def contents(config: Config, row: Repository) -> dict[str, int]:
    """List what the two newest archives hold; a third stays without, a fourth waits for it.

    Ids by what they are.
    """
    newest = (
        Session.query(Archive)
        .filter_by(repository_id=row.id)
        .order_by(Archive.start.desc())
        .limit(4)
        .all()
    )
    job = waiting(row, "Waits for a free worker: 2 of 2 are busy.", "index")
    job.options = {"archive_id": newest[3].id, "archive": newest[3].name}
    for version, archive in ((1, newest[0]), (0, newest[1])):
        with IndexWriter(config.indexes / f"{row.id}.db", archive.borg_id) as writer:
            entries = _contents(version).items()
            writer.feed("".join(f"{render(it)}\t{name!r}\n" for name, it in entries).encode())
            writer.finish()
    names = ("archive", "before", "unlisted", "listing")
    return {name: each.id for name, each in zip(names, newest, strict=True)}


def mounted(client: redis.Redis, row: Repository, *, is_there: bool) -> int:
    """A mount that stands, or is being made; its id."""
    archive = Session.query(Archive).filter_by(repository_id=row.id).first()
    job = MountJob(
        status=Status.RUNNING,
        repository_id=row.id,
        repository_name=row.name,
        machine="local",
        attempt=1,
        created_at=now() - timedelta(minutes=19),
        admitted_at=now() - timedelta(minutes=19),
        started_at=now() - timedelta(minutes=19),
        process_pid=48300,
        archive_id=archive.id if archive else None,
        archive=archive.name if archive else "photos-2026-11-23T20:41:06.123456",
        expires_at=now() + timedelta(minutes=41),
        command="BORG_REPO=/mnt/backup/photos borg mount --foreground ::photos /…",
    )
    Session.add(job)
    Session.flush()
    job.mountpoint = f"/var/lib/borgui/data/mounts/{mountpoint_name(job.archive, job.id)}"
    live.announce(
        client,
        job.id,
        attempt=1,
        kind="mount",
        machine="local",
        repository_id=row.id,
        repository_name=row.name,
        label="Mount",
        created_at=job.created_at,
    )
    fields = {
        "status": "running",
        "start_time": live.timestamp(job.started_at),
        "progress_percent": 31.7 if is_there else None,
        "progress_message": "Mounted." if is_there else "Mounting.",
        "eta_seconds": 2460 if is_there else None,
        "mounted_at": live.timestamp(job.started_at) if is_there else None,
        "warning_count": 0,
    }
    client.hset(live.job_key(job.id), mapping=live.encode(fields))
    return job.id


def unmounted(row: Repository, writer: int) -> int:
    """A mount that a backup has ended; its id."""
    words = f"Ended because backup #{writer} waited."
    job = MountJob(
        status=Status.COMPLETED,
        repository_id=row.id,
        repository_name=row.name,
        machine="local",
        created_at=now() - timedelta(hours=3),
        started_at=now() - timedelta(hours=3),
        mounted_at=now() - timedelta(hours=3),
        completed_at=now() - timedelta(hours=2),
        expires_at=now() + timedelta(hours=21),
        archive="photos-2026-11-23T20:41:06.123456",
        mountpoint="/var/lib/borgui/data/mounts/photos-2026-11-23T20_41_06.123456-9",
        ended_by="job",
        gave_way_to=f"backup #{writer}",
        progress_message=words,
    )
    Session.add(job)
    Session.flush()
    return job.id


def restored(row: Repository, archive_id: int) -> int:
    """A restore that was cancelled while it overwrote; its id."""
    name = Session.query(Archive.name).filter_by(id=archive_id).scalar()
    job = RestoreJob(
        status=Status.CANCELLED,
        repository_id=row.id,
        repository_name=row.name,
        machine="local",
        created_at=now() - timedelta(seconds=300),
        started_at=now() - timedelta(seconds=299),
        completed_at=now() - timedelta(seconds=120),
        archive_id=archive_id,
        archive=name,
        destination="/srv/restored",
        paths=["home/anna/Documents", ODD.lstrip("/"), LONG.lstrip("/")],
        strip_components=2,
        overwrite=True,
        nfiles=8123,
        restored_size=4_812_345_678,
        left_alone_count=0,
        unmatched=["home/anna/Documents/never there.txt"],
        partial_file="/srv/restored" + LONG,
        error_message="Cancelled by admin. 8,123 files had been restored; the one being written "
        "may be incomplete.",
    )
    Session.add(job)
    Session.flush()
    return job.id


def drilled(client: redis.Redis, rows: list[Repository]) -> dict[str, int]:
    """Drills: two proofs, one of them of all files, one that found a loss, one under way."""
    at = now()
    figures = {"compared_with_source": 183, "compared_with_checksums": 17, "differing_count": 0}
    proof = {"nfiles": 200, "restored_size": 4_812_345_678, "sample": 200, **figures}
    proved = ended(
        rows[1],
        at - timedelta(days=3),
        kind="drill",
        archive="anna-2026-11-20",
        skipped_count=2,
        progress_message="Restored 200 files, all identical.",
        **proof,
    )
    whole = {**proof, "sample": None, "nfiles": 812_345, "compared_with_source": 812_328}
    ended(rows[0], at - timedelta(days=41), kind="drill", archive="anna-2026-10-13", **whole)
    lost = ended(
        rows[4],
        at - timedelta(hours=2),
        "failed",
        kind="drill",
        archive="anna-2026-11-23",
        error_code="restore_differs",
        error_message="3 of 200 restored files are not what was backed up; see the warnings. "
        "Check the repository.",
        warning_count=3,
        warnings=[
            {"path": path, "message": "It came back with other content.", "msgid": None}
            for path in ("home/anna/Documents/locked.kdbx", ODD[1:], LONG[1:])
        ],
        differing=["home/anna/Documents/locked.kdbx", ODD[1:], LONG[1:]],
        **{**proof, "differing_count": 3, "compared_with_checksums": 14},
    )
    job = kind_of("drill").new(
        status=Status.RUNNING,
        repository_id=rows[2].id,
        repository_name=rows[2].name,
        machine="local",
        attempt=1,
        created_at=at - timedelta(seconds=61),
        admitted_at=at - timedelta(seconds=60),
        started_at=at - timedelta(seconds=59),
        archive="mail-2026-11-23",
        sample=200,
    )
    figures = dict.fromkeys(("original_size", "compressed_size", "deduplicated_size"))
    figures |= {"backup_speed": None, "eta_seconds": None, "nfiles": 117, "restored_size": 10**9}
    message = "Comparing what was restored"
    live_one = running(
        client,
        rows[2],
        percent=71.5,
        job=job,
        current_file=ODD,
        progress_message=message,
        **figures,
    )
    return {"proved": proved.id, "lost": lost.id, "drilling": live_one.id}


def _differences() -> list[Difference]:
    """What a content diff of the two versions could tell, with every kind of change in it."""
    before, after = _contents(0), _contents(1)
    found = [
        Difference(path, frozenset({Change.REMOVED}), "file", None, item.size)
        for path, item in before.items()
        if path not in after
    ]
    for number, (path, item) in enumerate(after.items()):
        if path not in before:
            found.append(Difference(path, frozenset({Change.ADDED}), "file", item.size))
        elif item != before[path]:
            sizes = (None, None) if number % 7 == 0 else (item.size // 3, item.size // 4)
            found.append(Difference(path, frozenset({Change.CONTENT}), "file", *sizes))
        elif "photos/2024" in path:
            owners = ("anna:users", "www-data:www-data")
            found.append(Difference(path, frozenset({Change.OWNER}), "file", owners=owners))
    odd = next(path for path in after if path.endswith("sum\udce9.doc"))
    several = frozenset({Change.CONTENT, Change.MODE, Change.OWNER})
    modes, owners = ("-rw-r--r--", "-rwx------"), ("anna:users", "root:root")
    home = "home/anna/Documents"
    return [
        *found,
        Difference(odd, several, "file", 1_234, 0, modes, owners),
        Difference(LONG.lstrip("/"), frozenset({Change.MODE}), "file", modes=modes),
        Difference(f"{home}/current", frozenset({Change.LINK}), "symlink"),
        Difference(f"{home}/fifo", frozenset({Change.ADDED}), "fifo"),
    ]


def compared(config: Config, row: Repository, archives: dict[str, int]) -> dict[str, int]:
    """A content diff that is done, one that waits, one that failed; ids of the first and last."""
    found = _differences()
    kind = kind_of("diff").row

    def add(before: str, after: str, **values: Any) -> int:
        names = [Session.get_one(Archive, archives[each]).name for each in (before, after)]
        job = kind(
            repository_id=row.id,
            repository_name=row.name,
            machine="local",
            created_at=now() - timedelta(minutes=50),
            archive_id=archives[before],
            archive=names[0],
            other_id=archives[after],
            other=names[1],
            **values,
        )
        Session.add(job)
        Session.flush()
        return int(job.id)

    moments = {
        "started_at": now() - timedelta(minutes=50),
        "completed_at": now() - timedelta(minutes=48),
    }
    done = add(
        "before",
        "archive",
        status=Status.COMPLETED,
        differences=len(found),
        times_only=214,
        changes={str(each): sum(each in one.changes for one in found) for each in Change},
        added_size=sum(each.added or 0 for each in found),
        removed_size=sum(each.removed or 0 for each in found),
        expires_at=now() + timedelta(days=6, hours=23),
        **moments,
    )
    with DiffWriter(config.diffs / f"{done}.part") as writer:
        for each in found:
            writer.add(each)
        writer.sort()
        writer.finish(config.diffs / f"{done}.db")
    add("unlisted", "archive", status=Status.PENDING, wait_reason="Waits for backup #12.")
    failed = add(
        "listing",
        "archive",
        status=Status.FAILED,
        error_code="repository_missing",
        error_message="The repository is not there. Is its disk mounted?",
        **moments,
    )
    return {"diff": done, "diff-failed": failed}
