from __future__ import annotations

import pytest
from dativo_config.transforms import Transform, TransformError, clash, parse_sort_term, parse_transform


@pytest.mark.parametrize(
    ("text", "transform"),
    [
        ("country", Transform("identity", "country")),
        ("identity(country)", Transform("identity", "country")),
        ("day( created )", Transform("day", "created")),
        ("Hour(at)", Transform("hour", "at")),
        ("bucket(16, id)", Transform("bucket", "id", 16)),
        ("truncate(4,name)", Transform("truncate", "name", 4)),
    ],
)
def test_a_transform_is_read(text: str, transform: Transform):
    assert parse_transform(text) == transform


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("days(created)", "did you mean 'day'"),
        ("bucket(id)", "write bucket(16, id)"),
        ("day(3, created)", "write day(created)"),
        ("bucket(0, id)", "between 1"),
        ("bucket(-1, id)", "between 1"),
        ("day(created", "write a column"),
        ("", "write a column"),
        ("a b", "write a column"),
    ],
)
def test_what_is_no_transform_is_told_with_the_mend(text: str, says: str):
    with pytest.raises(TransformError) as caught:
        parse_transform(text)

    assert says in f"{caught.value.message}; {caught.value.hint}"


@pytest.mark.parametrize("text", ["created", "created desc", "created ASC nulls last", "created nulls first"])
def test_a_sort_term_may_have_a_direction(text: str):
    assert parse_sort_term(text) == Transform("identity", "created")


def test_transforms_take_the_types_that_iceberg_says():
    assert not Transform("day", "a").refusal("timestamptz")
    assert "needs a column of type date, timestamp, timestamptz" in Transform("day", "a").refusal("string")
    assert Transform("hour", "a").refusal("date")
    assert Transform("bucket", "a", 4).refusal("double")
    assert Transform("identity", "a").refusal("struct")


def test_one_column_has_one_transform_of_time():
    assert "finer" in clash(Transform("day", "a"), Transform("hour", "a"))
    assert not clash(Transform("day", "a"), Transform("day", "b"))
    assert not clash(Transform("day", "a"), Transform("bucket", "a", 4))
