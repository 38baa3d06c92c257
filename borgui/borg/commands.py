"""Borg's command lines: lists of arguments after the program's name.

The repository is always given by ``BORG_REPO`` (never in argv) and an archive as ``::NAME``. All
options stand before ``--``, and what a person typed is joined to its option by ``=`` or stands
after ``--``: nothing typed can become an option. Strings may hold surrogate escapes.
"""

import posixpath
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from borgui.borg import listing
from borgui.borg.causes import MOUNT_UNAVAILABLE, NO_FUSE
from borgui.borg.display import IN_DETAIL, printable_path
from borgui.borg.undecodable import is_utf8, say_exclude, say_sources

LOCK_WAIT_SECONDS: Final = 5
"""How long borg waits for a lock held from outside; our own jobs never meet in it."""

_COMMON: Final = ("--log-json", f"--lock-wait={LOCK_WAIT_SECONDS}")

_LIST_FORMAT: Final = "{end}{comment}{hostname}{username}"
"""Adds these to the name, id and start that ``list --json`` always gives; order means nothing."""


class CommandError(ValueError):
    """A value that cannot stand in a borg command; the message says why, and after
    :data:`~borgui.borg.display.IN_DETAIL` which."""

    def __init__(self, message: str, value: str | None = None) -> None:
        named = "" if value is None else f" {IN_DETAIL} {printable_path(value)}"
        super().__init__(message + named)


@dataclass(frozen=True, slots=True)
class CreateOptions:
    """What ``borg create`` is to do; the defaults are borg's own.

    ``name`` may hold borg's placeholders. ``sources`` are absolute paths. ``extra`` are
    arguments that :func:`borgui.borg.flags.parse_flags` let through.
    """

    name: str
    sources: tuple[str, ...]
    compression: str | None = None
    excludes: tuple[str, ...] = ()
    exclude_if_present: tuple[str, ...] = ()
    exclude_caches: bool = False
    one_file_system: bool = False
    extra: tuple[str, ...] = ()


def init(encryption: str) -> list[str]:
    """``borg init``: create the repository, with one of :data:`borgui.borg.encryption.MODES`."""
    return ["init", *_COMMON, f"--encryption={encryption}"]


def create(options: CreateOptions) -> list[str]:
    """``borg create`` with progress on stderr and the archive's figures on stdout.

    No ``--list``: every warning comes as a log message with its path, and listing costs a line
    of output for each file of a first backup.
    """
    for source in options.sources:
        if not source.startswith("/"):
            raise CommandError("A source folder must be an absolute path.", source)
    if not options.sources:
        raise CommandError("A backup needs at least one source folder.")
    argv = ["create", *_COMMON, "--json", "--progress", *_create_flags(options)]
    argv += [f"--exclude={say_exclude(pattern)}" for pattern in options.excludes]
    argv += [f"--exclude-if-present={name}" for name in options.exclude_if_present]
    sources, rules = say_sources([posixpath.normpath(source) for source in options.sources])
    argv += [*options.extra, *(f"--pattern={rule}" for rule in rules)]
    argv += ["--", f"::{options.name}", *sources]
    _check_utf8(argv)
    if rules and options.one_file_system:
        raise CommandError(
            "One file system cannot be combined with a source folder whose path is not UTF-8: "
            "borg is given the folder above it, which may lie on another file system."
        )
    return argv


def leaving_out(argv: Sequence[str], excludes: Sequence[str]) -> tuple[str, ...]:
    """A ``borg create`` that leaves out ``excludes`` too, whatever its other patterns say."""
    more = (f"--exclude={say_exclude(pattern)}" for pattern in excludes)
    return (argv[0], *more, *argv[1:])


