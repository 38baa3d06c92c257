import pytest
from hypothesis import given
from hypothesis import strategies as st

from borgui.borg.compression import CompressionError, validate_compression
from borgui.borg.flags import ALLOWED, FlagError, parse_flags


def test_allowed() -> None:
    text = "-x --noatime -C zstd,3 --exclude '*.o x' --comment=hi --upload-ratelimit 5"
    assert parse_flags(text) == (
        "--one-file-system",
        "--noatime",
        "--compression=zstd,3",
        "--exclude=*.o x",
        "--comment=hi",
        "--upload-ratelimit=5",
    )


@pytest.mark.parametrize(
    "text",
    [
        "--json",
        "--list",
        "--rsh=x",
        "--rsh x",
        "--remote-path=/x",
        "--bypass-lock",
        "--debug",
        "--stdin-name x",
        "--dry-run",
        "-n",
        "-xn",
        "--read-special",
        "--read-sp",
        "--content-from-command",
        "--patterns-from /etc/shadow",
        "--lock-wait 9",
        "--",
        "/etc",
        "::x",
        "--noatime=1",
        "--exclude",
        "--exclude 're:('",
        "--exclude zz:x",
        "--pattern 'R /etc'",
        "--chunker-params 19,23,21,4094",
        "--files-cache x",
        "--checkpoint-interval 1",
        "--upload-ratelimit ٣",
        "--comment {now}",
        "--exclude 'a",
    ],
)
def test_refused(text: str) -> None:
    with pytest.raises(FlagError) as caught:
        parse_flags(text)
    assert str(caught.value).endswith((".", "one"))


@given(st.text(max_size=60))
def test_only_flag_errors(text: str) -> None:
    try:
        found = parse_flags(text)
    except FlagError:
        return
    assert all(word.partition("=")[0] in ALLOWED for word in found)


@pytest.mark.parametrize(
    "text",
    [
        "none",
        "lz4",
        "zstd",
        "zstd,1",
        "zstd,22",
        "zlib,0",
        "lzma,9",
        "auto,zstd,3",
        "auto,lzma",
        "obfuscate,110,none",
        "obfuscate,3,auto,zstd,10",
    ],
)
def test_compression(text: str) -> None:
    assert validate_compression(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "gzip",
        "zstd,0",
        "zstd,23",
        "zstd,",
        "zstd,x",
        "zstd,3,4",
        "lz4,1",
        "none,0",
        "zlib,10",
        "auto",
        "auto,",
        "auto,auto,lz4",
        "obfuscate",
        "obfuscate,7,lz4",
        "obfuscate,3",
        "zstd,03",
        "zstd,-1",
        "Zstd",
    ],
)
def test_compression_refused(text: str) -> None:
    with pytest.raises(CompressionError):
        validate_compression(text)
