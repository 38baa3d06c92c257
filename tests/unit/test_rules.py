"""The house rules, held against the code: who may import what, who may start a process."""

import ast
from pathlib import Path

import pytest

from borgui.config import ROOT

PACKAGE = ROOT / "borgui"

FORBIDDEN = {
    "runner": ("borgui.models", "borgui.jobs", "borgui.web", "borgui.api", "flask", "sqlalchemy"),
    "borg": ("borgui.models", "borgui.runner", "flask", "sqlalchemy", "redis", "rq", "subprocess"),
    "models": ("flask", "rq", "borgui.web", "borgui.api", "borgui.runner"),
    "jobs": ("flask", "borgui.web", "borgui.api", "borgui.runner"),
    "control": ("flask", "borgui.web", "borgui.api", "borgui.runner"),
    "schedules": ("flask", "borgui.web", "borgui.api", "borgui.runner"),
    "web": ("borgui.runner",),
    "api": ("borgui.runner",),
}
"""Room → what nothing in it may import."""

STARTS_PROCESSES = {
    "runner/process.py",  # borg and its like
    "embedded_redis.py",  # execv: the fork of the supervisor becomes the server
    "supervisor.py",  # fork
}
STARTERS = {"subprocess", "multiprocessing", "pty"}
OS_STARTERS = {"system", "popen", "fork", "forkpty", "posix_spawn", "posix_spawnp", "startfile"}


def modules() -> list[Path]:
    """Every module of the product."""
    return sorted(PACKAGE.rglob("*.py"))


def imports(tree: ast.AST) -> set[str]:
    """Full names of what a module imports, ``from a import b`` as both ``a`` and ``a.b``."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return names


def starts_processes(tree: ast.AST) -> bool:
    """Whether a module holds a way to start a process."""
    if any(name.split(".")[0] in STARTERS for name in imports(tree)):
        return True
    return any(
        isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id == "os"
        and (node.attr in OS_STARTERS or node.attr.startswith(("exec", "spawn")))
        for node in ast.walk(tree)
    )


@pytest.mark.parametrize("room", sorted(FORBIDDEN))
def test_a_room_imports_only_what_it_may(room: str) -> None:
    found = []
    for path in sorted((PACKAGE / room).rglob("*.py")):
        for name in imports(ast.parse(path.read_text())):
            found += [
                f"{path.relative_to(ROOT)} imports {name}"
                for bad in FORBIDDEN[room]
                if name == bad or name.startswith(f"{bad}.")
            ]
    assert found == []


def test_only_named_modules_start_processes() -> None:
    found = {
        path.relative_to(PACKAGE).as_posix()
        for path in modules()
        if starts_processes(ast.parse(path.read_text()))
    }
    # the worker forks its horses
    assert found == STARTS_PROCESSES | {"runner/worker.py"}


def test_nothing_uses_a_shell() -> None:
    shells = [
        f"{path}:{node.lineno}"
        for path in modules()
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.keyword)
        and node.arg == "shell"
        and not (isinstance(node.value, ast.Constant) and node.value.value is False)
    ]
    assert shells == []


def test_only_the_borg_room_spells_borgs_flags() -> None:
    """A string that looks like a long option of borg stands in ``borg/`` alone."""
    ours = {
        # valkey's and our own command line
        "embedded_redis.py",
        "__main__.py",
        # setpriv's
        "runner/process.py",
    }
    found = []
    for path in modules():
        name = path.relative_to(PACKAGE).as_posix()
        if name.startswith("borg/") or name in ours:
            continue
        tree = ast.parse(path.read_text())
        docstrings = {
            id(node.body[0].value)
            for node in ast.walk(tree)
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
            and node.body
            and isinstance(node.body[0], ast.Expr)
        }
        found += [
            f"{name}:{node.lineno} {node.value}"
            for node in ast.walk(tree)
            if isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and id(node) not in docstrings
            and node.value.startswith("--")
        ]
    assert found == []


def test_the_rules_can_fail() -> None:
    tree = ast.parse("import subprocess\nfrom borgui.models import Session\n")
    assert starts_processes(tree)
    assert "borgui.models" in imports(tree)
    assert starts_processes(ast.parse("import os\nos.execv('/bin/sh', ['sh'])"))
