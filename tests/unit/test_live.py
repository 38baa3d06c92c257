"""What is read from Redis is known or unknown, never an error and never a false zero."""

from hypothesis import given
from hypothesis import strategies as st

from borgui.live import Live, encode, is_cancelled, timestamp

TEXT = st.text() | st.binary() | st.sampled_from(["", "nan", "inf", "-1", "1e400", "[", "{}"])


@given(st.dictionaries(st.sampled_from(list(Live.__slots__)) | TEXT, TEXT))
def test_anything_can_be_decoded(raw: dict[str | bytes, str | bytes]) -> None:
    Live.decode(raw)


def test_unknown_is_not_zero() -> None:
    live = Live.decode({"nfiles": "", "progress_percent": "", "original_size": "0"})

    assert (live.nfiles, live.progress_percent, live.original_size) == (None, None, 0)


def test_round_trip() -> None:
    values = {
        "attempt": 2,
        "progress_percent": 12.5,
        "current_file": "/a b",
        "outcome": {"status": "completed"},
        "eta_seconds": None,
    }
    text = encode(values)

    assert text["eta_seconds"] == ""
    for raw in (text, {key.encode(): value.encode() for key, value in text.items()}):
        found = Live.decode(raw)
        assert {name: getattr(found, name) for name in values} == values


def test_cancel_flag() -> None:
    assert is_cancelled(b"any", 3)
    assert is_cancelled("3", 3)
    assert not is_cancelled("2", 3)
    assert not is_cancelled(None, 3)


def test_timestamp() -> None:
    assert timestamp().endswith("Z")
    assert len(timestamp()) == len("2026-11-23T18:29:08.123Z")
