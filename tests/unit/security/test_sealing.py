"""What was changed on the way, or belongs elsewhere, is not opened."""

import base64
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from borgui.security.keys import Keys
from borgui.security.sealing import Sealer, SealError, open_spec, seal_spec

KEYS = (os.urandom(32),)
SPEC = {"job": 1, "secrets": ["hunter2"], "path": "\udcff"}


def test_spec() -> None:
    sealed = seal_spec(SPEC, KEYS, 1, 2, "local")

    assert open_spec(sealed, KEYS, 1, 2, "local") == SPEC
    assert sealed.isascii()
    assert b"hunter2" not in base64.b64decode(sealed)
    assert seal_spec(SPEC, KEYS, 1, 2, "local") != sealed


@pytest.mark.parametrize(
    "bound", [(2, 2, "local"), (1, 3, "local"), (1, 2, "other"), (12, 0, "local")]
)
def test_spec_is_bound(bound: tuple[int, int, str]) -> None:
    with pytest.raises(SealError):
        open_spec(seal_spec(SPEC, KEYS, 1, 2, "local"), KEYS, *bound)


@given(st.data())
def test_changed_spec(data: st.DataObject) -> None:
    raw = bytearray(base64.b64decode(seal_spec(SPEC, KEYS, 1, 1, "local")))
    at = data.draw(st.integers(0, len(raw) - 1))
    raw[at] ^= data.draw(st.integers(1, 255))

    with pytest.raises(SealError):
        open_spec(base64.b64encode(raw).decode(), KEYS, 1, 1, "local")


@given(st.text() | st.binary().map(lambda raw: base64.b64encode(raw).decode()))
def test_nonsense(text: str) -> None:
    with pytest.raises(SealError):
        open_spec(text, KEYS, 1, 1, "local")


def test_spec_after_a_change_of_keys() -> None:
    new = (os.urandom(32), *KEYS)

    assert open_spec(seal_spec(SPEC, KEYS, 1, 1, "local"), new, 1, 1, "local") == SPEC


@given(st.text(st.characters()))
def test_column(text: str) -> None:
    text = text.encode("utf-8", "replace").decode()
    sealer = Sealer(Keys((b"m" * 32,)))

    assert sealer.open(sealer.seal(text)) == text


def test_column_after_a_change_of_keys() -> None:
    old, new = Sealer(Keys((b"o" * 32,))), Sealer(Keys((b"n" * 32, b"o" * 32)))
    token = old.seal("hunter2")

    assert new.open(token) == "hunter2"
    assert Sealer(Keys((b"n" * 32,))).open(new.seal("hunter2")) == "hunter2"


@pytest.mark.parametrize("token", ["", "x", "gAAAAA", "é"])
def test_column_of_another_key(token: str) -> None:
    sealer = Sealer(Keys((b"m" * 32,)))
    for each in (token, Sealer(Keys((b"o" * 32,))).seal("hunter2")):
        with pytest.raises(SealError):
            sealer.open(each)
