"""What the documentation says, held against the code: settings, links, and what a job kind is."""

import ast
import re
from dataclasses import fields
from pathlib import Path

import pytest

from borgui.config import ROOT, Config
from borgui.jobs import KINDS
from borgui.jobs.job import WITH_TABLES, Job
from borgui.jobs.kind import Kind
from borgui.models import Settings

README = (ROOT / "README.md").read_text()
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text()
PAGES = [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]
OF_COMPOSE = {"BORGUI_SOURCES", "BORGUI_REPOSITORIES", "BORGUI_RESTORES"}


def rows(text: str) -> dict[str, str]:
    """First column → second column of every table row that begins with a name in backquotes."""
    return dict(re.findall(r"^\| `([^`]+)` \| ([^|]*?) \|", text, re.MULTILINE))


def variables() -> set[str]:
    """Every name that ``config.py`` reads from the environment."""
    tree = ast.parse((ROOT / "borgui" / "config.py").read_text())
    return {
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and re.fullmatch(r"[A-Z][A-Z0-9]*(_[A-Z0-9]+)+", node.value)
    }


# --- settings -------------------------------------------------------------------------------------


def test_every_variable_is_in_the_readme() -> None:
    assert len(variables()) == len(fields(Config))
    named = {name for name in rows(README) if name.isupper()}
    assert named == variables()


def test_no_page_names_a_variable_that_does_not_exist() -> None:
    named = {name for page in PAGES for name in re.findall(r"BORGUI_[A-Z_]+", page.read_text())}
    assert named - variables() - OF_COMPOSE == set()


def test_the_defaults_of_variables_are_those_of_the_code() -> None:
    told = rows(README)
    bare = Config.from_env({})
    for variable, name in (
        ("BORGUI_HOST", "host"),
        ("BORGUI_PORT", "port"),
        ("BORGUI_JOBS", "jobs"),
        ("BORGUI_BORG", "borg"),
        ("BORGUI_TRUSTED_PROXIES", "trusted_proxies"),
        ("BORGUI_MACHINE", "machine"),
    ):
        assert told[variable] == f"`{getattr(bare, name)}`", variable
    assert Path(told["BORGUI_DATA_DIR"].strip("`")).absolute() == bare.data_dir
    unset = {name for name, default in told.items() if name in variables() and default == "–"}
    assert unset == {
        *("BORGUI_ADMIN_PASSWORD", "BORGUI_SECRET_KEY", "BORGUI_URL_PREFIX"),
        *("DATABASE_URL", "REDIS_URL"),
    }


def test_every_setting_is_in_the_readme_with_its_default() -> None:
    told = {name: default.strip("`") for name, default in rows(README).items()}
    assert {field.name: told.get(field.name) for field in fields(Settings)} == {
        field.name: " ".join(field.default)
        if isinstance(field.default, tuple)
        else str(field.default)
        for field in fields(Settings)
    }


def test_compose_passes_on_what_its_page_says() -> None:
    page = (ROOT / "docs" / "install.md").read_text()
    used = set(re.findall(r"\$\{(\w+):-", (ROOT / "compose.yaml").read_text()))
    assert used == {name for name in used if f"`{name}`" in page}
    assert used >= OF_COMPOSE


def test_the_worker_has_the_rights_that_its_page_says() -> None:
    """Without any of them a restore brings back less, and borg says nothing of it."""
    page = (ROOT / "docs" / "install.md").read_text()
    compose = (ROOT / "compose.yaml").read_text()
    lists = re.findall(r"-all((?:,\+\w+)+)", compose)
    assert len(lists) == 3
    assert len(set(lists)) == 1
    rights = {each.lstrip("+").upper() for each in lists[0].strip(",").split(",")}
    assert rights >= {"CHOWN", "FOWNER", "FSETID", "SETFCAP", "MKNOD", "DAC_OVERRIDE"}
    assert all(f"`{each}`" in page for each in rights)
    assert "cap_add: [MKNOD]" in compose, "no container of Podman's has it, and setpriv fails"


# --- pages ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    text = page.read_text()
    for target in re.findall(r"(?<!!)\[[^\]]*\]\(([^)#:]*)(?:#([^)]*))?\)", text):
        file = page.parent / target[0] if target[0] else page
        assert file.is_file(), target
        if target[1]:
            titles = re.findall(r"^#+ (.*)$", file.read_text(), re.MULTILINE)
            slugs = {re.sub(r"[^\w\- ]", "", each).lower().replace(" ", "-") for each in titles}
            assert target[1] in slugs


