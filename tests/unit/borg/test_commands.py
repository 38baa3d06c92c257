import pytest

from borgui.borg import commands, environment
from borgui.borg.commands import CommandError, CreateOptions
from borgui.borg.display import command_line, printable_path, quote
from borgui.borg.patterns import Decision, Matcher
from borgui.borg.undecodable import say_exclude, say_sources
from borgui.borg.version import Version, VersionError, check_supported, parse_version


def test_create_keeps_typed_text_behind_the_dashes() -> None:
    argv = commands.create(
        CreateOptions(
            "-n", ("/-x", "/b/"), excludes=("--foo",), extra=("--noacls",), one_file_system=True
        )
    )
    assert argv[-4:] == ["--", "::-n", "/-x", "/b"]
    assert {"--exclude=--foo", "--noacls", "--one-file-system"} < set(argv)
    assert {"--json", "--log-json", "--progress"} < set(argv)


@pytest.mark.parametrize("sources", [(), ("-",), ("relative",), ("/a", "-x")])
def test_create_refuses(sources: tuple[str, ...]) -> None:
    with pytest.raises(CommandError):
        commands.create(CreateOptions("n", sources))


def test_create_refuses_undecodable_words() -> None:
    with pytest.raises(CommandError):
        commands.create(CreateOptions("n\udce9", ("/a",)))
    with pytest.raises(CommandError):
        commands.create(CreateOptions("n", ("/a\udce9",), one_file_system=True))


def test_no_command_names_the_repository() -> None:
    for argv in (
        commands.init("repokey"),
        commands.list_archives(),
        commands.info_archives(3),
        commands.delete_repository(),
        commands.break_lock(),
    ):
        assert all(word.startswith("--") for word in argv[1:])
    with pytest.raises(CommandError):
        commands.info_archives(0)


def test_mount_takes_names_as_they_are() -> None:
    argv = commands.mount("-a {now}", "/data/mounts/-a")
    assert argv[-3:] == ["--", "::-a {{now}}", "/data/mounts/-a"]
    assert "--foreground" in argv


ODD = "/srv/a\udce9/b"


def test_undecodable_source() -> None:
    sources, rules = say_sources([ODD, "/srv/www", "/etc"])
    assert sources == ("/etc", "/srv")
    matcher = Matcher.from_argv([f"--pattern={rule}" for rule in rules])
    for path in ("/srv", "/srv/a\udce9", ODD, f"{ODD}/x", "/srv/www/y", "/etc/z"):
        assert matcher.decide(path) is Decision.INCLUDE
    for path in ("/srv/a?", "/srv/a\udce9/c", "/srv/ab", "/srv/www2", f"{ODD}2"):
        assert matcher.decide(path) is Decision.EXCLUDE


def test_undecodable_source_below_another_source() -> None:
    sources, rules = say_sources(["/srv", ODD])
    assert sources == ("/srv",)
    matcher = Matcher.from_argv([f"--pattern={rule}" for rule in rules])
    assert matcher.decide("/srv/anything") is Decision.INCLUDE


@pytest.mark.parametrize("style", ["", "fm:", "sh:", "pp:"])
def test_undecodable_exclude(style: str) -> None:
    for pattern in ("/a\udce9", "/a\udce9/"):
        said = say_exclude(style + pattern)
        assert said.isascii()
        one = Matcher.from_argv([f"--exclude={style}{pattern}"])
        two = Matcher.from_argv([f"--exclude={said}"])
        for path in ("/a\udce9", "/a\udce9/b", "/a\udce9/b/c", "/a\udce9b", "/a"):
            assert one.decide(path) is two.decide(path)


def test_export_tar() -> None:
    argv = commands.export_tar("-a{b}", ("pp:-x", "pp:/"), strip_components=2)
    assert argv[0] == "export-tar"
    assert argv[-5:] == ["--", "::-a{{b}}", "-", "pp:-x", "pp:/"]
    assert "--strip-components=2" in argv
    assert not any(word.startswith("--strip") for word in commands.export_tar("a"))


def test_display() -> None:
    shown = command_line("borg", ["create", "--comment=a b", "/a\udce9'\nb"], {"BORG_REPO": "/r x"})
    assert shown == r"BORG_REPO='/r x' borg create '--comment=a b' $'/a\xe9\'\x0ab'"
    assert printable_path("/a\udce9é\ud800") == "/a\\xe9é\\xed\\xa0\\x80"
    assert quote("a") == "a"


def test_versions() -> None:
    assert parse_version("borg 1.2.4\n") == Version(1, 2, 4)
    assert str(parse_version("borg 2.0.0b23")) == "2.0.0b23"
    assert parse_version("borg-linux64 1.4.0") == Version(1, 4, 0)
    assert check_supported(Version(1, 2, 4)) is None
    assert check_supported(Version(1, 4, 5)) is None
    assert "2" in (check_supported(Version(2, 0, 0)) or "")
    assert "too old" in (check_supported(Version(1, 1, 17)) or "")
    with pytest.raises(VersionError):
        parse_version("bash: borg: command not found")


def test_environment_is_whole_and_answers_no() -> None:
    env = environment.base(borg_home="/d/borg", host_id="h@1", home="/root")
    assert env["BORG_SECURITY_DIR"] == "/d/borg/security"
    assert (env["TZ"], env["LC_ALL"], env["BORG_EXIT_CODES"]) == ("UTC", "C.UTF-8", "modern")
    assert env["BORG_RELOCATED_REPO_ACCESS_IS_OK"] == "no"
    assert "BatchMode=yes" in env["BORG_RSH"]
    assert not {"BORG_PASSPHRASE", "BORG_DELETE_I_KNOW_WHAT_I_AM_DOING"} & set(env)


def test_what_cannot_be_given_is_named_where_it_can_be_kept_from_others() -> None:
    with pytest.raises(commands.CommandError) as caught:
        commands.rename_archive("one", "odd-\udcff")
    assert str(caught.value) == (
        "borg cannot be given a value that is not UTF-8. In detail: odd-\\xff"
    )
