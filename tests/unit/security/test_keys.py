"""The master secret: made once, whatever happens at the same time."""

import os
from multiprocessing import get_context
from pathlib import Path

import pytest

from borgui.config import Config
from borgui.security import keys


def config(folder: Path, secret: str | None = None) -> Config:
    return Config(data_dir=folder, secret_key=secret)


def load_in_process(folder: str) -> bytes:
    return keys.load(config(Path(folder))).masters[0]


def test_made_once(tmp_path: Path) -> None:
    first = keys.load(config(tmp_path))

    assert keys.load(config(tmp_path)) == first
    assert (tmp_path / "secret.key").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["secret.key"]


def test_many_at_once(tmp_path: Path) -> None:
    with get_context("spawn").Pool(6) as pool:
        found = pool.map(load_in_process, [str(tmp_path)] * 24, chunksize=1)

    assert len(set(found)) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["secret.key"]


def test_from_the_environment(tmp_path: Path) -> None:
    given = keys.load(config(tmp_path, "a secret of some length"))

    assert given.masters == (b"a secret of some length",)
    assert not (tmp_path / "secret.key").exists()


def test_the_file_stays_readable_beside_the_environment(tmp_path: Path) -> None:
    old = keys.load(config(tmp_path))

    assert keys.load(config(tmp_path, "a secret of some length")).masters[1:] == old.masters


def test_several_lines(tmp_path: Path) -> None:
    (tmp_path / "secret.key").write_text(f"{'n' * 64}\n{'o' * 64}\n")

    assert keys.load(config(tmp_path)).masters == (b"n" * 64, b"o" * 64)


@pytest.mark.parametrize("text", ["", "short", f"{'n' * 64}\nshort"])
def test_damaged_file_is_not_replaced(tmp_path: Path, text: str) -> None:
    (tmp_path / "secret.key").write_text(text)

    with pytest.raises(keys.MasterKeyError, match="holds no usable key"):
        keys.load(config(tmp_path))
    assert (tmp_path / "secret.key").read_text() == text


@pytest.mark.parametrize("secret", ["short", " " * 20, f"{' ' * 8}short{' ' * 8}"])
def test_short_secret(tmp_path: Path, secret: str) -> None:
    with pytest.raises(keys.MasterKeyError, match="at least 16"):
        keys.load(config(tmp_path, secret))


def test_blanks_around_a_secret_are_part_of_it(tmp_path: Path) -> None:
    secret = " a secret of some length\n"
    assert keys.load(config(tmp_path, secret)).masters == (secret.encode(),)


def test_no_folder(tmp_path: Path) -> None:
    with pytest.raises(keys.MasterKeyError, match="cannot be made: No such file"):
        keys.load(config(tmp_path / "gone"))


def test_every_purpose_has_its_own_key() -> None:
    found = keys.Keys((os.urandom(32),))
    made = {
        found.session(),
        *found.database(),
        *found.transport("local"),
        *found.transport("other"),
    }

    assert len(made) == 4
    assert all(len(key) == 32 for key in made)


def test_known_answer() -> None:
    """The derivation never changes, or nothing sealed could be opened any more."""
    known = "131436a2af87a32cef7886b7351b4fe6042c788d9ef460d53d7845be547dd24f"

    assert keys.derive(b"m" * 32, "session").hex() == known


def test_derived_as_ever() -> None:
    """As HKDF of another library derived it: else nothing sealed before would open."""
    assert keys.derive(b"m" * 64, "session").hex() == (
        "0bd076681ffdc55bc680e1294d043bb46a58765567a5491f84159e40edf1198c"
    )
    assert keys.derive(b"m" * 64, "database") != keys.derive(b"m" * 64, "session")
