"""A wrong query is shown with a caret under what is wrong."""

import pytest

from lib.errors import QueryError
from lib.ui.query_error import pointed


@pytest.mark.parametrize(
    ("query", "position", "shown"),
    [
        ("ab (", 4, "ab (\n    ^\nno"),
        ("ab", None, "no"),
        ("one\ntwo x", 8, "two x\n    ^\nno"),
        ("世a", 1, "世a\n  ^\nno"),
        ("\t!", 1, " !\n ^\nno"),
        ("", 0, "\n^\nno"),
    ],
)
def test_the_caret_stands_under_the_character(query: str, position: int | None, shown: str) -> None:
    assert pointed(query, QueryError("no", position)) == shown


def test_of_a_long_line_the_part_around_the_error_is_shown() -> None:
    first, caret, _ = pointed("x" * 500 + "!" + "y" * 500, QueryError("no", 500)).split("\n")

    assert len(first) == 120
    assert first[caret.index("^")] == "!"
