"""The whole product as a user starts it: ``python -m borgui up`` on a data folder of its own."""

import contextlib
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from borgui import queueing
from borgui.config import ROOT, Config
from borgui.embedded_redis import socket_path

PASSWORD = "correct horse battery staple"


def free_port() -> int:
    """A TCP port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Answer:
    """Of one request; ``json`` is None where there is none."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body) if self.body else None


@dataclass
class Product:
    """borgui under way on ``data_dir``."""

    data_dir: Path
    port: int = field(default_factory=free_port)
    env: dict[str, str] = field(default_factory=dict)
    command: tuple[str, ...] = ("up",)
    program: tuple[str, ...] = ("-m", "borgui")
    process: subprocess.Popen[bytes] | None = None
    token: str | None = None
    _shared: int | None = None

    def start(self, *, ready: bool = True) -> "Product":
        """Start it and, unless told otherwise, wait until it is healthy."""
        env = {
            **os.environ,
            "BORGUI_DATA_DIR": str(self.data_dir),
            "BORGUI_PORT": str(self.port),
            "BORGUI_ADMIN_PASSWORD": PASSWORD,
            **self.env,
        }
        self.output = (self.data_dir.parent / f"{self.data_dir.name}.out").open("ab")
        self.process = subprocess.Popen(
            [sys.executable, *self.program, *self.command],
            cwd=ROOT,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=self.output,
            stderr=subprocess.STDOUT,
        )
        if ready:
            try:
                self.wait_healthy()
            except AssertionError:
                self.process.kill()
                self.process.wait()
                self.output.close()
                raise
        return self

    @property
    def said(self) -> str:
        """All that it printed."""
        return (self.data_dir.parent / f"{self.data_dir.name}.out").read_text()

    def account(self) -> str:
        """For a test that failed: what it printed last, its newest jobs, and their logs."""
        parts = [self.said[-5000:]]
        with closing(sqlite3.connect(self.data_dir / "borgui.db")) as database:
            found = database.execute(
                "SELECT id, kind, status, attempt, exit_code, error_code, error_message,"
                " created_at, started_at, completed_at, cancel_requested_at"
                " FROM jobs ORDER BY id DESC LIMIT 6"
            ).fetchall()
        for row in found:
            log = self.data_dir / "logs" / f"{row[0]}.log"
            said = log.read_text(errors="replace")[-2000:] if log.exists() else "no log"
            parts.append(f"{row}\n{said}")
        return "\n---\n".join(parts)

    def wait_healthy(self, seconds: float = 60) -> None:
        """Until ``/health`` answers 200."""

        def healthy() -> bool:
            if self.process is not None and self.process.poll() is not None:
                raise AssertionError(f"borgui ended: {self.said}")
            with contextlib.suppress(OSError):
                return self.get("/health").status == 200
            return False

        wait_for(healthy, seconds, "borgui is not healthy")

    def stop(self, number: signal.Signals = signal.SIGTERM, seconds: float = 40) -> int:
        """End it with a signal; returns its exit code."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(number)
        code = self.process.wait(seconds)
        self.output.close()
        return code

    def tree(self) -> list[psutil.Process]:
        """Its supervisor and everything below it."""
        assert self.process is not None
        top = psutil.Process(self.process.pid)
        return [top, *top.children(recursive=True)]

    def kill_all(self) -> None:
        """SIGKILL to everything at once, as a power cut would: nobody does anything about the
        others' end, as a borg that mounts would on its horse's."""
        tree = self.tree()
        for end in (psutil.Process.suspend, psutil.Process.kill):
            for each in tree:
                with contextlib.suppress(psutil.NoSuchProcess):
                    end(each)
        assert self.process is not None
        self.process.wait(10)
        self.output.close()

    def redis(self) -> "queueing.Redis":
        """A client of its embedded Redis."""
        return queueing.connect(f"unix://{socket_path(Config(data_dir=self.data_dir))}", timeout=5)

    # --- HTTP -------------------------------------------------------------------------------------

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        headers: dict[str, str] | None = None,
        timeout: float = 30,
    ) -> Answer:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url(path), data=data, method=method)
        if data is not None:
            request.add_header("Content-Type", "application/json")
        if self.token:
            request.add_header("Authorization", f"Bearer {self.token}")
        for name, value in (headers or {}).items():
            request.add_header(name, value)
        try:
            with urllib.request.urlopen(request, timeout=timeout) as answer:
                return Answer(answer.status, dict(answer.headers), answer.read())
        except urllib.error.HTTPError as error:
            return Answer(error.code, dict(error.headers), error.read())

    def get(self, path: str, **options: Any) -> Answer:
        return self.request("GET", path, **options)

    def post(self, path: str, body: Any = None, **options: Any) -> Answer:
        return self.request("POST", path, {} if body is None else body, **options)

    def sign_in(self) -> "Product":
        """As the admin, by a token."""
        answer = self.post("/api/auth/login", {"username": "admin", "password": PASSWORD})
        assert answer.status == 200, answer.body
        self.token = answer.json["token"]
        return self

    def add_repository(self, name: str, path: Path, sources: list[Path], **more: Any) -> int:
        """A new repository, ready; returns its id."""
        body = {
            "name": name,
            "path": str(path),
            "mode": "create",
            "encryption": "repokey-blake2",
            "passphrase": "s3cret phrase",
            "source_directories": [str(source) for source in sources],
            **more,
        }
        answer = self.post("/api/repositories", body)
        assert answer.status == 201, answer.body
        job = self.wait_job(answer.json["job_id"])
        assert job["status"] == "completed", job
        return int(answer.json["id"])

    @property
    def shared_folder(self) -> Path:
        """Where that of :meth:`shared_repository` lies."""
        return self.data_dir.parent / f"{self.data_dir.name}.repository"

    def shared_repository(self, sources: list[Path]) -> int:
        """One repository for whoever just needs an archive of these, which saves making one."""
        if self._shared is None:
            self._shared = self.add_repository("shared", self.shared_folder, sources)
        change = {"source_directories": [str(source) for source in sources]}
        answer = self.request("PUT", f"/api/repositories/{self._shared}", change)
        assert answer.status == 200, answer.body
        return self._shared

    def back_up(self, repository_id: int, **more: Any) -> int:
        """Start a backup; returns the job's id."""
        answer = self.post("/api/backup/run", {"repository_id": repository_id, **more})
        assert answer.status == 202, answer.body
        return int(answer.json["job_id"])

    def job(self, job_id: int) -> dict[str, Any]:
        answer = self.get(f"/api/jobs/{job_id}")
        assert answer.status == 200, answer.body
        found: dict[str, Any] = answer.json
        return found

    def wait_job(self, job_id: int, *statuses: str, seconds: float = 60) -> dict[str, Any]:
        """Until the job stands in one of ``statuses`` (default: it has ended)."""
        wanted = statuses or ("completed", "failed", "cancelled")
        found: dict[str, Any] = {}

        def there() -> bool:
            nonlocal found
            found = self.job(job_id)
            return found["status"] in wanted

        wait_for(
            there, seconds, lambda: f"job {job_id} is not {wanted}: {found}\n{self.said[-3000:]}"
        )
        return found


