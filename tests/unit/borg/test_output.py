import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from borgui.borg.output import OutputError, parse_create, parse_info, parse_list
from tests.unit.borg.streams import VERSIONS, stdout


@pytest.mark.parametrize("version", VERSIONS)
def test_recorded_lists(version: str) -> None:
    listed = parse_list(stdout(version, "list-repo-json"))
    assert [archive.name for archive in listed.archives] == ["x2", "r-new"]
    assert all(archive.start.tzinfo is UTC for archive in listed.archives)
    assert parse_list(stdout(version, "list-empty-repo-json")).archives == ()


@pytest.mark.parametrize("version", VERSIONS)
def test_recorded_info(version: str) -> None:
    info = parse_info(stdout(version, "info-repo-json"))
    assert info.repository.encryption == "repokey-blake2"
    assert info.repository.cache is not None
    assert info.repository.cache.unique_csize > 0


CREATED = {
    "archive": {
        "id": "ab" * 32,
        "name": "a",
        "start": "2026-11-23T18:29:08.000000",
        "end": "2026-11-23T18:29:09.000000",
        "duration": 0.5,
        "stats": {
            "original_size": 4,
            "compressed_size": 3,
            "deduplicated_size": 2,
            "nfiles": 1,
        },
    },
    "encryption": {"mode": "none"},
    "repository": {"id": "cd" * 32, "location": "/r", "last_modified": "2026-11-23T18:29:09.0"},
}


def test_create() -> None:
    created = parse_create(json.dumps(CREATED).encode())
    assert created.stats.deduplicated_size == 2
    assert created.archive.start == datetime(2026, 11, 23, 18, 29, 8, tzinfo=UTC)
    assert created.repository.cache is None


@pytest.mark.parametrize("key", ["archive", "encryption", "repository"])
def test_create_without_a_part(key: str) -> None:
    with pytest.raises(OutputError):
        parse_create(json.dumps({k: v for k, v in CREATED.items() if k != key}).encode())


_JSON = st.recursive(
    st.none() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(
            st.sampled_from(["archive", "archives", "repository", "encryption", "id", "stats"]),
            inner,
        )
    ),
)


@given(st.binary(max_size=40) | _JSON.map(lambda value: json.dumps(value).encode()))
def test_garbage_is_an_output_error(text: bytes) -> None:
    for parse in (parse_create, parse_list, parse_info):
        with pytest.raises(OutputError):
            parse(text)
