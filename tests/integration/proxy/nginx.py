"""A real nginx with the very blocks that docs/reverse-proxy.md shows."""

import os
import pwd
import re
import shutil
import socket
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from borgui.config import ROOT
from tests.integration.product import wait_for

PREFIX = "/borgui"
_TEMPORARY = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")


def documented() -> list[str]:
    """The nginx blocks of the documentation: a server at the root, a location under a path."""
    text = (ROOT / "docs" / "reverse-proxy.md").read_text()
    return re.findall(r"^```nginx\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


def at_root(port: int, backend: int, certificate: Path) -> str:
    """The documented server, on ``port``."""
    block = documented()[0]
    for old, new in (
        ("listen 443 ssl", f"listen 127.0.0.1:{port} ssl"),
        ("/etc/ssl/backup.example.org.pem", f"{certificate}.pem"),
        ("/etc/ssl/backup.example.org.key", f"{certificate}.key"),
        ("127.0.0.1:8000", f"127.0.0.1:{backend}"),
    ):
        assert old in block
        block = block.replace(old, new)
    return block


def without_tls(server: str) -> str:
    """The same, by plain http."""
    return re.sub(r"^\s*ssl_.*\n", "", server, flags=re.MULTILINE).replace(" ssl;", ";")


def below(port: int, backend: int, *, stripped: bool) -> str:
    """A server with the documented location; ``stripped``: with the slash that takes it off."""
    block = documented()[1]
    old = "proxy_pass http://127.0.0.1:8000;"
    assert old in block
    slash = "/" if stripped else ""
    block = block.replace(old, f"proxy_pass http://127.0.0.1:{backend}{slash};")
    return f"server {{ listen 127.0.0.1:{port}; server_name localhost;\n{block}\n}}"


def make_certificate(path: Path) -> Path:
    """A self-signed one for 127.0.0.1: ``path``.pem and ``path``.key; returns ``path``."""
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-nodes", "-newkey", "ec"),
            *("-pkeyopt", "ec_paramgen_curve:prime256v1", "-days", "2"),
            *("-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"),
            *("-keyout", f"{path}.key", "-out", f"{path}.pem"),
        ],
        check=True,
        capture_output=True,
    )
    return path


@dataclass
class Nginx:
    """nginx in ``folder``, in the foreground, with ``servers`` (text of its configuration)."""

    folder: Path
    servers: list[str] = field(default_factory=list)

    def start(self) -> None:
        """Start, and wait until it listens."""
        file = self.folder / "nginx.conf"
        file.write_text(self._configuration())
        program = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
        assert program, "nginx is not installed: make test does that"
        log = self.folder / "error.log"
        self._process = subprocess.Popen(
            [program, "-p", self.folder, "-c", file, "-e", log], stdin=subprocess.DEVNULL
        )
        ports = [
            int(each) for text in self.servers for each in re.findall(r"listen .*?:(\d+)", text)
        ]
        wait_for(lambda: all(map(_listens, ports)), 10, log.read_text)

    def stop(self) -> None:
        """End it."""
        self._process.terminate()
        self._process.wait(10)

    def _configuration(self) -> str:
        user = f"user {pwd.getpwuid(0).pw_name};\n" if os.getuid() == 0 else ""
        folders = "".join(f"{each}_temp_path {self.folder}/{each};\n" for each in _TEMPORARY)
        return (
            f"{user}daemon off;\nworker_processes 1;\npid {self.folder}/nginx.pid;\n"
            f"events {{}}\nhttp {{\naccess_log off;\n{folders}" + "\n".join(self.servers) + "\n}\n"
        )


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