def wait_for(condition: Callable[[], bool], seconds: float, what: str | Callable[[], str]) -> None:
    """Poll ``condition`` until it holds, ever less often; AssertionError after ``seconds``."""
    deadline = time.monotonic() + seconds
    pause = 0.02
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(what if isinstance(what, str) else what())
        time.sleep(pause)
        pause = min(pause * 1.1, 0.25)


@contextlib.contextmanager
def running(data_dir: Path, **env: str) -> Iterator[Product]:
    """A healthy product, signed in as admin, that is gone afterwards."""
    product = Product(data_dir, env=env).start()
    try:
        yield product.sign_in()
    finally:
        if product.process is not None and product.process.poll() is None:
            try:
                product.stop()
            except subprocess.TimeoutExpired:
                product.kill_all()
                raise


def borg(
    repository: Path,
    *arguments: str,
    home: Path,
    passphrase: str = "s3cret phrase",
    **more: str,
) -> str:
    """Run a borg of the user's own on ``repository``; returns its stdout. ``more``: environment."""
    env = {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "BORG_BASE_DIR": str(home),
        "BORG_REPO": str(repository),
        "BORG_PASSPHRASE": passphrase,
        "BORG_RELOCATED_REPO_ACCESS_IS_OK": "yes",
        "BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK": "yes",
        "LANG": "C.UTF-8",
        **more,
    }
    done = subprocess.run(
        ["borg", *arguments], env=env, cwd=home, capture_output=True, check=True, timeout=120
    )
    return done.stdout.decode()
