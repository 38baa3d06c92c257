"""Secrets are gone in whatever form they come."""

import json
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from borgui.runner.masking import Mask


@given(st.text(min_size=6), st.text(max_size=5), st.text(max_size=5))
def test_every_form(secret: str, before: str, after: str) -> None:
    secret = f"s3{secret}3s"
    mask = Mask([secret])
    for form in (secret, json.dumps(secret), json.dumps(secret, ensure_ascii=False)):
        assert secret not in mask(f"{before}{form}{after}")
    assert mask(quote(secret, safe="")) == "********"
    assert mask(json.dumps(secret)) == '"********"'


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("a passphrase: abc.", "a passphrase: ********."),
        ("abcd xabc", "abcd xabc"),
        ("abc", "********"),
    ],
)
def test_short_secret_only_alone(text: str, masked: str) -> None:
    assert Mask(["abc"])(text) == masked


def test_one_within_another() -> None:
    assert Mask(["secret", "secret-longer"])("secret-longer secret") == "******** ********"


def test_none() -> None:
    assert Mask([])("text") == Mask([""])("text") == "text"