def extract(archive: str, paths: Sequence[str] = (), *, strip_components: int = 0) -> list[str]:
    """``borg extract`` of an archive below the working directory, overwriting what is there.

    ``paths`` from :func:`borgui.borg.selection.arguments`; none is all. ``--list`` costs borg a
    fifth of its time on tiny files, and is the only way to know files done and which is being
    written. Zeros become holes. argv of this command may hold bytes that are no UTF-8.
    """
    argv = ["extract", *_COMMON, "--progress", "--list", "--sparse"]
    if strip_components:
        argv.append(f"--strip-components={strip_components}")
    return [*argv, "--", _archive(archive), *paths]


def extract_contents(archive: str, paths: Sequence[str] = ()) -> list[str]:
    """``borg extract`` of exactly these files, or of all, without ACLs, attributes and flags.

    ``paths`` as the archive stores them. They are given by ``--pattern``, since borg says of each
    full path that stands as an argument that it never matched (1.2.4). Borg finds them in a
    dictionary: their number costs nothing.
    """
    argv = ["extract", *_COMMON, "--progress", "--sparse", "--noacls", "--noxattrs", "--noflags"]
    chosen = [f"pf:{path}" for path in paths]
    return [*argv, *(_only(chosen) if paths else ()), "--", _archive(archive)]


def list_checksums(archive: str, chosen: Sequence[str] = ()) -> list[str]:
    """``borg list`` with borg's checksum of each content, as :mod:`borgui.borg.listing` reads it.

    ``chosen`` are patterns with their style; none is all. Borg reads the contents for it.
    """
    argv = ["list", *_COMMON, f"--format={listing.CHECKSUMS}"]
    return [*argv, *(_only(chosen) if chosen else ()), "--", _archive(archive)]


def _only(patterns: Sequence[str]) -> list[str]:
    return [*(f"--pattern=+{pattern}" for pattern in patterns), r"--pattern=-re:\A"]


def export_tar(archive: str, paths: Sequence[str] = (), *, strip_components: int = 0) -> list[str]:
    """``borg export-tar`` to stdout, in GNU's format; ``paths`` as for :func:`extract`.

    No ``--progress``: for that borg would go through the archive twice. One file is had from here
    too: ``extract --stdout`` gives nothing for the further names of a hard link (1.2.4).
    """
    argv = ["export-tar", *_COMMON]
    if strip_components:
        argv.append(f"--strip-components={strip_components}")
    return [*argv, "--", _archive(archive), "-", *paths]


def mount(archive: str, mountpoint: str) -> list[str]:
    """``borg mount`` of an archive, in the foreground: it ends when it is unmounted.

    Only the user who runs it can look into it (FUSE's rule), whatever the modes of the files: so
    those of others are readable too, as they were to the backup.
    """
    argv = ["mount", *_COMMON, "--foreground", "-o", "ignore_permissions", "--"]
    return [*argv, _archive(archive), mountpoint]


def mount_problem(said: str) -> str | None:
    """What a call of :func:`mount` that could not work said, as a sentence; None where it was no
    lack of FUSE: borg looks for that first."""
    return MOUNT_UNAVAILABLE.sentence if NO_FUSE in said else None


def list_entries(archive: str, paths: Sequence[str] = ()) -> list[str]:
    """``borg list`` of an archive: a line of JSON for each entry, with type, path and size."""
    return ["list", *_COMMON, "--json-lines", "--format={size}", "--", _archive(archive), *paths]


def excluding(argv: Sequence[str], patterns: Sequence[str]) -> list[str]:
    """A command with further excludes, which go before what it selects."""
    place = argv.index("--")
    return [*argv[:place], *(f"--exclude={each}" for each in patterns), *argv[place:]]


def list_places(argv: Sequence[str]) -> list[str]:
    """``borg list`` of just what the command ``argv`` selects in its archive, a line an item, as
    :func:`borgui.borg.listing.parse_place` reads them."""
    place = argv.index("--")
    excludes = [word for word in argv[:place] if word.startswith("--exclude=")]
    return ["list", *_COMMON, f"--format={listing.PLACES}", *excludes, *argv[place:]]