def test_every_command_that_the_pages_name_exists() -> None:
    from borgui.__main__ import _parser

    named = {
        name
        for page in PAGES
        for name in re.findall(r"python -m borgui ([a-z]+)", page.read_text())
    }
    known = {name for action in _parser()._actions for name in action.choices or ()}
    assert named - known == set()
    assert {"up", "doctor", "user", "alive", "migrate"} <= named


def test_every_target_of_the_makefile_is_in_its_manual() -> None:
    targets = re.findall(r"^([a-z]+):.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE)
    text = README + CONTRIBUTING + (ROOT / "docs" / "install.md").read_text()
    assert [each for each in targets if f"`make {each}" not in text] == ["clean"]


# --- a job kind -----------------------------------------------------------------------------------


def room(kind: Kind) -> str:
    """The module that holds it: its name, or its name and what it is done to."""
    name = kind.steps.__module__.removeprefix("borgui.jobs.")
    assert name == kind.name or name.startswith(f"{kind.name}_")
    return name


def listed() -> list[str]:
    """The files that CONTRIBUTING says a kind touches."""
    section = CONTRIBUTING.split("## Adding a job kind")[1].split("\n## ")[0]
    return list(rows(section))


def rooms_in_the_folder() -> set[str]:
    """Modules of ``borgui/jobs`` that make a ``Kind``."""
    found = set()
    for path in (ROOT / "borgui" / "jobs").glob("*.py"):
        for node in ast.parse(path.read_text()).body:
            value = node.value if isinstance(node, ast.Assign | ast.AnnAssign) else None
            if isinstance(value, ast.Call) and ast.unparse(value.func) == "Kind":
                found.add(path.stem)
    return found


def test_the_list_names_what_there_is() -> None:
    assert listed() == [
        "borgui/jobs/NAME.py",
        "borgui/jobs/__init__.py",
        "borgui/jobs/job.py",
        "migrations/versions/NNNN_what.py",
        "borgui/borg/commands.py",
        "templates/jobs/",
        "tests/",
    ]


def test_folder_and_registry_agree() -> None:
    assert rooms_in_the_folder() == {room(kind) for kind in KINDS}
    assert len({kind.name for kind in KINDS}) == len(KINDS)
    with_columns = {kind.name for kind in KINDS if kind.row is not Job}
    assert with_columns == set(WITH_TABLES) == set(Job.__mapper__.polymorphic_map) - {"job"}


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_a_kind_is_one_room(kind: Kind) -> None:
    assert (ROOT / "borgui" / "jobs" / f"{room(kind)}.py").is_file()
    assert kind.row is Job or kind.row.__module__ == kind.steps.__module__
    table = kind.row.__table__.name  # type: ignore[attr-defined]
    assert table in {"jobs", f"{kind.name}_jobs"}
    if table != "jobs":
        versions = (ROOT / "migrations" / "versions").glob("*.py")
        assert any(f'"{table}"' in path.read_text() for path in versions)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_a_kind_has_tests(kind: Kind) -> None:
    names = rf"[\"'/]({kind.name}|{kind.name.replace('_', '-')})[\"'/?]"
    tests = [path for path in (ROOT / "tests").rglob("test_*.py") if path != Path(__file__)]
    assert any(re.search(names, path.read_text()) for path in tests)


def test_nobody_else_knows_a_kinds_room() -> None:
    found = [
        f"{path.relative_to(ROOT)}: {line}"
        for path in (ROOT / "borgui").rglob("*.py")
        if path.parent.name != "jobs"
        for line in path.read_text().splitlines()
        for kind in KINDS
        if re.search(rf"\bborgui\.jobs(\.{room(kind)}\b| import .*\b{room(kind)}\b)", line)
    ]
    assert found == []


def test_what_runs_every_kind_names_none() -> None:
    """Admission, finish, reconcile, control, the API and the runner read the ``Kind``."""
    package = ROOT / "borgui"
    shared = [
        package / "jobs" / f"{name}.py" for name in ("admission", "finish", "reconcile", "view")
    ]
    shared += [*package.glob("control/*.py")]
    shared += [package / "api" / f"{name}.py" for name in ("answers", "jobs", "kinds", "logs")]
    shared += [package / "runner" / f"{name}.py" for name in ("worker", "machine", "outcome")]
    names = {kind.name for kind in KINDS} - {"import"}  # also the mode of a new repository
    found = [
        f"{path.relative_to(ROOT)}:{node.lineno} {node.value}"
        for path in shared
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and node.value in names
    ]
    assert found == []
