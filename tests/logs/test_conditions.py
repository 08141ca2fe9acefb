"""Looking for a text means its characters, whatever their case: wildcards, escapes and letters of any script."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from lib.duck import in_memory
from lib.logs.conditions import holds

ASK = in_memory()
LETTERS = st.text("aAZz.%_\\*[^$ \0\n'\"éÉßẞİıΣσςµMKǅ😀\u0307", max_size=8)


@given(LETTERS, LETTERS)
@example("100% sure", "0% S")
@example("a_b", "A_B")
@example("axb", "a_b")
@example("a\\b", "\\")
def test_a_text_is_found_as_its_lower_case_is_in_the_lower_case(held: str, looked_for: str) -> None:
    condition = holds("held", looked_for)
    sql = "SELECT found, contains(lower(held), lower(?)) FROM (SELECT held, {} AS found FROM (SELECT ? AS held))"

    [(found, expected)] = ASK(sql.replace("{}", condition.text), (looked_for, *condition.params, held))

    assert found == expected
