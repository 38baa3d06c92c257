import fnmatch
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from borgui.borg.names import (
    DEFAULT_TEMPLATE,
    TemplateError,
    expand_template,
    literal_name,
    template_glob,
    validate_template,
)

MOMENT = datetime(2026, 11, 23, 20, 25, 55, 123456, tzinfo=UTC)


@pytest.mark.parametrize(
    ("template", "name"),
    [
        ("{now}", "2026-11-23T21:25:55.123456"),
        ("{utcnow}", "2026-11-23T20:25:55.123456"),
        ("web-{now:%Y-%m-%d_%H:%M}", "web-2026-11-23_21:25"),
        ("{hostname}-{now:%F}", "{hostname}-2026-11-23"),
        ("a{{b}}-{now:%y}", "a{{b}}-26"),
    ],
)
def test_expand(template: str, name: str) -> None:
    assert validate_template(template) == template
    assert expand_template(template, MOMENT, ZoneInfo("Europe/Berlin")) == name


@pytest.mark.parametrize(
    "template",
    [
        "",
        "web",
        "{hostname}",
        "{now",
        "{now}}",
        "{nosuch}-{now}",
        "{}-{now}",
        "{now!r}",
        "{now:{pid}}",
        "{hostname:>9}-{now}",
        "{now:%D}",
        "{now:%B}",
        "{now:%}",
        "a/b-{now}",
        "{now:%Y/%m}",
        " {now}",
        "{now} ",
        "a\nb{now}",
        "a*{now}",
        "a[0-9]{now}",
        "a\udce9{now}",
        "{now}.checkpoint",
        "{now}.checkpoint.2",
        "a::b{now}",
        "x" * 200 + "{now}",
        "{hostname.x}-{now}",
        "{now[0]}",
    ],
)
def test_refused(template: str) -> None:
    with pytest.raises(TemplateError):
        validate_template(template)


def test_a_known_host_is_filled_in_and_the_name_known() -> None:
    made = expand_template("{{a}}-{hostname}-{now:%Y}", MOMENT, UTC, "we{i}rd")
    assert literal_name(made) == "{a}-we{i}rd-2026"
    assert made.format_map({}) == "{a}-we{i}rd-2026"  # as borg reads it


@pytest.mark.parametrize("name", ["hostname", "fqdn", "user", "uuid4"])
def test_a_name_that_borg_completes_is_not_known(name: str) -> None:
    assert literal_name(expand_template(f"{{{name}}}-{{now}}", MOMENT, UTC)) is None


def test_glob_catches_its_own_archives_only() -> None:
    glob = template_glob("web-{now}")
    assert fnmatch.fnmatchcase("web-2026-11-23T20:25:55.123456", glob)
    for other in (
        "web-db-2026-11-23T20:25:55.123456",
        "web-2026-11-23",
        "web-2026-11-23T20:25:55",
        "web-2026-11-23T20:25:55.123456-db",
    ):
        assert not fnmatch.fnmatchcase(other, glob)


def test_glob_leaves_the_rest_to_borg() -> None:
    assert template_glob("{hostname}-{{x}}-{now:%j}") == "{hostname}-{{x}}-[0-9][0-9][0-9]"


@pytest.mark.parametrize("name", ["pid", "borgversion", "borgpatch"])
def test_no_glob_for_what_has_no_shape(name: str) -> None:
    template = "{" + name + "}-{now}"
    assert validate_template(template)
    with pytest.raises(TemplateError):
        template_glob(template)


@given(
    st.datetimes(min_value=datetime(1971, 1, 1), max_value=datetime(2200, 1, 1)),  # noqa: DTZ001
    st.lists(st.sampled_from("YGmdHIMSfyjVUWuwFTabpz%"), min_size=1, max_size=6),
)
def test_every_expansion_matches_its_glob(moment: datetime, directives: list[str]) -> None:
    template = "x-{now:" + "-".join(f"%{directive}" for directive in directives) + "}"
    name = expand_template(template, moment.replace(tzinfo=UTC), ZoneInfo("Asia/Kolkata"))
    assert fnmatch.fnmatchcase(name, template_glob(template))


@given(st.text(max_size=40))
def test_only_template_errors(text: str) -> None:
    try:
        validate_template(text)
        template_glob(text)
    except TemplateError:
        pass
    else:
        assert fnmatch.fnmatchcase(expand_template(text, MOMENT, UTC), template_glob(text))


def test_default_is_valid() -> None:
    assert validate_template(DEFAULT_TEMPLATE)