def list_archives() -> list[str]:
    """``borg list``: every archive's name, id, start, end and comment, without sizes."""
    return ["list", *_COMMON, "--json", f"--format={_LIST_FORMAT}"]


def list_archive(name: str) -> list[str]:
    """``borg list`` of one archive: a line an item, as :mod:`borgui.borg.listing` reads them, which
    says by its end which archive it is of."""
    argv = ["list", *_COMMON, f"--format={listing.MARKED}", "--", f"::{escape_braces(name)}"]
    _check_utf8(argv)
    return argv


def diff(
    before: str, after: str, paths: Sequence[str] = (), *, content_only: bool = False
) -> list[str]:
    """``borg diff`` of two archives: a line an entry, as :mod:`borgui.borg.differences` reads them.

    ``paths`` as for :func:`extract`. ``content_only`` leaves out owners, modes and times; borg has
    it since 1.2.4.
    """
    argv = ["diff", *_COMMON, "--json-lines", *(["--content-only"] if content_only else [])]
    return [*argv, "--", _archive(before), escape_braces(after), *paths]


def info_archives(last: int | None = None) -> list[str]:
    """``borg info`` of all archives, or of the ``last`` newest: sizes and file counts too.

    Reads each archive's metadata to tell what only it holds, so its cost grows with the files
    in them; it fills the cache if that is missing.
    """
    if last is not None and last < 1:
        raise CommandError("The number of archives must be at least 1.")
    select = "--glob-archives=*" if last is None else f"--last={last}"
    return ["info", *_COMMON, "--progress", "--json", select]


def delete_archives(names: Sequence[str]) -> list[str]:
    """``borg delete`` of archives. One that is gone already is no error (a warning in the log)."""
    return ["delete", *_COMMON, "--", "::", *names]


def rename_archive(old: str, new: str) -> list[str]:
    """``borg rename``; the archive gets another id."""
    argv = ["rename", *_COMMON, "--", _archive(old), new]
    _check_utf8(argv)
    return argv


def comment_archive(name: str, comment: str) -> list[str]:
    """``borg recreate`` for its comment alone; the archive gets another id."""
    argv = ["recreate", *_COMMON, f"--comment={escape_braces(comment)}", "--", _archive(name)]
    _check_utf8(argv)
    return argv


def delete_repository() -> list[str]:
    """``borg delete`` of all: needs :data:`borgui.borg.environment.CONFIRM_DELETE`."""
    return ["delete", *_COMMON, "--progress"]


def delete_cache() -> list[str]:
    """``borg delete`` of borg's cache of the repository alone, which waits for its lock as the
    whole does. Nothing is asked."""
    return ["delete", *_COMMON, "--cache-only"]


def key_import() -> list[str]:
    """``borg key import``: takes the exported key from stdin and puts it in its place."""
    return ["key", "import", *_COMMON, "--", "::", "-"]


def break_lock() -> list[str]:
    """``borg break-lock``: silent, also where nothing is locked."""
    return ["break-lock", *_COMMON]


def version() -> list[str]:
    """``borg --version``, which answers in every version and needs no repository."""
    return ["--version"]


def _archive(name: str) -> str:
    return f"::{escape_braces(name)}"


def _check_utf8(argv: list[str]) -> None:
    """Borg 1.2.4 reads everything and then fails on one word that is not UTF-8."""
    for word in argv:
        if not is_utf8(word):
            raise CommandError("borg cannot be given a value that is not UTF-8.", word)


def _create_flags(options: CreateOptions) -> list[str]:
    flags = []
    if options.exclude_caches:
        flags.append("--exclude-caches")
    if options.one_file_system:
        flags.append("--one-file-system")
    if options.compression is not None:
        flags.append(f"--compression={options.compression}")
    return flags


def escape_braces(text: str) -> str:
    """Return ``text`` so that borg takes its braces literally where it reads placeholders."""
    return text.replace("{", "{{").replace("}", "}}")
