"""The Procfile's processes, each started by itself, and ``wsgi.py`` under plain gunicorn."""

import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from borgui.config import ROOT
from tests.integration.product import PASSWORD, Product, free_port, wait_for


def procfile() -> dict[str, list[str]]:
    """Name → command, with this test's own Python."""
    lines = (ROOT / "Procfile").read_text().splitlines()
    named = (line.partition(":") for line in lines if line and not line.startswith("#"))
    commands = {name: shlex.split(command) for name, _, command in named}
    assert all(command[0] == "python" for command in commands.values())
    return {name: [sys.executable, *command[1:]] for name, command in commands.items()}


@contextmanager
def started(commands: dict[str, list[str]], output: Path, **env: str) -> Iterator[dict[str, int]]:
    """All of them at the same moment; ends them together, as honcho does."""
    with output.open("ab") as file:
        processes = {
            name: subprocess.Popen(
                command,
                cwd=ROOT,
                env={**os.environ, **env},
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            for name, command in commands.items()
        }
        try:
            yield {name: process.pid for name, process in processes.items()}
        finally:
            for process in processes.values():
                process.send_signal(signal.SIGTERM)
            codes = {name: process.wait(40) for name, process in processes.items()}
    assert all(code in {0, -signal.SIGTERM} for code in codes.values()), (codes, output.read_text())


@pytest.fixture
def settings(tmp_path: Path) -> dict[str, str]:
    return {
        "BORGUI_DATA_DIR": str(tmp_path / "data"),
        "BORGUI_PORT": str(free_port()),
        "BORGUI_ADMIN_PASSWORD": PASSWORD,
        "BORGUI_JOBS": "1",
    }


def test_the_procfile_makes_a_working_product(tmp_path: Path, settings: dict[str, str]) -> None:
    assert set(procfile()) == {"redis", "web", "control", "worker", "scheduler"}
    output = tmp_path / "output"
    product = Product(tmp_path / "data", port=int(settings["BORGUI_PORT"]))
    with started(procfile(), output, **settings):
        wait_for(lambda: _answers(product), 40, output.read_text)
        health = product.get("/health").json
        assert (health["status"], health["workers"]) == ("ok", 1)
        for role in ("web", "control", "worker", "scheduler"):
            assert _command("alive", role, **settings).returncode == 0, role
        product.sign_in()
        source = tmp_path / "source"
        source.mkdir()
        (source / "a.txt").write_text("a letter")
        repository = product.add_repository("apart", tmp_path / "repository", [source])
        job = product.back_up(repository)
        assert _ended(product, job)["status"] == "completed"
        assert "borg create" in product.get(f"/api/backup/logs/{job}?follow=false").body.decode()
    assert "Traceback" not in output.read_text()
    assert _command("alive", "web", **settings).returncode == 1
    assert _command("alive", "control", **settings).returncode == 1


def test_the_set_up_code_that_is_printed_is_the_one_that_counts(
    tmp_path: Path, settings: dict[str, str]
) -> None:
    """Web and control start at once on an empty folder, and only the web prints a code."""
    del settings["BORGUI_ADMIN_PASSWORD"]
    output = tmp_path / "output"
    product = Product(tmp_path / "data", port=int(settings["BORGUI_PORT"]))
    roles = ("redis", "web", "control")
    with started({each: procfile()[each] for each in roles}, output, **settings):
        wait_for(lambda: _answers(product, 503), 40, output.read_text)
        wait_for(lambda: _command("alive", "control", **settings).returncode == 0, 20, "no control")
        text = output.read_text()
        assert text.count("Set-up code") == 1
        code = text.partition("Set-up code (once): ")[2].split()[0]
        assert _set_up(product, code) == 303


def test_wsgi_serves_under_plain_gunicorn(tmp_path: Path, settings: dict[str, str]) -> None:
    assert _command("migrate", **settings).returncode == 0
    command = [
        *(sys.executable, "-m", "gunicorn", "-k", "gthread", "--threads", "4"),
        *("--no-control-socket", "-b", f"127.0.0.1:{settings['BORGUI_PORT']}", "wsgi:app"),
    ]
    output = tmp_path / "output"
    product = Product(tmp_path / "data", port=int(settings["BORGUI_PORT"]))
    with started({"gunicorn": command}, output, **settings):
        wait_for(lambda: _answers(product, 503), 40, output.read_text)
        health = product.get("/health").json
        assert (health["database"], health["redis"]) == ("ok", "unavailable")
        assert product.get("/health?live=1").status == 200
        product.sign_in()
        assert product.get("/api/repositories").json["total"] == 0


def _command(*arguments: str, **env: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "borgui", *arguments],
        cwd=ROOT,
        env={**os.environ, **env},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def _answers(product: Product, status: int = 200) -> bool:
    try:
        return product.get("/health").status == status
    except OSError:
        return False


def _ended(product: Product, job: int) -> dict[str, object]:
    wait_for(
        lambda: product.job(job)["completed_at"] is not None, 40, lambda: str(product.job(job))
    )
    return product.job(job)


def _set_up(product: Product, code: str) -> int:
    """The status of the first visit's form."""
    from tests.integration.proxy.browser import Browser

    browser = Browser(product.url(""))
    fields = {
        "csrf_token": browser.get("/setup").csrf,
        "code": code,
        "username": "admin",
        "password": PASSWORD,
        "confirmation": PASSWORD,
    }
    return browser.submit("/setup", fields).status
